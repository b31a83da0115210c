"""The pictures come from the seed too: rendered again they are the committed ones but for the video's compression."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("moderngl", reason="rendering needs moderngl (extra 'sim')")
pytest.importorskip("cv2", reason="rendering needs OpenCV (extra 'sim')")

import av
import cv2
import numpy as np

from sim_fixtures.render.cases import CASES
from sim_fixtures.render.video import Studio, frames

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

HOME = Path(__file__).resolve().parents[2] / "sim_fixtures"
FRAMES = 2


@pytest.fixture(scope="module")
def studio() -> Studio:
    try:
        made = Studio(samples=4)
        made.renderer(640, 360)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises where there is no EGL
        pytest.skip(f"no EGL context here: {error}")
    return made


def recorded(name: str) -> list[NDArray[uint8]]:
    with av.open(str(HOME / name / "video.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), FRAMES)]


def likeness_db(a: NDArray[uint8], b: NDArray[uint8]) -> float:
    """Peak signal to noise of two pictures whose finest grain, which compression eats, is smoothed away."""
    apart = cv2.GaussianBlur(a, (0, 0), 1.2).astype(float) - cv2.GaussianBlur(b, (0, 0), 1.2)
    return float(10 * np.log10(255**2 / np.square(apart).mean()))


@pytest.mark.parametrize("name", ["within_grace", "front_view", "night_wet_headlights"])
def test_a_case_made_again_has_the_committed_pictures(studio: Studio, name: str) -> None:
    again = list(islice(frames(CASES[name](), studio), FRAMES))
    for made, kept in zip(again, recorded(name), strict=True):
        assert likeness_db(made, kept) > 38
    other = recorded("fog_runner")
    assert likeness_db(again[0], other[0]) < 20
