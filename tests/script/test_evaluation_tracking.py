"""Tracks are scored as TrackEval scores them, and only against what anybody could follow."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the scenes need OpenCV (extra 'sim')")
pytest.importorskip("moderngl", reason="the scenes need moderngl (extra 'sim')")

from typing import TYPE_CHECKING

from script.evaluation.tracking import evaluated, fair, hota, idf1, switches_per_100
from script.evaluation.true_boxes import LABELS

if TYPE_CHECKING:
    from models.train.boxes import Floats
    from script.evaluation.tracking import Frame

CAR, PERSON = LABELS.index("car"), LABELS.index("person")


def rows(*boxes: tuple[float, ...]) -> Floats:
    return np.array(boxes, np.float32).reshape(len(boxes), -1)


def two_cars(swap_at: int | None = None, frames: int = 40) -> list[Frame]:
    """Two cars side by side, tracked exactly; from a frame on under each other's number."""
    played = []
    for index in range(frames):
        left, right = (0.0, index, 40.0, index + 40.0), (200.0, index, 240.0, index + 40.0)
        numbers = (7, 3) if swap_at is None or index < swap_at else (3, 7)
        played.append((rows((0, *left), (1, *right)), rows((numbers[0], *left), (numbers[1], *right))))
    return played


def test_exact_tracks_score_one() -> None:
    pytest.importorskip("trackeval", reason="TrackEval is installed apart (extra 'tracking')")
    score = evaluated(two_cars())
    assert hota([score]) == pytest.approx(1)
    assert idf1([score]) == pytest.approx(1)
    assert (score.switches, score.vehicles) == (0, 2)


def test_numbers_that_swap_halfway_halve_the_association() -> None:
    pytest.importorskip("trackeval", reason="TrackEval is installed apart (extra 'tracking')")
    score = evaluated(two_cars(swap_at=20))
    # Each vehicle's 40 frames are shared between two tracks: 20 of 20 + 20 + 20 for every hit.
    assert hota([score]) == pytest.approx((1 / 3) ** 0.5)
    assert idf1([score]) == pytest.approx(0.5)
    assert switches_per_100([score]) == pytest.approx(100)


def test_recordings_add_up_as_trackeval_adds_them() -> None:
    trackeval = pytest.importorskip("trackeval", reason="TrackEval is installed apart (extra 'tracking')")
    from script.evaluation.tracking import _as_trackeval

    played = [two_cars(swap_at=13), two_cars(frames=25), two_cars(swap_at=5, frames=70)]
    metric = trackeval.metrics.HOTA()
    theirs = metric.combine_sequences(
        {str(i): metric.eval_sequence(_as_trackeval(one)) for i, one in enumerate(played)}
    )
    assert hota([evaluated(one) for one in played]) == pytest.approx(float(theirs["HOTA"].mean()))


def test_only_what_can_be_seen_must_be_followed() -> None:
    true = rows(
        (0, CAR, 0.9, 0, 0, 40, 40),
        (1, CAR, 0.3, 100, 0, 140, 40),  # hidden
        (2, CAR, 1.0, 200, 0, 220, 12),  # small
        (3, PERSON, 1.0, 300, 0, 320, 40),
        (4, CAR, 1.0, 400, 0, 440, 40),  # of another lane
    )
    found = rows(
        (9, 1, 0, 41, 40), (8, 100, 0, 140, 40), (7, 201, 0, 221, 12), (6, 300, 0, 320, 40), (5, 400, 0, 440, 40)
    )
    needed, counted = fair(true, found, np.array([0, 1, 2, 3]))
    assert needed[:, 0].tolist() == [0]
    assert counted[:, 0].tolist() == [9, 6]


def test_frames_without_anything_are_fine() -> None:
    empty = np.zeros((0, 7), np.float32)
    needed, counted = fair(empty, np.zeros((0, 5), np.float32), np.array([0]))
    assert (len(needed), len(counted)) == (0, 0)
