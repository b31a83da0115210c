"""What an audit finds, each fault in one sentence that names the event. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

_MOST_DROPPED: Final = 10_000  # missing events that are named one by one


class Fault(StrEnum):
    """What is wrong with a copy, or with the ledger itself."""

    DROPPED = "dropped"
    INSERTED = "inserted"
    REORDERED = "reordered"
    REPLAYED = "replayed"
    REWRITTEN = "rewritten"
    FORKED = "forked"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a copy.

    ``index`` is the place it claims, counted from 0, and None where it cannot be read. ``leaf`` is the leaf hash of its
    bytes. ``flaw`` says why it is not an event of this node as it was signed, and is None where it is one; then ``kid``
    is the key that signed it and ``claimed`` the time it bears, if any.
    """

    line: int
    index: int | None
    id: str
    leaf: bytes
    flaw: str | None = None
    kid: str | None = None
    claimed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``index`` counts from 0; None where no one place of the ledger is meant. ``line`` as in the copy."""

    fault: Fault
    index: int | None
    id: str
    line: int | None
    words: str


def forked(words: str) -> Finding:
    """A fork, in these words: of no one place."""
    return Finding(Fault.FORKED, None, "", None, words)


def contradiction(size: int, later: int) -> str:
    """What is said of two checkpoints that cannot be of one ledger."""
    return (
        f"the checkpoints of {size} and of {later} events contradict each other: the node showed different ledgers; "
        "keep both checkpoints, they prove it"
    )


def replayed(entry: Entry, kept: Entry) -> Finding:
    """A line that only repeats another."""
    words = f"{_name(entry)} stands again on line {entry.line}: it is that of line {kept.line}, replayed"
    return Finding(Fault.REPLAYED, entry.index, entry.id, entry.line, words)


def between(claims: Mapping[int, Sequence[Entry]], start: int, end: int) -> Finding:
    """What is said where events that are all signed by the node do not lead from one checkpoint to the next."""
    first, last = claims[start][0], claims[end - 1][0]
    if end - start == 1:
        return rewritten(start, first)
    words = (
        f"at least one of the events {start + 1} ({first.id}) to {end} ({last.id}) is not what the node logged, though "
        "the node's key signed each: ask for the ledger's leaf hashes to learn which"
    )
    return Finding(Fault.REWRITTEN, None, "", None, words)


def rewritten(index: int, entry: Entry) -> Finding:
    """The event of a place, other than the node logged it."""
    why = entry.flaw or "its signature holds, but the node logged other bytes there, so it was signed anew"
    words = f"event {index + 1} ({entry.id or 'unreadable'}) on line {entry.line} was rewritten: {_clause(why)}"
    return Finding(Fault.REWRITTEN, index, entry.id, entry.line, words)


def usurper(entry: Entry, index: int, true: Entry, *, known: bool) -> Finding:
    """A line in another's place; ``known`` where the ledger has told which of the two is the true one."""
    if entry.flaw:
        why = _clause(entry.flaw)
    elif known:
        why = f"the node logged the one on line {true.line} ({true.id}) there"
    else:
        why = (
            f"line {true.line} ({true.id}) is signed for that place too, and no checkpoint tells which is the true one"
        )
    words = f"line {entry.line} ({entry.id or 'unreadable'}) was inserted in the place of event {index + 1}: {why}"
    return Finding(Fault.INSERTED, index, entry.id, entry.line, words)


def foreign(entry: Entry) -> Finding:
    """A line that belongs to no place."""
    words = f"line {entry.line} ({entry.id or 'unreadable'}) was inserted: {_clause(entry.flaw or '')}"
    return Finding(Fault.INSERTED, entry.index, entry.id, entry.line, words)


def dropped(gaps: Iterable[range], held: Mapping[int, Entry]) -> list[Finding]:
    """A finding for each missing event; for the rest of a gap that is too long for that, one in all."""
    last = max(held, default=-1)
    findings: list[Finding] = []
    for gap in gaps:
        room = max(0, _MOST_DROPPED - len(findings))
        findings += [Finding(Fault.DROPPED, i, "", None, _gap_words(i, held, last)) for i in gap[:room]]
        if rest := gap[room:]:
            words = f"events {rest[0] + 1} to {rest[-1] + 1} are missing: {len(rest)} events"
            findings.append(Finding(Fault.DROPPED, rest[0], "", None, words))
    return findings


def _gap_words(index: int, held: Mapping[int, Entry], last: int) -> str:
    if index > last:
        return f"event {index + 1} is missing though a checkpoint counts it: it was dropped, or has not come yet"
    near = [f"{word} {held[at].id}" for word, at in (("after", index - 1), ("before", index + 1)) if at in held]
    where = f" ({', '.join(near)})" if near else ""
    return f"event {index + 1} is missing{where}: it was dropped"


def exchanged(entry: Entry, other: Entry) -> Finding:
    """One of two events that stand in each other's place."""
    words = f"{_name(entry)} on line {entry.line} and {_name(other)} on line {other.line} have changed places"
    return Finding(Fault.REORDERED, entry.index, entry.id, entry.line, words)


def misplaced(entry: Entry) -> Finding:
    """An event that was moved."""
    words = f"{_name(entry)} stands on line {entry.line}, out of its order"
    return Finding(Fault.REORDERED, entry.index, entry.id, entry.line, words)


def _name(entry: Entry) -> str:
    number = "a line that is no event" if entry.index is None else f"event {entry.index + 1}"
    return f"{number} ({entry.id or 'unreadable'})"


def _clause(words: str) -> str:
    """A whole sentence as the end of another one."""
    return words[:1].lower() + words[1:]
