"""Lanes and stop line, on a made-up road whose every place is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge.proposals.approach import ApproachProposal, Ground, propose_approach
from edge.proposals.paint import median_luma
from edge.records import Contact, VehicleClass

from .made_up_road import LANES_M, LINE_M, SIZE, Drive, away, box, picture, pixel, towards, watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.geometry import Segment
    from edge.proposals.paths import Path

# The shapes of cars seen from behind: one waits with its front at the line, its rear a length and a metre before it.
BEHIND = [
    Drive(LANES_M[0], away(0.0)),
    Drive(LANES_M[1], away(1.0, 10.0)),
    Drive(LANES_M[0], away(5.0, 9.0, wait_at_m=LINE_M - 5.5, until_s=14.0)),
    Drive(LANES_M[1], away(8.0, 11.0)),
]
BEFORE = [
    Drive(LANES_M[0], towards(0.0)),
    Drive(LANES_M[1], towards(1.0, 10.0)),
    Drive(LANES_M[0], towards(6.0, 9.0, wait_at_m=LINE_M + 1.0, until_s=18.0)),
]


ROAD = median_luma([picture()] * 3, [()] * 3)


def driven(drives: Sequence[Drive]) -> tuple[Path, ...]:
    return watched(drives, 25.0).paths()


def proposed(drives: Sequence[Drive], line_m: float | None = LINE_M) -> ApproachProposal | None:
    return propose_approach(driven(drives), median_luma([picture(line_m)] * 3, [()] * 3), SIZE)


def middle(segment: Segment) -> tuple[float, float]:
    (x1, y1), (x2, y2) = segment
    return (x1 + x2) / 2, (y1 + y2) / 2


@pytest.mark.parametrize(("drives", "contact"), [(BEHIND, Contact.REAR), (BEFORE, Contact.FRONT)])
def test_the_painted_line_and_both_lanes_are_found_from_either_side(drives: list[Drive], contact: Contact) -> None:
    found = proposed(drives)
    assert found is not None
    assert (found.contact, found.ground) == (contact, Ground.PAINT)
    assert len(found.lanes) == 2
    # From the driver's left: the same lane is on the other side of the picture for those who come.
    from_left = LANES_M if contact is Contact.REAR else LANES_M[::-1]
    for lane, x_m in zip(found.lanes, from_left, strict=True):
        x, y = middle(lane.stop_px)
        true_x, true_y = pixel(x_m, LINE_M)
        assert x == pytest.approx(true_x, abs=12)
        assert true_y - 8 < y < true_y  # a little above the paint, where bumpers are seen
        assert all(end[1] == pytest.approx(y, abs=3) for end in lane.stop_px)


@pytest.mark.parametrize(("drives", "sign"), [(BEHIND, 1), (BEFORE, -1)])
def test_the_confirm_line_lies_about_a_vehicle_length_on(drives: list[Drive], sign: int) -> None:
    found = proposed(drives)
    assert found is not None
    for lane in found.lanes:
        _, y = middle(lane.confirm_px)
        nearest, farthest = sorted(pixel(0.0, LINE_M + sign * metres)[1] for metres in (3.0, 9.0))
        assert nearest < y < farthest


def test_neighbouring_lanes_share_an_edge() -> None:
    found = proposed(BEHIND)
    assert found is not None
    left, right = found.lanes
    assert left.stop_px[1][0] == pytest.approx(right.stop_px[0][0], abs=1)


def test_a_lane_that_only_motorcycles_took_is_as_wide_as_any() -> None:
    ridden = [
        replace(path, vehicle_class=VehicleClass.MOTORCYCLE, width_px=path.width_px / 2.2) for path in driven(BEHIND)
    ]
    by_cars, by_motorcycles = (propose_approach(paths, ROAD, SIZE) for paths in (driven(BEHIND), ridden))
    assert by_cars is not None
    assert by_motorcycles is not None
    for one, other in zip(by_cars.lanes, by_motorcycles.lanes, strict=True):
        widths = [lane.stop_px[1][0] - lane.stop_px[0][0] for lane in (one, other)]
        assert widths[1] == pytest.approx(widths[0], rel=0.1)


def test_a_zebra_alone_is_no_stop_line_and_stops_tell_where_it_is() -> None:
    found = proposed(BEHIND, line_m=None)
    assert found is not None
    assert found.ground is Ground.STOPS
    _, y = middle(found.lanes[0].stop_px)
    nearest, farthest = sorted(pixel(0.0, LINE_M + metres)[1] for metres in (-3.0, 3.0))
    assert nearest < y < farthest


def test_without_paint_and_stops_the_line_is_called_a_guess() -> None:
    found = proposed([BEHIND[0], BEHIND[1]], line_m=None)
    assert found is not None
    assert found.ground is Ground.GUESS


def test_nothing_is_proposed_where_nothing_drives() -> None:
    parked = Drive(0.0, lambda _: 15.0)
    assert proposed([]) is None
    assert proposed([parked]) is None


def test_a_vehicle_that_stands_over_the_line_for_most_of_the_time_does_not_hide_it() -> None:
    covered = picture().copy()
    standing = box(LANES_M[1], LINE_M - 2.0)
    assert standing is not None
    x1, y1, x2, y2 = (int(value) for value in standing)
    covered[y1:y2, x1:x2] = 20
    seen = median_luma([covered] * 4 + [picture()], [(standing,)] * 4 + [()])
    assert (seen == median_luma([picture()], [()])).all()


def test_a_place_that_is_never_free_stays_as_it_mostly_is() -> None:
    everywhere = (0.0, 0.0, 640.0, 360.0)
    assert (median_luma([picture()] * 3, [(everywhere,)] * 3) == median_luma([picture()], [()])).all()
