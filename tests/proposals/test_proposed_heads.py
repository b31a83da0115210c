"""Signal heads found by their turns of red, amber and green, on made-up pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.proposals.approach import propose_approach
from edge.proposals.lamps import find_heads
from edge.proposals.paint import median_luma
from edge.proposals.pictures import PictureStack, small_size
from edge.records import NS_PER_S, Frame, Lamp

from .made_up_road import LANES_M, SIZE, Drive, away, picture, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.proposals.lamps import HeadProposal

_BGR = {Lamp.RED: (40, 40, 235), Lamp.AMBER: (30, 170, 240), Lamp.GREEN: (190, 235, 60)}
_STEP_S = 0.4
_SECONDS = 25.0
_LAMP_PX = 6


@dataclass(frozen=True)
class Still:
    """A picture of its own size only."""

    pixels: NDArray[uint8]

    @property
    def size_px(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    def scaled(self, size_px: tuple[int, int], crop_px: tuple[int, int, int, int] | None = None) -> NDArray[uint8]:
        assert (size_px, crop_px) == (self.size_px, None)
        return self.pixels


def shown(t_s: float) -> Lamp:
    """Green until 12 s, amber for 3 s, then red."""
    return Lamp.GREEN if t_s < 12 else Lamp.AMBER if t_s < 15 else Lamp.RED


def opposite(t_s: float) -> Lamp:
    """Red while the others have green, green while they have red."""
    return Lamp.RED if t_s < 16 else Lamp.GREEN if t_s < 21 else Lamp.AMBER if t_s < 24 else Lamp.RED


def heads_in(
    *drawn: tuple[int, int, Callable[[float], Lamp]],
    draw: Callable[[NDArray[uint8], int, int, Lamp], None] | None = None,
) -> tuple[HeadProposal, ...]:
    """What is found where heads stand at these places, their red lamp's corner given; two cars drive on green."""
    draw = draw or in_the_shade
    paths = watched([Drive(LANES_M[0], away(0.0)), Drive(LANES_M[1], away(3.0))], _SECONDS).paths()
    approach = propose_approach(paths, median_luma([picture()] * 2, [()] * 2), SIZE)
    assert approach is not None
    stack = PictureStack(SIZE)
    for number in range(int(_SECONDS / _STEP_S)):
        t_s = number * _STEP_S
        pixels = picture()
        for left, top, programme in drawn:
            draw(pixels, left, top, programme(t_s))
        stack.frame(Frame(round(t_s * NS_PER_S), number, Still(pixels)), ())
    return find_heads(stack, approach)


def in_the_shade(pixels: NDArray[uint8], left: int, top: int, lit: Lamp) -> None:
    pixels[top - 3 : top + 29, left - 3 : left + _LAMP_PX + 3] = 25
    for index, lamp in enumerate(Lamp):
        rows = slice(top + 10 * index, top + 10 * index + _LAMP_PX)
        pixels[rows, left : left + _LAMP_PX] = _BGR[lamp] if lamp is lit else 35


def in_the_sun(pixels: NDArray[uint8], left: int, top: int, lit: Lamp) -> None:
    """Lit lamps are all but white, red and amber lenses glow in the sun while they are not, and a hood shines above."""
    in_the_shade(pixels, left, top, lit)
    for index, (lamp, white, sunlit) in enumerate(
        [(Lamp.RED, (235, 240, 255), (40, 40, 170)), (Lamp.AMBER, (225, 250, 255), (30, 90, 170))]
    ):
        rows = slice(top + 10 * index, top + 10 * index + _LAMP_PX)
        pixels[rows, left : left + _LAMP_PX] = white if lamp is lit else sunlit
    if lit is Lamp.RED:
        pixels[top - 5, left + 1 : left + 4] = (40, 40, 200)


def test_a_head_is_found_with_a_box_for_each_lamp() -> None:
    (head,) = heads_in((500, 60, shown))
    for index, lamp in enumerate(Lamp):
        left, top, right, bottom = head.lamps_px[lamp]
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((503, 63 + 10 * index), abs=1)
        assert 4 <= right - left <= 10
    assert (head.on_green, head.on_red) == (2, 0)
    assert head.read_share > 0.9


def test_a_lamp_that_is_white_when_lit_and_red_by_the_sun_else_is_found_where_it_is() -> None:
    (head,) = heads_in((500, 60, shown), draw=in_the_sun)
    middles = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in head.lamps_px.values()]
    assert middles == [pytest.approx((503, 63 + 10 * index), abs=1) for index in range(3)]
    assert head.read_share > 0.9


def test_the_head_that_traffic_obeys_comes_first() -> None:
    first, second = heads_in((200, 60, opposite), (500, 60, shown))
    assert first.lamps_px[Lamp.RED][0] > 400
    assert second.on_red > first.on_red


def test_a_lamp_that_only_turns_red_is_no_head() -> None:
    brake = lambda t_s: Lamp.RED if t_s > 10 else Lamp.AMBER  # noqa: E731 - a programme as short as that
    assert heads_in((500, 60, brake)) == ()


def test_red_that_follows_green_at_once_is_a_light_for_walkers() -> None:
    assert heads_in((500, 60, lambda t_s: Lamp.GREEN if t_s < 12 else Lamp.RED)) == ()


def test_a_long_recording_is_kept_in_few_pictures_spread_over_all_of_it() -> None:
    stack = PictureStack((4, 4))
    pixels = np.zeros((4, 4, 3), np.uint8)
    for second in range(600):
        stack.frame(Frame(second * NS_PER_S, second, Still(pixels)), ())
    assert 40 <= len(stack.pictures) < 96
    assert stack.times_ns[0] == 0
    assert stack.times_ns[-1] > 550 * NS_PER_S
    steps = np.diff(stack.times_ns)
    assert steps.max() < 2.1 * steps.min()


@pytest.mark.parametrize(
    ("size_px", "small"), [((640, 360), (640, 360)), ((1920, 1080), (960, 540)), ((1281, 721), (960, 540))]
)
def test_large_pictures_are_kept_small(size_px: tuple[int, int], small: tuple[int, int]) -> None:
    assert small_size(size_px) == small
