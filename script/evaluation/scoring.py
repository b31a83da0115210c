"""Reported passages against true ones: which was found, missed, judged wrongly or invented, and what is left out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .intervals import Share, percentile, resampled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .recordings import Recording, TruePassage
    from .records import Outcome, Reported

SAME_PASSAGE_S = 0.75
ENDS_S = 0.7
LEAST_SEEN = 0.5
LEAST_CLEAR_S = 0.25
VIOLATION = "violation"
HIDDEN, UNCLEAR, AT_THE_ENDS = "hidden", "unclear", "at the ends"


@dataclass(frozen=True, slots=True)
class Pair:
    """A true passage and the reported one that goes with it, None where none does; `left_out` says why not counted."""

    recording: Recording
    truth: TruePassage
    reported: Reported | None
    left_out: str | None

    @property
    def error_s(self) -> float | None:
        """The reported crossing less the true one."""
        return None if self.reported is None else self.reported.t_cross_s - self.truth.t_cross_s

    @property
    def right(self) -> bool:
        """Whether the verdict is the true one."""
        return self.reported is not None and self.reported.verdict == self.truth.verdict

    @property
    def above_s(self) -> float | None:
        """By how much the red time reported exceeds that of the front on the ground; None where there is none."""
        reported, front_s = self.reported, self.truth.red_front_s
        if reported is None or reported.red_at_least_s is None or front_s is None:
            return None
        return reported.red_at_least_s - front_s


@dataclass(frozen=True, slots=True)
class Invented:
    """A reported passage that belongs to no true one; `left_out` where it lies at the recording's ends."""

    recording: Recording
    reported: Reported
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Scored:
    """One recording, compared."""

    recording: Recording
    outcome: Outcome
    pairs: tuple[Pair, ...]
    invented: tuple[Invented, ...]


def scored(recording: Recording, outcome: Outcome, *, lenient: bool) -> Scored:
    """Compare a recording; where `lenient` what nobody could see or tell by the scene's design is left out."""
    partner = paired(recording.passages, outcome.reported)
    pairs = tuple(
        Pair(recording, truth, partner.get(index), reason_left_out(recording, truth) if lenient else None)
        for index, truth in enumerate(recording.passages)
    )
    taken = {id(one) for one in partner.values()}
    free = [one for one in outcome.reported if id(one) not in taken]
    invented = tuple(
        Invented(recording, one, AT_THE_ENDS if lenient and _at_the_ends(recording, one.t_cross_s) else None)
        for one in free
    )
    return Scored(recording, outcome, pairs, invented)


def paired(true: Sequence[TruePassage], reported: Sequence[Reported]) -> dict[int, Reported]:
    """The reported passage of each true one, by its index: of the same lane and near in time, the nearest first."""
    near = [
        (abs(there.t_cross_s - here.t_cross_s), i, j)
        for i, here in enumerate(true)
        for j, there in enumerate(reported)
        if here.lane == there.lane and abs(there.t_cross_s - here.t_cross_s) <= SAME_PASSAGE_S
    ]
    partner: dict[int, int] = {}
    for _, i, j in sorted(near):
        if i not in partner and j not in partner.values():
            partner[i] = j
    return {i: reported[j] for i, j in partner.items()}


def reason_left_out(recording: Recording, truth: TruePassage) -> str | None:
    """Why nobody could be held to a passage, None where anybody could."""
    if truth.seen is not None and truth.seen < LEAST_SEEN:
        return HIDDEN
    if truth.clear_s < LEAST_CLEAR_S:
        return UNCLEAR
    return AT_THE_ENDS if _at_the_ends(recording, truth.t_cross_s) else None


def _at_the_ends(recording: Recording, t_s: float) -> bool:
    return not ENDS_S <= t_s <= recording.duration_s - ENDS_S


