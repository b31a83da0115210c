"""Events of a copy that do not stand in the order of their places. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from edge.ledger.findings import exchanged, misplaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge.ledger.findings import Entry, Finding


def reordered(held: Mapping[int, Entry]) -> list[Finding]:
    """Events that do not stand in the order of their places."""
    order = [index for index, _ in sorted(held.items(), key=lambda item: item[1].line)]
    rank = {index: at for at, index in enumerate(sorted(order))}
    findings: list[Finding] = []
    seen: set[int] = set()
    for at, index in enumerate(order):
        if rank[index] == at or index in seen:
            continue
        cycle = _cycle(at, order, rank)
        seen.update(cycle)
        if len(cycle) == 2:
            findings += [exchanged(held[one], held[other]) for one, other in (cycle, reversed(cycle))]
        else:
            findings += [misplaced(held[one]) for one in sorted(_moved(order, cycle))]
    return findings


def _cycle(at: int, order: Sequence[int], rank: Mapping[int, int]) -> list[int]:
    """The events that have changed places among each other, beginning with the one at a position."""
    first, cycle = order[at], [order[at]]
    while order[rank[cycle[-1]]] != first:
        cycle.append(order[rank[cycle[-1]]])
    return cycle


def _moved(order: Sequence[int], cycle: Iterable[int]) -> set[int]:
    """The fewest of some events that must be taken out so that the others stand in order.

    All but the longest increasing run, which is found by patience sorting.
    """
    among = set(cycle)
    ends: list[int] = []  # the smallest event that a run of each length can end with
    before: dict[int, int | None] = {}
    for index in (index for index in order if index in among):
        at = bisect_left(ends, index)
        before[index] = ends[at - 1] if at else None
        ends[at : at + 1] = [index]
    run: int | None = ends[-1]
    while run is not None:
        among.discard(run)
        run = before[run]
    return among
