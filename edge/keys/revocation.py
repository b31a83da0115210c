"""Which keys have ended, and which of their events still stand. Pure: instants come in, no clock is read.

An event's own time is what its node claims, and a thief's node claims what it likes. So an event stands as an *earlier*
one only where somebody else knew of it before the key ended: the receiver had it, or had a checkpoint that covers it.
The later of the two instants counts, the one that is claimed and the one since which the event is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from edge.errors import KeyFileError
from edge.keys.instants import read_instant, write_instant
from edge.keys.jws import holds, read_document, sign_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from edge.keys.public import PublicKey
    from edge.keys.signing import SigningKey

LIST_TYPE: Final = "org.stopline.revocations.v1"
MAX_REVOCATIONS: Final = 20_000

_FIELDS = {"type", "number", "issued", "next_update", "revoked"}
_ENTRY_FIELDS = {"kid", "from", "reason"}


class Reason(StrEnum):
    """Why a key has ended."""

    STOLEN = "stolen"
    COMPROMISED = "compromised"
    SUPERSEDED = "superseded"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Revocation:
    """The key ``kid`` has ended: what is not known before ``since`` is refused."""

    kid: str
    since: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class RevocationList:
    """All keys that an authority has ended, by ``kid``. ``number`` grows with every change."""

    number: int
    issued: datetime
    next_update: datetime
    revoked: Mapping[str, Revocation] = field(default_factory=lambda: MappingProxyType({}))

    def stale(self, now: datetime) -> bool:
        """Whether a newer list should have come by now: then a theft may be unknown here."""
        return now > self.next_update


def refusal(
    kid: str, *, claimed: datetime | None, known_since: datetime, revocations: Mapping[str, Revocation]
) -> str | None:
    """Why an event signed by ``kid`` is refused on account of its key's end, in one sentence; None where it stands.

    ``claimed`` is the event's own time, None where it bears none. ``known_since`` is when the event was first known to
    somebody other than its node, by their own clock: received, or covered by a checkpoint that was received.
    """
    revocation = _ending(kid, claimed, known_since, revocations)
    if revocation is None:
        return None
    since = write_instant(revocation.since)
    if claimed is not None and claimed < revocation.since:
        return (
            f"The event's key {kid} was revoked from {since} on ({revocation.reason}); the event claims an earlier "
            f"time, but was not known to anybody before {write_instant(known_since)}"
        )
    return f"The event's key {kid} was revoked from {since} on ({revocation.reason})"


def is_refused(
    kid: str, *, claimed: datetime | None, known_since: datetime, revocations: Mapping[str, Revocation]
) -> bool:
    """Whether ``refusal`` has a reason; also for a succession statement, which claims its beginning."""
    return _ending(kid, claimed, known_since, revocations) is not None


def _ending(
    kid: str, claimed: datetime | None, known_since: datetime, revocations: Mapping[str, Revocation]
) -> Revocation | None:
    revocation = revocations.get(kid)
    latest = known_since if claimed is None else max(claimed, known_since)
    return revocation if revocation is not None and latest >= revocation.since else None


def sign_list(revocations: RevocationList, authority: SigningKey) -> bytes:
    """The list as the authority publishes it: canonical JSON, signed."""
    rows = [
        {"kid": one.kid, "from": write_instant(one.since), "reason": one.reason.value}
        for _, one in sorted(revocations.revoked.items())
    ]
    document = {
        "type": LIST_TYPE,
        "number": revocations.number,
        "issued": write_instant(revocations.issued),
        "next_update": write_instant(revocations.next_update),
        "revoked": rows,
    }
    return sign_document(document, authority)


def read_list(raw: bytes, authority: PublicKey) -> RevocationList:
    """A list whose signature by the authority holds. Raises KeyFileError."""
    try:
        document, payload, signature = read_document(raw)
    except ValueError as error:
        raise KeyFileError(f"This is no revocation list ({error}): fetch it again from the authority") from None
    if not holds(signature, payload, authority):
        raise KeyFileError(
            "The revocation list was not signed by the trusted authority, or was changed: fetch it again from it"
        )
    try:
        return _list(document)
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"The revocation list does not follow its format ({error}): renew this software") from None


def newer(held: RevocationList | None, offered: RevocationList) -> RevocationList:
    """The offered list, if it may replace the one that is held. Raises KeyFileError.

    A list never goes back: a lower number, a key that is gone from it or one that ends later is an old list played
    again, or an authority that takes back what others have acted on.
    """
    if held is None:
        return offered
    renewed = offered.number == held.number and offered.revoked == held.revoked and offered.issued >= held.issued
    if not renewed and offered.number <= held.number:
        raise KeyFileError(
            f"The revocation list number {offered.number} is no newer than number {held.number}, which is held "
            "already: fetch the latest"
        )
    for kid, revocation in held.revoked.items():
        after = offered.revoked.get(kid)
        if after is None or after.since > revocation.since:
            raise KeyFileError(
                f"The revocation list number {offered.number} takes back the end of the key {kid}: ask the "
                "authority why"
            )
    return offered


def _list(document: Mapping[str, Any]) -> RevocationList:
    if set(document) != _FIELDS or document["type"] != LIST_TYPE:
        raise ValueError("it has other fields")
    number, rows = document["number"], document["revoked"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0 or not isinstance(rows, list):
        raise ValueError("its number or its rows are of another kind")
    if len(rows) > MAX_REVOCATIONS:
        raise ValueError(f"it has more than {MAX_REVOCATIONS} rows")
    revoked = {one.kid: one for one in map(_revocation, rows)}
    if len(revoked) != len(rows):
        raise ValueError("a key stands in it twice")
    issued, next_update = read_instant(document["issued"]), read_instant(document["next_update"])
    return RevocationList(number, issued, next_update, MappingProxyType(revoked))


def _revocation(row: Mapping[str, Any]) -> Revocation:
    if set(row) != _ENTRY_FIELDS or not isinstance(row["kid"], str):
        raise ValueError("a row has other fields")
    return Revocation(row["kid"], read_instant(row["from"]), Reason(row["reason"]))