@dataclass(frozen=True, slots=True)
class Figures:
    """What a set of recordings, or its part of one condition, comes to."""

    parts: tuple[Scored, ...]

    def counted(self) -> list[Pair]:
        """The true passages that count."""
        return [pair for one in self.parts for pair in one.pairs if pair.left_out is None]

    def left_out(self) -> list[Pair]:
        """The true passages that do not."""
        return [pair for one in self.parts for pair in one.pairs if pair.left_out is not None]

    def invented(self) -> list[Invented]:
        """Every reported passage without a true one, those at the ends too."""
        return [made for one in self.parts for made in one.invented]

    def minutes(self) -> float:
        """Length of all recordings."""
        return sum(one.recording.duration_s for one in self.parts) / 60

    def recall(self) -> Share:
        """Violations that were found, of the true ones that count."""
        true = [pair for pair in self.counted() if pair.truth.verdict == VIOLATION]
        return Share(sum(_convicted(pair.reported) for pair in true), len(true))

    def false_violations(self) -> list[Pair | Invented]:
        """Every reported violation that is none. Nothing is left out here: nobody may be accused who did nothing."""
        pairs = [pair for one in self.parts for pair in one.pairs]
        wrong: list[Pair | Invented] = [
            pair for pair in pairs if _convicted(pair.reported) and pair.truth.verdict != VIOLATION
        ]
        return wrong + [made for made in self.invented() if _convicted(made.reported)]

    def precision(self) -> Share:
        """Reported violations that are true, of all reported."""
        pairs = [pair for one in self.parts for pair in one.pairs]
        right = sum(_convicted(pair.reported) and pair.truth.verdict == VIOLATION for pair in pairs)
        return Share(right, right + len(self.false_violations()))

    def harmless(self) -> int:
        """True passages that are no violation, those left out too."""
        return sum(pair.truth.verdict != VIOLATION for one in self.parts for pair in one.pairs)

    def found(self) -> Share:
        """Passages reported at all."""
        pairs = self.counted()
        return Share(sum(pair.reported is not None for pair in pairs), len(pairs))

    def right(self) -> Share:
        """Passages reported with their true verdict."""
        pairs = self.counted()
        return Share(sum(pair.right for pair in pairs), len(pairs))

    def errors_s(self) -> list[float]:
        """Absolute errors of the crossing times of those found."""
        return [abs(pair.error_s) for pair in self.counted() if pair.error_s is not None]

    def error_interval_s(self, share: float) -> tuple[float, float]:
        """95 % interval of a percentile of the errors, recordings drawn anew."""
        each = [Figures((one,)).errors_s() for one in self.parts]
        return resampled(each, lambda drawn: _percentile([e for part in drawn for e in part], share))

    def red_times(self, *, violations: bool) -> Share:
        """Reported red times not above the truth: of the violations reported rightly, or of all on red."""
        above = [
            pair.above_s
            for one in self.parts
            for pair in one.pairs
            if pair.above_s is not None and (not violations or (_convicted(pair.reported) and pair.right))
        ]
        return Share(sum(value <= 0 for value in above), len(above))


def _percentile(values: list[float], share: float) -> float:
    return percentile(values, share) if values else math.nan


def _convicted(reported: Reported | None) -> bool:
    return reported is not None and reported.verdict == VIOLATION


def by_condition(parts: Iterable[Scored]) -> dict[str, Figures]:
    """The parts of each condition, by name, and all of them together as `all`."""
    every = tuple(parts)
    names = sorted({one.recording.condition for one in every})
    found = {name: Figures(tuple(one for one in every if one.recording.condition == name)) for name in names}
    return {**found, "all": Figures(every)}


@dataclass(frozen=True, slots=True)
class Material:
    """One set of recordings, scored; `about` says what it is, `skipped` how many folders lacked a part."""

    title: str
    about: str
    parts: tuple[Scored, ...]
    skipped: int
    lenient: bool

    def figures(self) -> dict[str, Figures]:
        """By condition, and all together."""
        return by_condition(self.parts)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing the node got wrong; the graver the lower `rank`."""

    rank: int
    what: str
    recording: Recording
    condition: str
    vehicle: str
    t_s: float
    lane: str
    reported: Reported | None
    left_out: str | None


def faults(figures: Figures) -> list[Fault]:
    """Every fault by name, the gravest kind first."""
    found = [fault for one in figures.parts for fault in (*map(_of_pair, one.pairs), *map(_of_invented, one.invented))]
    return sorted((fault for fault in found if fault), key=lambda fault: (fault.rank, fault.recording.name, fault.t_s))


def _of_pair(pair: Pair) -> Fault | None:
    truth, reported = pair.truth, pair.reported
    false = _convicted(reported) and truth.verdict != VIOLATION
    if pair.left_out is not None and not false:
        return None
    if reported is None:
        what, rank = f"missed, in truth `{truth.verdict}`", 2 if truth.verdict == VIOLATION else 5
    elif not pair.right:
        what = f"judged `{reported.verdict}`, in truth `{truth.verdict}`"
        rank = 0 if false else 2 if truth.verdict == VIOLATION else 4
    elif pair.above_s is not None and pair.above_s > 0 and truth.verdict == VIOLATION:
        what, rank = f"red time {1000 * pair.above_s:.0f} ms above the true one", 3
    else:
        return None
    vehicle = f"{truth.vehicle_class} {truth.vehicle}"
    recording = pair.recording
    return Fault(
        rank, what, recording, recording.condition, vehicle, truth.t_cross_s, truth.lane, reported, pair.left_out
    )


def _of_invented(made: Invented) -> Fault | None:
    reported, recording = made.reported, made.recording
    false = _convicted(reported)
    if made.left_out is not None and not false:
        return None
    what, rank = f"invented, judged `{reported.verdict}`", 0 if false else 4
    kind = f"reported as {reported.vehicle_class}"
    return Fault(
        rank, what, recording, recording.condition, kind, reported.t_cross_s, reported.lane, reported, made.left_out
    )
