"""Which lamps are lit, told from painted heads: by day, at night, over-exposed, in the sun, hidden, flickering."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.glow import LAMPS, HeadMemory, read_head
from edge.records import NS_PER_S, Lamp

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from edge.glow import States

BOXES = tuple((slice(3 + 9 * index, 10 + 9 * index), slice(4, 11)) for index in range(3))
LIT_BGR = {Lamp.RED: (20, 25, 255), Lamp.AMBER: (20, 170, 255), Lamp.GREEN: (180, 230, 40)}
LENS_BGR = {Lamp.RED: (20, 20, 60), Lamp.AMBER: (15, 45, 65), Lamp.GREEN: (45, 50, 15)}
INTERVAL_NS = NS_PER_S // 25
ALONE: dict[Lamp | None, States] = {
    None: (False, False, False),
    Lamp.RED: (True, False, False),
    Lamp.AMBER: (False, True, False),
    Lamp.GREEN: (False, False, True),
}


def head(*lit: Lamp, backplate: int = 30, gain: float = 1.0, core: float = 1.0, seed: int = 0) -> NDArray[uint8]:
    """A head 30 pixels high: a dark plate before a light and a dark half of street, three lenses, those in ``lit`` on.

    ``core`` is how far the middle of a lit lamp is over-exposed, 1 to white; ``gain`` is the light on all else.
    """
    rng = np.random.default_rng(seed)
    picture = np.full((32, 16, 3), 90.0)
    picture[:16] = 150.0
    picture[1:31, 2:13] = backplate
    picture = picture * gain + rng.normal(0, 2, picture.shape)
    rows, columns = np.mgrid[-3:4, -3:4]
    far = np.hypot(rows, columns)
    for lamp, box in zip(LAMPS, BOXES, strict=True):
        if lamp in lit:
            colour = np.array(LIT_BGR[lamp], float)
            white = np.clip(1.5 - far / 2, 0, 1)[..., None] * core
            shape = (far < 3.6)[..., None]
            picture[box] = np.where(shape, colour * (1 - white) + 255 * white, picture[box])
        else:
            picture[box] = np.where((far < 3.6)[..., None], np.array(LENS_BGR[lamp], float) * gain, picture[box])
    return np.clip(picture, 0, 255).astype(np.uint8)


def read(picture: NDArray[uint8]) -> States:
    """From a single picture."""
    return HeadMemory().read(0, picture, BOXES)


def watched(memory: HeadMemory, start_ns: int, *pictures: NDArray[uint8]) -> list[States]:
    return [memory.read(start_ns + index * INTERVAL_NS, picture, BOXES) for index, picture in enumerate(pictures)]


def experienced() -> tuple[HeadMemory, int]:
    """A memory that has seen a whole cycle, and the time of its next frame."""
    memory, t_ns = HeadMemory(), 0
    for lamp in (Lamp.GREEN, Lamp.AMBER, Lamp.RED):
        assert watched(memory, t_ns, *[head(lamp, seed=n) for n in range(10)])[-1] == ALONE[lamp]
        t_ns += 10 * INTERVAL_NS
    return memory, t_ns


@pytest.mark.parametrize("lamp", LAMPS)
@pytest.mark.parametrize("gain", [0.1, 1.0, 1.5])
@pytest.mark.parametrize("core", [0.0, 0.6, 1.0])
def test_a_single_picture_tells_the_lamp_by_day_and_night_and_over_exposed(
    lamp: Lamp, gain: float, core: float
) -> None:
    assert read(head(lamp, gain=gain, core=core)) == ALONE[lamp]


def test_red_and_amber_together_are_both_lit() -> None:
    assert read(head(Lamp.RED, Lamp.AMBER)) == (True, True, False)


def test_red_and_green_together_are_told_so_that_it_is_a_fault() -> None:
    assert read(head(Lamp.RED, Lamp.GREEN)) == (True, False, True)


def test_a_head_never_seen_lit_is_not_called_dark() -> None:
    assert read(head()) == (None, None, None)


def test_a_known_head_without_light_is_dark() -> None:
    memory, t_ns = experienced()
    assert watched(memory, t_ns, head(), head(seed=1)) == [ALONE[None]] * 2


@pytest.mark.parametrize("lamp", LAMPS)
def test_lenses_that_the_sun_shines_on_are_not_lit(lamp: Lamp) -> None:
    """Phantom light: every lens as bright in its colour as the sun makes it, one of them lit besides."""
    picture = head(lamp, backplate=60, gain=1.6)
    for other, box in zip(LAMPS, BOXES, strict=True):
        if other is not lamp:
            picture[box] = np.clip(np.array(LENS_BGR[other]) * 3.0, 0, 255)
    assert read(picture) == ALONE[lamp]


@pytest.mark.parametrize("shade", [5, 60, 130, 250])
@pytest.mark.parametrize("lamp", LAMPS)
def test_a_lorry_before_the_head_leaves_it_unknown(shade: int, lamp: Lamp) -> None:
    memory, t_ns = experienced()
    watched(memory, t_ns, head(lamp))
    rng = np.random.default_rng(shade)
    for hidden in range(1, 20):
        lorry = np.clip(rng.normal(shade, 3, (32, 16, 3)), 0, 255).astype(np.uint8)
        assert watched(memory, t_ns + hidden * INTERVAL_NS, lorry) == [(None, None, None)]
    assert watched(memory, t_ns + 20 * INTERVAL_NS, head(lamp)) == [ALONE[lamp]]


def test_a_lorrys_edge_over_one_lamp_convicts_nobody() -> None:
    """A white tarpaulin over the red lens of a green head is bright, but has no red in it."""
    memory, t_ns = experienced()
    for rows in range(4, 14):
        picture = head(Lamp.GREEN)
        picture[:rows] = 245
        [states] = watched(memory, t_ns, picture)
        assert states[0] is not True
        t_ns += INTERVAL_NS


def test_a_white_light_on_the_head_is_no_lamp() -> None:
    picture = head()
    picture[BOXES[0]] = 255
    assert read(picture) == (None, None, None)


def test_daylight_that_comes_and_goes_is_followed() -> None:
    memory, t_ns = HeadMemory(), 0
    for minute in range(60):
        for lamp in (Lamp.GREEN, Lamp.AMBER, Lamp.RED):
            gain = 0.1 + 1.4 * abs(np.sin(minute / 20))
            states = watched(memory, t_ns, *[head(lamp, gain=gain, seed=n) for n in range(3)])
            assert states == [ALONE[lamp]] * 3
            t_ns += 20 * NS_PER_S


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(2, 60))
def test_no_picture_whatever_breaks_the_readers(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    picture = (rng.integers(0, 2, (height, width, 3)) * rng.integers(0, 256)).astype(np.uint8)
    glow = read_head(picture)
    assert 0 <= glow.confidence <= 1
    small = rng.integers(0, 256, (32, 16, 3)).astype(np.uint8)
    assert len(HeadMemory().read(seed, small, BOXES)) == 3


@pytest.mark.parametrize("lamp", LAMPS)
@pytest.mark.parametrize("core", [0.3, 1.0])
def test_a_whole_head_is_read_by_colour_and_place(lamp: Lamp, core: float) -> None:
    picture = head(lamp, core=core)[1:31, 2:13]
    assert read_head(picture).shown is lamp
    assert read_head(np.ascontiguousarray(picture.transpose(1, 0, 2))).shown is lamp


def test_a_whole_head_without_light_shows_nothing() -> None:
    grey = np.full((30, 11, 3), 40, np.uint8)
    assert read_head(grey).shown is None


@pytest.mark.alone
def test_a_frame_takes_well_under_a_third_of_a_millisecond() -> None:
    memory, picture = HeadMemory(), head(Lamp.RED)
    for n in range(20):
        memory.read(n, picture, BOXES)
    best = min(_seconds(memory, picture, n) for n in range(5))
    assert best / 50 < 0.0003


def _seconds(memory: HeadMemory, picture: NDArray[uint8], batch: int) -> float:
    start = perf_counter()
    for n in range(50):
        memory.read(10**9 * (batch + 1) + n, picture, BOXES)
    return perf_counter() - start
