"""Paths of vehicles: which end is seen, where they stood, where they crossed a row."""

from __future__ import annotations

import pytest

from edge.records import Contact

from .made_up_road import SIZE, Drive, away, pixel, towards, watched


def test_a_car_that_shrinks_is_seen_from_behind_and_one_that_grows_from_the_front() -> None:
    (leaving,) = watched([Drive(0.0, away(0.0))], 8.0).paths()
    (coming,) = watched([Drive(0.0, towards(0.0))], 8.0).paths()
    assert leaving.contact is Contact.REAR
    assert coming.contact is Contact.FRONT
    assert leaving.drives(SIZE)
    assert coming.drives(SIZE)


def test_a_parked_car_does_not_drive() -> None:
    (parked,) = watched([Drive(0.0, lambda _: 15.0)], 5.0).paths()
    assert parked.contact is None
    assert not parked.drives(SIZE)
    assert len(parked.stops()) == 1


def test_a_stop_has_its_place_and_its_time() -> None:
    (path,) = watched([Drive(-3.4, away(0.0, 9.0, wait_at_m=18.5, until_s=7.0))], 15.0).paths()
    (stop,) = path.stops()
    assert stop.y_px == pytest.approx(pixel(-3.4, 18.5)[1], abs=2)
    assert stop.from_s == pytest.approx(1.2, abs=0.5)
    assert stop.to_s == pytest.approx(7.0, abs=0.5)


def test_a_row_is_crossed_when_it_is_and_where_it_is() -> None:
    (path,) = watched([Drive(0.0, away(1.0, 10.0))], 10.0).paths()
    x, y = pixel(0.0, 28.0)
    t_s = path.t_at(y)
    at = path.x_at(y)
    assert t_s == pytest.approx(3.0, abs=0.1)
    assert at is not None
    assert at[0] == pytest.approx(x, abs=1)
    assert path.t_at(2.0) is None


def test_boxes_cut_off_by_the_picture_are_left_out() -> None:
    (path,) = watched([Drive(0.0, away(0.0))], 8.0).paths()
    assert path.y_px.max() < SIZE[1] - 3


def test_points_are_thinned_to_five_a_second() -> None:
    (path,) = watched([Drive(0.0, lambda _: 15.0)], 10.0).paths()
    assert len(path.t_s) <= 51
