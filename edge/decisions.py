"""What reviewers decide: signed records, a line each, chained by their hashes. Pure: lines come in, findings go out.

A decision names its event by the hash of the event's bytes, among which are 128 random bits: when the event is erased,
what remains of it here tells nothing. There is no free text, so that nobody can be named. The record is canonical JSON
with a detached signature, as receipts and revocation lists have it; ``previous`` is the SHA-256 of the line before, so
that a line that was taken out or put in shows. Lines off the end show by a copy alone, or by the hash of the last.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - a field of a record
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from edge.keys.instants import read_instant, write_instant
from edge.keys.jws import holds, read_document, sign_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edge.keys import PublicKey, SigningKey

DECISION_TYPE: Final = "org.stopline.decision.v1"
OPEN: Final = "open"
UNVERIFIED: Final = "unverified"

_FIELDS = {"type", "event_sha256", "choice", "reason", "at", "reviewer", "previous"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Choice(StrEnum):
    """What a reviewer can decide."""

    CONFIRM = "confirm"
    REJECT = "reject"
    ERASE = "erase"


class Reason(StrEnum):
    """Why a case is rejected. A list, since a free text could name somebody."""

    PICTURE_UNCLEAR = "picture_unclear"
    OTHER_VEHICLE = "other_vehicle"
    NOT_PAST_LINE = "not_past_line"
    SIGNAL_DOUBTFUL = "signal_doubtful"
    TIME_DOUBTFUL = "time_doubtful"
    EMERGENCY_VEHICLE = "emergency_vehicle"
    WAVED_THROUGH = "waved_through"
    MADE_WAY = "made_way"
    EVIDENCE_INCOMPLETE = "evidence_incomplete"
    OTHER = "other"


class Standing(StrEnum):
    """How the line of a decision stands: only one that holds counts as signed."""

    HOLDS = "holds"
    KEY_UNKNOWN = "key_unknown"
    CHANGED = "changed"
    OUT_OF_PLACE = "out_of_place"


STATES: Final = (OPEN, *(choice.value for choice in Choice), UNVERIFIED)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. A rejection has its reason, the others have none."""

    event_sha256: str
    choice: Choice
    reason: Reason | None
    at: datetime
    reviewer: str

    def __post_init__(self) -> None:
        if (self.choice is Choice.REJECT) != (self.reason is not None):
            raise ValueError("a rejection has a reason, another decision none")


@dataclass(frozen=True, slots=True)
class Noted:
    """A decision as a line has it, and how that line stands."""

    decision: Decision
    standing: Standing

    @property
    def holds(self) -> bool:
        """Whether a known key signed it, and it stands where it was written."""
        return self.standing is Standing.HOLDS


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a line, in words; lines count from 1."""

    line: int
    words: str


def state_of(noted: Noted | None) -> str:
    """What a case is in by its last decision, one of ``STATES``: what nobody can rely on is no decision."""
    if noted is None:
        return OPEN
    return noted.decision.choice.value if noted.holds else UNVERIFIED


def sign_decision(decision: Decision, previous: str | None, key: SigningKey) -> bytes:
    """The line of a decision, without its end."""
    document = {
        "type": DECISION_TYPE,
        "event_sha256": decision.event_sha256,
        "choice": decision.choice.value,
        "reason": decision.reason.value if decision.reason else None,
        "at": write_instant(decision.at),
        "reviewer": decision.reviewer,
        "previous": previous,
    }
    return sign_document(document, key)


def read_decision(line: bytes, before: str | None, keys: Mapping[str, PublicKey]) -> Noted:
    """The decision of a line and how it stands: ``before`` is the hash of the line before, ``keys`` are the reviewers'.

    Raises ValueError in a reader's words where it is no decision at all.
    """
    document, payload, signature = read_document(line)
    if set(document) != _FIELDS or document["type"] != DECISION_TYPE:
        raise ValueError("its fields are not those of a decision")
    decision, previous = _decision(document), document["previous"]
    key = keys.get(decision.reviewer)
    if key is None:
        return Noted(decision, Standing.KEY_UNKNOWN)
    if not holds(signature, payload, key):
        return Noted(decision, Standing.CHANGED)
    return Noted(decision, Standing.HOLDS if previous == before else Standing.OUT_OF_PLACE)


def check_chain(lines: Iterable[bytes], keys: Mapping[str, PublicKey]) -> Iterator[Flaw]:
    """What is wrong with a whole file of decisions, line by line; nothing where all holds."""
    before: str | None = None
    for number, line in enumerate(lines, start=1):
        try:
            noted = read_decision(line, before, keys)
        except ValueError as error:
            yield Flaw(number, f"it is no decision: {error}")
        else:
            if not noted.holds:
                yield Flaw(number, _why(noted))
        before = line_hash(line)


def line_hash(line: bytes) -> str:
    """By which the line after it names this one."""
    return hashlib.sha256(line).hexdigest()


def _why(noted: Noted) -> str:
    return {
        Standing.KEY_UNKNOWN: f"it is by the key {noted.decision.reviewer}, which was not given",
        Standing.CHANGED: "it was changed after it was signed",
        Standing.OUT_OF_PLACE: "before it something was taken out, put in or changed",
    }[noted.standing]


def _decision(document: Mapping[str, Any]) -> Decision:
    if not _is_hash(document["event_sha256"]) or not isinstance(document["reviewer"], str):
        raise ValueError("its names are of another kind")
    if document["previous"] is not None and not _is_hash(document["previous"]):
        raise ValueError("what it names as its previous is no hash")
    reason = document["reason"]
    return Decision(
        document["event_sha256"],
        Choice(document["choice"]),
        None if reason is None else Reason(reason),
        read_instant(document["at"]),
        document["reviewer"],
    )


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
