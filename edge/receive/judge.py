"""What a message is: an event that may be stored, a parcel of evidence, a checkpoint, or one refused with its reason.

Pure: the trusted keys and the time come in. Whether an event is new, a repetition or a replay only the store knows, and
whether a checkpoint spoke of it before its key had ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from edge import event
from edge.errors import EventError, LedgerError
from edge.evidence.parts import Parcel
from edge.ledger import checkpoint
from edge.ledger.merkle import leaf_hash

if TYPE_CHECKING:
    from edge.mqtt import Received
    from edge.receive.trust import Trusted

_LEVEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_TOPIC = re.compile(
    rf"/v1/({_LEVEL})/({_LEVEL})/(event/(?:violation|state)|checkpoint|evidence/([^/]{{1,100}})(?:/([1-9]\d{{0,5}}))?)$"
)
_MAX_PLACE: Final = 2**53


class Why(StrEnum):
    """Why something is refused."""

    INVALID = "invalid"
    UNKNOWN_KEY = "unknown_key"
    REVOKED = "revoked"
    MISPLACED = "misplaced"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a signed event says of its bundle as it is sent."""

    sha256: str
    size: int
    seal: str
    parts: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event whose signature holds, by a key that may sign it. ``origin`` is SITE/NODE, ``place`` counts from 0."""

    id: str
    origin: str
    place: int
    kid: str
    time: str | None
    lane: str
    sha256: str
    leaf: bytes = field(repr=False)
    bundle: Bundle | None
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One message of the evidence of an event of ``origin``, not held against anything yet."""

    origin: str
    event_id: str
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint of a node's ledger, its signature checked."""

    origin: str
    size: int
    root: bytes = field(repr=False)
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """What is not taken, and why in a sentence."""

    why: Why
    reason: str
    topic: str
    event_id: str | None
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Doubted:
    """An event that came after its key had ended: refused, unless a checkpoint that came before covers it.

    ``before_ms`` is when that checkpoint must have come, at the latest short of it.
    """

    event: Event
    before_ms: int
    refused: Refused


Judged = Event | Evidence | Mark | Refused | Doubted


def judge(received: Received, trusted: Trusted, now: datetime) -> Judged:
    """What came, judged by itself."""
    place = _TOPIC.search(received.topic)
    if place is None:
        return _refused(received, Why.MISPLACED, "Nothing that a receiver takes has such a topic")
    origin = f"{place[1]}/{place[2]}"
    if place[4] is not None:
        parcel = Parcel(int(place[5] or 0), received.content_type or "", received.payload)
        return Evidence(origin, place[4], parcel)
    if place[3] == "checkpoint":
        return _mark(received, origin, trusted)
    return _event(received, origin, trusted, now)


def _event(received: Received, origin: str, trusted: Trusted, now: datetime) -> Event | Refused | Doubted:
    try:
        verified = event.verify(received.payload, trusted.keys)
        claimed = None if verified.time is None else datetime.fromisoformat(verified.time)
    except EventError as error:
        unknown = _names_unknown_key(received.payload, trusted)
        return _refused(received, Why.UNKNOWN_KEY if unknown else Why.INVALID, str(error))
    except ValueError:
        return _refused(received, Why.INVALID, "The event claims a time that no calendar has")
    source = f"{verified.site}/{verified.node}"
    if source != origin:
        words = f"The event is from {source}, but came on a topic of {origin}"
        return _refused(received, Why.MISPLACED, words, verified.id)
    if verified.sequence < 1:
        return _refused(received, Why.INVALID, "The event's sequence is 0, but a node counts from 1", verified.id)
    found = Event(
        verified.id,
        origin,
        verified.sequence - 1,
        verified.kid,
        verified.time,
        verified.lane,
        sha256(received.payload).hexdigest(),
        leaf_hash(received.payload),
        _bundle(verified),
        received.payload,
    )
    refusal = trusted.refusal(verified.kid, f"stopline://{source}", claimed=claimed, known_since=now)
    if refusal is None:
        return found
    refused = _refused(received, Why.REVOKED, refusal, verified.id)
    before = trusted.known_before(verified.kid, f"stopline://{source}", claimed=claimed)
    return refused if before is None else Doubted(found, int(before.timestamp() * 1000), refused)


def _bundle(verified: event.VerifiedEvent) -> Bundle | None:
    named = verified.document["data"].get("evidence")
    if named is None:
        return None
    return Bundle(named["sent_sha256"], int(named["sent_bytes"]), named["seal"], int(named["parts"]))


def _names_unknown_key(payload: bytes, trusted: Trusted) -> bool:
    try:
        return event.read(payload).kid not in trusted.keys
    except EventError:
        return False


def _mark(received: Received, origin: str, trusted: Trusted) -> Mark | Refused:
    try:
        signed = checkpoint.verify(received.payload, trusted.keys_of(f"stopline://{origin}"))
    except LedgerError as error:
        return _refused(received, Why.INVALID, str(error))
    found = signed.checkpoint
    if found.origin != origin or found.size > _MAX_PLACE:
        return _refused(received, Why.MISPLACED, f"The checkpoint of {found.origin} came on a topic of {origin}")
    return Mark(origin, found.size, found.root, received.payload)


def _refused(received: Received, why: Why, reason: str, event_id: str | None = None) -> Refused:
    return Refused(why, reason, received.topic, event_id, received.payload)
