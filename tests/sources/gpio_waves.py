"""What the lamps of a signal group do on their wires: steady, chopped by the mains, bouncing, floating."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from edge.records import Lamp
from tests.sources.gpio_bench import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Shape = Callable[[Lamp, float, float], Iterable[Step]]

LAMPS = {"r": Lamp.RED, "a": Lamp.AMBER, "g": Lamp.GREEN}
CYCLE = [("r", 0.3), ("g", 0.3), ("a", 0.3), ("r", 0.3), ("g", 0.3)]


def steady(lamp: Lamp, start_s: float, end_s: float) -> Iterator[Step]:
    """Lit from start to end."""
    yield Step(start_s, lamp, lit=True)
    yield Step(end_s, lamp, lit=False)


def chopped(hertz: float) -> Shape:
    """Lit in the first half of each period of a mains that runs on whatever the lamps do."""

    def shape(lamp: Lamp, start_s: float, end_s: float) -> Iterator[Step]:
        for period in range(int(start_s * hertz), int(end_s * hertz) + 1):
            rise_s, fall_s = max(start_s, period / hertz), min(end_s, (period + 0.5) / hertz)
            if fall_s - rise_s > 0.0005:
                yield from steady(lamp, rise_s, fall_s)

    return shape


def bouncing(lamp: Lamp, start_s: float, end_s: float) -> Iterator[Step]:
    """A contact that opens and closes twice again at each change."""
    for at_s, lit in ((start_s, True), (end_s, False)):
        for bounce in range(5):
            yield Step(at_s + bounce * 0.002, lamp, lit=lit == (bounce % 2 == 0))


def floating(lamp: Lamp, start_s: float, end_s: float, seed: int) -> Iterator[Step]:
    """An open wire: changes at random, within a millisecond or after a tenth of a second."""
    rng = random.Random(f"{seed} {lamp}")  # noqa: S311
    at_s, lit = start_s, False
    while (at_s := at_s + rng.choice([0.001, 0.004, 0.01, 0.03, 0.1]) * (0.5 + rng.random())) < end_s:
        lit = not lit
        yield Step(at_s, lamp, lit)


def shown(stretches: Iterable[tuple[str, float]], shape: Shape = steady, start_s: float = 0.0) -> list[Step]:
    """Lamps that are lit for stretches of so many seconds, one after the other: ("ra", 1.5) is red and amber."""
    steps: list[Step] = []
    for letters, length_s in stretches:
        for letter in letters:
            steps += shape(LAMPS[letter], start_s, start_s + length_s)
        start_s += length_s
    return sorted(steps, key=lambda step: step.at_s)
