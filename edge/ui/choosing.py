"""Which of several recorded signal groups the lanes of a proposal obey: one for all of them. Pure.

The few vehicles of a single lane may be those that drove on red, so the lanes are not looked at one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.config import site_of
from edge.records import NS_PER_S, Phase
from edge.ui.trial import Trial, spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge.proposals.paths import Stop
    from edge.records import Lamp, LampEdge, TrackStep
    from edge.ui.draft import Tables

    Edges = Sequence[LampEdge]

IN_VIEW: Final = "Of the groups that were recorded, the one whose lamps the picture shows."
BY_TRAFFIC: Final = (
    "Of the groups that were recorded, the one on whose green vehicles drove and on whose red they stood."
)

# A head shows a group's lamps where both are lit alike in so many of the pictures, and no other group comes near.
_AGREES, _DIFFERS = 0.9, 0.7
_WORTH = {Phase.GREEN: 1, Phase.RED: -1}


def group_in_view(recorded: Mapping[str, Edges], seen: Edges, times_ns: Iterable[int]) -> str | None:
    """The group whose lamps a head in the picture shows at these times; None where that is not clear."""
    if not seen:
        return None
    times = [t_ns for t_ns in times_ns if t_ns >= seen[0].t_ns]
    shares = {name: _share_alike(edges, seen, times) for name, edges in recorded.items()}
    best, *others = sorted(shares, key=lambda name: -shares[name])
    is_clear = shares[best] >= _AGREES and all(shares[name] < _DIFFERS for name in others)
    return best if is_clear else None


def _share_alike(one: Edges, other: Edges, times_ns: Sequence[int]) -> float:
    alike = sum(_lit(one, t_ns) == _lit(other, t_ns) for t_ns in times_ns)
    return alike / max(1, len(times_ns))


def _lit(edges: Edges, t_ns: int) -> frozenset[Lamp]:
    shown = {edge.lamp: edge.lit for edge in edges if edge.t_ns <= t_ns}
    return frozenset(lamp for lamp, lit in shown.items() if lit)


def group_of_traffic(
    tables: Tables, steps: Sequence[TrackStep], recorded: Mapping[str, Edges], stops: Sequence[Stop]
) -> str:
    """The group on whose green vehicles drove over the proposed lines and on whose red they stood."""
    edges = sorted((edge for each in recorded.values() for edge in each), key=lambda edge: edge.t_ns)
    return max(recorded, key=lambda name: _driven(tables, steps, edges, name) + _stood(recorded[name], steps, stops))


def _driven(tables: Tables, steps: Sequence[TrackStep], edges: Edges, name: str) -> int:
    """Passages on green less those on red."""
    lanes = [{**lane, "signal_group": name} for lane in tables["lanes"]]
    trial = Trial(site_of({**tables, "lanes": lanes}), edges, 0.0)
    trial.take(steps)
    trial.finish()
    return sum(_WORTH.get(one.judgement.phase, 0) for one in trial.judged)


def _stood(edges: Edges, steps: Sequence[TrackStep], stops: Sequence[Stop]) -> int:
    """Vehicles that stood on red rather than on green, less the others."""
    end_s = steps[-1].t_ns / NS_PER_S if steps else 0.0
    bands = spans(edges, end_s)
    return sum(_sign(_within(bands, Phase.RED, stop) - _within(bands, Phase.GREEN, stop)) for stop in stops)


def _within(bands: Sequence[tuple[float, float, str]], phase: Phase, stop: Stop) -> float:
    """For how many seconds of a stop a phase was shown."""
    shown = ((from_s, to_s) for from_s, to_s, aspect in bands if aspect == phase.value)
    return sum(max(0.0, min(to_s, stop.to_s) - max(from_s, stop.from_s)) for from_s, to_s in shown)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
