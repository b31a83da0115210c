"""What each signal group shows over time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

PHASES = {"g": "green", "a": "amber", "r": "red", "ra": "red_amber"}


@dataclass(frozen=True, slots=True)
class Timeline:
    """Changes of one group: times (s) and the lamps lit from then on, as letters of r, a, g ("" is dark)."""

    group: str
    changes: tuple[tuple[float, str], ...]

    def shown(self, t_s: float) -> str:
        """The letters lit at a time."""
        index = bisect_right([t for t, _ in self.changes], t_s) - 1
        return self.changes[max(index, 0)][1]

    def since(self, t_s: float) -> float:
        """When what is shown at a time began."""
        index = bisect_right([t for t, _ in self.changes], t_s) - 1
        return self.changes[max(index, 0)][0]

    def amber_before(self, t_s: float) -> float | None:
        """Length of the amber that led to the phase shown at a time; None if none did."""
        index = bisect_right([t for t, _ in self.changes], t_s) - 1
        if index < 1 or self.changes[index - 1][1] != "a":
            return None
        return self.changes[index][0] - self.changes[index - 1][0]


def cycle(
    group: str,
    red_at_s: float,
    duration_s: float,
    *,
    green_s: float,
    red_s: float,
    amber_s: float = 3.0,
    red_amber_s: float = 0.0,
) -> Timeline:
    """A repeating cycle of which one red begins at `red_at_s`, from before 0 to after the end."""
    period = green_s + amber_s + red_s
    changes: list[tuple[float, str]] = []
    start = red_at_s
    while start > -period:
        start -= period
    while start < duration_s + period:
        changes.append((start, "r"))
        if red_amber_s:
            changes.append((start + red_s - red_amber_s, "ra"))
        changes += [(start + red_s, "g"), (start + red_s + green_s, "a")]
        start += period
    return clipped(group, changes, duration_s)


def clipped(group: str, changes: list[tuple[float, str]], duration_s: float) -> Timeline:
    """The changes that matter for a recording: the last cycle before it began, and those within."""
    before = [change for change in changes if change[0] <= 0][-4:]
    within = [change for change in changes if 0 < change[0] <= duration_s]
    return Timeline(group, tuple((round(t, 3), state) for t, state in [*before, *within]))


def lamps_csv(timelines: tuple[Timeline, ...]) -> str:
    """The file `lamps.csv`: a row at each change."""
    rows = sorted((t, line.group, state) for line in timelines for t, state in line.changes)
    lines = [f"{t:.3f},{group},{int('r' in state)},{int('a' in state)},{int('g' in state)}" for t, group, state in rows]
    return "t_s,group,red,amber,green\n" + "\n".join(lines) + "\n"
