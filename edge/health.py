"""Whether the node may record violations: named checks, what each found, and the state that follows. Pure.

The node is armed while every check that it needs is good, and disarmed otherwise, with the reasons. A check says what
it sees (``ArmingMachine.report``); how long that must last before it counts is a matter of ``Patience``, so that a
check at its threshold does not make the state flap. Times are integers in ns on the node's monotonic clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from edge.records import NS_PER_S, Phase, PhaseInterval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WHOLE_CYCLES: Final = 2
_KEPT_CHANGES = 256


class State(StrEnum):
    """Whether violations are recorded as cases."""

    ARMED = "armed"
    DISARMED = "disarmed"


class CheckName(StrEnum):
    """What is checked. docs/arming.md says what each means, its threshold and what to do."""

    SELF_TEST = "self_test"
    COMMISSIONING = "commissioning"
    CLOCK = "clock"
    PHASES = "phases"
    LAMP_AGREEMENT = "lamp_agreement"
    PICTURE = "picture"
    VIEW = "view"
    DISK = "disk"
    TEMPERATURE = "temperature"


class Outcome(StrEnum):
    """What a check found. ``UNKNOWN`` is a state of its own and never arms."""

    OK = "ok"
    NOT_OK = "not_ok"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check sees: one sentence for people, and the figure it rests on where there is one.

    ``value`` is in the unit of its check: ms for the clock, px of the site's grid for the view, MB free for the disk,
    degrees Celsius for the temperature, whole cycles for the phases. ``since_ns`` is when this outcome began; the
    machine fills it in.
    """

    check: CheckName
    outcome: Outcome
    words: str
    value: float | None = None
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an outcome must last before it counts, in s.

    ``fail_s``: something bad. ``return_s``: something good after something bad. ``keep_s``: for how long a good
    outcome outlives that nothing can be told any more. What was bad stays bad until it is seen to be good, unless the
    check ``forgets``: then it may become unknown.
    """

    fail_s: float = 0.0
    return_s: float = 10.0
    keep_s: float = 0.0
    forgets: bool = False


PATIENCE: Final[Mapping[CheckName, Patience]] = {
    CheckName.SELF_TEST: Patience(return_s=0.0),
    CheckName.COMMISSIONING: Patience(return_s=0.0),
    CheckName.CLOCK: Patience(return_s=30.0, keep_s=10.0),
    CheckName.PHASES: Patience(return_s=0.0, forgets=True),  # two whole cycles are patience enough
    CheckName.LAMP_AGREEMENT: Patience(return_s=30.0, keep_s=600.0),
    CheckName.PICTURE: Patience(fail_s=1.0, return_s=10.0, keep_s=2.0),
    CheckName.VIEW: Patience(return_s=30.0, keep_s=12 * 3600.0),  # a night, in which little may be told
    CheckName.DISK: Patience(return_s=60.0, keep_s=60.0),
    CheckName.TEMPERATURE: Patience(fail_s=5.0, return_s=60.0, keep_s=60.0),
}


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand: the state, since when, and every check's finding as it counts now."""

    state: State
    since_ns: int
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The findings that keep the node disarmed; empty while it is armed."""
        return tuple(finding for finding in self.findings if finding.outcome is not Outcome.OK)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state, or the state the node began in (then ``previous`` is None)."""

    t_ns: int
    state: State
    previous: State | None
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """What disarms, or empty."""
        return tuple(finding for finding in self.findings if finding.outcome is not Outcome.OK)

    @property
    def words(self) -> str:
        """The reason in one or several sentences."""
        if self.state is State.ARMED:
            return "Every check is good."
        return " ".join(finding.words for finding in self.reasons)


class ArmingMachine:
    """The state machine. It begins disarmed, with every check unknown; the first ``step`` gives that as a change.

    ``checks`` are those the site needs: a site without lamp regions has no agreement to check.
    """

    def __init__(
        self, checks: Iterable[CheckName], start_ns: int, patience: Mapping[CheckName, Patience] = PATIENCE
    ) -> None:
        self._patience = patience
        self._counted = {
            check: Finding(check, Outcome.UNKNOWN, f"The check {check.value} has not been made yet.", None, start_ns)
            for check in checks
        }
        self._seen = dict(self._counted)
        self._begun = False
        self._changes = deque([Change(start_ns, State.DISARMED, None, ())], maxlen=_KEPT_CHANGES)

    @property
    def status(self) -> Status:
        """How things stand since the last ``step``."""
        last = self._changes[-1]
        return Status(last.state, last.t_ns, tuple(self._counted.values()))

    def report(self, finding: Finding, t_ns: int) -> None:
        """What a check sees at ``t_ns``; a check that is not needed here is passed over."""
        seen = self._seen.get(finding.check)
        if seen is not None:
            since_ns = seen.since_ns if seen.outcome is finding.outcome else t_ns
            self._seen[finding.check] = replace(finding, since_ns=since_ns)

    def step(self, now_ns: int) -> Change | None:
        """Weigh what was reported; gives the change of state if there is one."""
        for check, seen in self._seen.items():
            self._counted[check] = self._weighed(self._counted[check], seen, now_ns)
        good = all(finding.outcome is Outcome.OK for finding in self._counted.values())
        state = State.ARMED if good else State.DISARMED
        previous = self._changes[-1].state if self._begun else None
        if state is previous:
            return None
        self._begun = True
        change = Change(now_ns, state, previous, tuple(self._counted.values()))
        self._changes.append(change)
        return change

    def armed_throughout(self, from_ns: int, until_ns: int) -> bool:
        """Whether the node was armed all the time between two instants; what is no longer kept counts as disarmed."""
        if self._changes[0].t_ns > from_ns:
            return False
        stretches = [*pairwise(self._changes), (self._changes[-1], None)]
        return all(
            first.state is State.ARMED
            for first, then in stretches
            if first.t_ns <= until_ns and (then is None or then.t_ns > from_ns)
        )

    def _weighed(self, counted: Finding, seen: Finding, now_ns: int) -> Finding:
        """What counts of a check now: what it sees, once that has lasted long enough, else what counted before."""
        if seen.outcome is counted.outcome:
            return replace(seen, since_ns=counted.since_ns)
        needed_s = _needed_s(self._patience.get(seen.check, Patience()), counted.outcome, seen.outcome)
        if needed_s is not None and now_ns - seen.since_ns >= needed_s * NS_PER_S:
            return seen
        return counted


