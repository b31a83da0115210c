"""What was refused, in a store whose transaction is handed in: kept with its reason, and bounded."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select, update

from edge.ledger.merkle import leaf_hash
from edge.receive import tables
from edge.receive.database import inserted
from edge.receive.judge import Refused, Why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from edge.receive.judge import Event

MAX_REFUSALS: Final = 20_000

_KEPT_WHOLE = (Why.REVOKED, Why.REPLAYED)  # signed by a node: they may be looked at again
_MOST_KEPT = 4096  # bytes of anything else that is refused


def not_held(connection: Connection, refused: Sequence[Refused]) -> list[Refused]:
    """The refusals that stand: an event that was taken before its key ended is only a repetition."""
    late = {leaf_hash(one.payload) for one in refused if one.why is Why.REVOKED}
    if not late:
        return list(refused)
    known = {
        bytes(hash_) for hash_ in connection.scalars(select(tables.leaf.c.hash).where(tables.leaf.c.hash.in_(late)))
    }
    return [one for one in refused if one.why is not Why.REVOKED or leaf_hash(one.payload) not in known]


def forget_refusals(connection: Connection, events: Sequence[Event]) -> None:
    """Take back that these events were refused because their key had ended."""
    one = tables.refusal.c
    for event in events:
        same = (one.sha256 == event.sha256, one.why == Why.REVOKED.value)
        connection.execute(delete(tables.refusal).where(*same))


def keep_refusals(connection: Connection, refused: Sequence[Refused], now_ms: int) -> None:
    """Keep each with its reason; the same again is only counted, and beyond the limit the oldest go."""
    if not refused:
        return
    one = tables.refusal.c
    for each in refused:
        digest = sha256(each.payload).hexdigest()
        same = update(tables.refusal).where(one.sha256 == digest, one.why == each.why.value)
        if connection.execute(same.values(times=one.times + 1)).rowcount:
            continue
        row = {
            "sha256": digest,
            "why": each.why.value,
            "reason": _storable(each.reason, 500),
            "topic": _storable(each.topic, 1000),
            "event_id": each.event_id,
            "payload": each.payload if each.why in _KEPT_WHOLE else each.payload[:_MOST_KEPT],
            "times": 1,
            "received_ms": now_ms,
        }
        inserted(connection, tables.refusal, [row])
    last = connection.scalar(select(func.max(one.number))) or 0
    connection.execute(delete(tables.refusal).where(one.number <= last - MAX_REFUSALS))


def _storable(words: str, longest: int) -> str:
    """Text as any database takes it: PostgreSQL knows no NUL, and neither knows half a surrogate pair."""
    return words.encode(errors="replace").decode().replace("\0", "\ufffd")[:longest]
