"""What in a copy was signed by a key that had ended. Pure: instants come in, no clock is read.

A signature tells no time. An event claims one; a receiver has noted when it and each checkpoint came. A checkpoint was
signed after every event that it counts, so it is no older than the latest of them claims to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from edge.ledger.findings import Fault, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge.ledger.findings import Entry

_EVER: Final = datetime.min.replace(tzinfo=UTC)


class Refusal(Protocol):
    """Why something signed by the key ``kid`` is refused, in one sentence; None where it stands."""

    def __call__(self, kid: str, *, claimed: datetime | None, known_since: datetime) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Counted:
    """A checkpoint of ``size`` events by the key ``kid``; ``came`` is None where nobody noted when it did."""

    size: int
    kid: str
    came: datetime | None


@dataclass(frozen=True, slots=True)
class Dated:
    """What of the events their keys' ends tell: ``undated`` places stand only if they did not come just now."""

    findings: tuple[Finding, ...]
    undated: tuple[int, ...]


def late_checkpoint(one: Counted, entries: Iterable[Entry], refusal: Refusal) -> Finding | None:
    """Why a checkpoint is not to be relied on, its key having ended before; None where it is."""
    times = [entry.claimed for entry in entries if entry.claimed and entry.index is not None and entry.index < one.size]
    claimed = max(times, default=None)
    why = refusal(one.kid, claimed=claimed, known_since=one.came or _EVER)
    if why is None:
        return None
    since = f"it came at {_said(one.came)}" if one.came else f"it counts an event of {_said(claimed)}"
    words = f"the checkpoint of {one.size} events was signed by the key {one.kid} after its end, for {since}"
    return Finding(Fault.ENDED, None, "", None, f"{words}; it is left aside")


def late_events(
    entries: Iterable[Entry],
    came: Mapping[int, datetime],
    checkpoints: Sequence[Counted],
    confirmed: frozenset[int],
    refusal: Refusal,
    now: datetime,
) -> Dated:
    """The events whose key had ended before anybody knew of them. ``came`` is when each place's event did."""
    findings: list[Finding] = []
    undated: list[int] = []
    for entry in entries:
        if entry.kid is None or entry.index is None:
            continue
        known = [one.came for one in checkpoints if one.came and entry.index < one.size and entry.index in confirmed]
        known += [came[entry.index]] if entry.index in came else []
        why = refusal(entry.kid, claimed=entry.claimed, known_since=min(known, default=_EVER))
        if why is not None:
            words = f"event {entry.index + 1} ({entry.id}) on line {entry.line}: {why[:1].lower()}{why[1:]}"
            findings.append(Finding(Fault.ENDED, entry.index, entry.id, entry.line, words))
        elif not known and refusal(entry.kid, claimed=entry.claimed, known_since=now) is not None:
            undated.append(entry.index)
    return Dated(tuple(findings), tuple(sorted(undated)))


def _said(instant: datetime | None) -> str:
    return "an unknown time" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
