"""What lamps do on their wires: chopped by the mains, bouncing, sparking. Edges as a node's inputs tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.records import Lamp, LampEdge
from tests.core.motion import MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Span = tuple[int, int]


@dataclass(frozen=True)
class Mains:
    """Lit for ``lit_ns`` of each ``period_ns``, whenever the lamp itself is switched; the mains run on."""

    period_ns: int
    lit_ns: int
    phase_ns: int = 0

    @property
    def dark_ns(self) -> int:
        """How long a lit lamp is dark in each period."""
        return self.period_ns - self.lit_ns

    def pulses(self, start_ns: int, end_ns: int) -> Iterator[Span]:
        """From when until when a lamp shines that is switched on for a time."""
        first = (start_ns - self.phase_ns) // self.period_ns
        for period in range(first, (end_ns - self.phase_ns) // self.period_ns + 1):
            rise_ns = period * self.period_ns + self.phase_ns
            span = max(start_ns, rise_ns), min(end_ns, rise_ns + self.lit_ns)
            if span[0] < span[1]:
                yield span


FULL_WAVE_50_HZ = Mains(10 * MS, 5 * MS)
FULL_WAVE_60_HZ = Mains(8_333_000, 4_000_000)
HALF_WAVE_50_HZ = Mains(20 * MS, 10 * MS)
HALF_WAVE_60_HZ = Mains(16_667_000, 8_333_000)
BARELY_DIMMED = Mains(10 * MS, 9_900_000)
DIMMED = Mains(10 * MS, 1 * MS)


def edges_of(
    stretches: Iterable[tuple[str, int]],
    shapes: Mapping[Lamp, Mains | None],
    *,
    sparks: Mapping[Lamp, Sequence[Span]] | None = None,
    start_ns: int = 0,
) -> tuple[list[LampEdge], int]:
    """The edges of lamps shown one after the other ("ra" is red and amber), and their end; each is stated at the start.

    A lamp without a shape shines steadily. ``sparks`` shine besides.
    """
    on: dict[Lamp, list[Span]] = {lamp: [] for lamp in Lamp}
    t_ns = start_ns
    for letters, duration_ns in stretches:
        for lamp in Lamp:
            if lamp.value[0] in letters:
                joins = bool(on[lamp]) and on[lamp][-1][1] == t_ns
                on[lamp].append((on[lamp].pop()[0] if joins else t_ns, t_ns + duration_ns))
        t_ns += duration_ns
    edges = []
    for lamp, spans in on.items():
        shape = shapes[lamp]
        lit = [pulse for span in spans for pulse in ([span] if shape is None else shape.pulses(*span))]
        lit = _joined([*lit, *(sparks or {}).get(lamp, [])])
        if not lit or lit[0][0] != start_ns:
            edges.append(LampEdge(start_ns, "north", lamp, lit=False))
        edges += [
            LampEdge(at_ns, "north", lamp, lit=lit)
            for span in lit
            for at_ns, lit in zip(span, (True, False), strict=True)
        ]
    return sorted((edge for edge in edges if start_ns <= edge.t_ns < t_ns), key=lambda edge: edge.t_ns), t_ns


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start_ns, end_ns in sorted(spans):
        if joined and start_ns <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end_ns)
        else:
            joined.append((start_ns, end_ns))
    return joined


def sparks_every(every_ns: int, length_ns: int, from_ns: int, until_ns: int) -> list[Span]:
    """Pulses on a lamp that is off, too short to be a lamp's."""
    return [(t_ns, t_ns + length_ns) for t_ns in range(from_ns, until_ns, every_ns)]