def _needed_s(patience: Patience, counted: Outcome, seen: Outcome) -> float | None:
    """How long ``seen`` must last to take the place of ``counted``; None for ever."""
    if seen is Outcome.NOT_OK:
        return patience.fail_s
    if seen is Outcome.OK:
        return patience.return_s if counted is Outcome.NOT_OK else 0.0
    if counted is Outcome.OK:
        return patience.keep_s
    return 0.0 if patience.forgets else None


def whole_cycles(intervals: Sequence[PhaseInterval]) -> int:
    """How many whole cycles have been seen in order up to now, without a fault since.

    A cycle is whole when the phase begins again that was the first one seen to begin. Nothing counts over a fault, an
    unknown phase or a short amber.
    """
    valid: list[PhaseInterval] = []
    for interval in reversed(intervals):
        if interval.phase in (Phase.FAULT, Phase.UNKNOWN) or interval.fault is not None:
            break
        valid.append(interval)
    begun = [interval.phase for interval in reversed(valid) if interval.onset_seen]
    return begun.count(begun[0]) - 1 if begun else 0


def judge_phases(intervals: Mapping[str, Sequence[PhaseInterval]]) -> Finding:
    """Whether every signal group, by its name, has been seen valid for two whole cycles and shows no fault now."""
    fewest = WHOLE_CYCLES
    for group, shown in intervals.items():
        fault = shown[-1].fault
        if fault is not None:
            words = f"Signal group {group} shows a fault ({fault.value}): look at its lamps and their wiring."
            return Finding(CheckName.PHASES, Outcome.NOT_OK, words, 0.0)
        fewest = min(fewest, whole_cycles(shown))
    if fewest < WHOLE_CYCLES:
        words = f"The lamps have been seen for {fewest} whole cycles without a fault: {WHOLE_CYCLES} are needed."
        return Finding(CheckName.PHASES, Outcome.UNKNOWN, words, float(fewest))
    return Finding(CheckName.PHASES, Outcome.OK, "The lamps have been seen valid for two whole cycles.", float(fewest))


def judge_clock(bound_ms: float | None, limit_ms: float) -> Finding:
    """Whether UTC is known closely enough; ``bound_ms`` is chrony's, None where it does not tell one."""
    if bound_ms is None:
        words = "The clock is not known: start chrony and let it reach a time server (chronyc tracking)."
        return Finding(CheckName.CLOCK, Outcome.NOT_OK, words)
    if bound_ms > limit_ms:
        words = f"The clock is known to {bound_ms:.1f} ms, not to {limit_ms:g} ms: look at chronyc tracking."
        return Finding(CheckName.CLOCK, Outcome.NOT_OK, words, bound_ms)
    return Finding(CheckName.CLOCK, Outcome.OK, f"The clock is known to {bound_ms:.1f} ms.", bound_ms)


def judge_disk(free_mb: float | None, least_mb: float, outbox_full: str | None = None) -> Finding:
    """Whether the disk that the outbox lies on has room, None where it cannot be asked, and the outbox within its own.

    ``outbox_full`` says why the outbox takes no more, as the rest of a sentence; None where one more case fits.
    """
    if free_mb is None:
        return Finding(CheckName.DISK, Outcome.NOT_OK, "The disk cannot be read: look at it, and at node.state.")
    if free_mb < least_mb:
        words = f"The disk has {free_mb:.0f} MB free, less than {least_mb:g}: free some space or reconnect the broker."
        return Finding(CheckName.DISK, Outcome.NOT_OK, words, free_mb)
    if outbox_full is not None:
        return Finding(CheckName.DISK, Outcome.NOT_OK, f"The outbox {outbox_full}.", free_mb)
    return Finding(CheckName.DISK, Outcome.OK, f"The disk has {free_mb:.0f} MB free.", free_mb)


def judge_temperature(celsius: float | None, most_c: float) -> Finding:
    """Whether the machine is cool enough; a machine without a sensor (None) cannot be held to it."""
    if celsius is None:
        return Finding(CheckName.TEMPERATURE, Outcome.OK, "This machine tells no temperature.")
    if celsius > most_c:
        words = f"The machine is at {celsius:.0f} degrees, over {most_c:g}: give it shade and air, and look at its fan."
        return Finding(CheckName.TEMPERATURE, Outcome.NOT_OK, words, celsius)
    return Finding(CheckName.TEMPERATURE, Outcome.OK, f"The machine is at {celsius:.0f} degrees.", celsius)
