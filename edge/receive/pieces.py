"""The parts of bundles in a store, whose transaction is handed in: kept as they come until a bundle is whole."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, func, select

from edge.evidence.parts import MAX_BYTES, MAX_PARTS, Assembler, Parcel
from edge.receive import tables
from edge.receive.database import inserted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from edge.receive.judge import Evidence

MAX_EARLY_BYTES: Final = 2_000_000_000  # of parts whose event has not come


def take_parts(connection: Connection, parcels: Sequence[Evidence], now_ms: int) -> set[str]:
    """Keep parcels, as far as there is room for them; gives the events that they are of."""
    if not parcels:
        return set()
    part = tables.part.c
    ids = sorted({one.event_id for one in parcels})
    sizes = select(part.event_id, func.sum(part.bytes), func.count()).where(part.event_id.in_(ids))
    held = {row[0]: [int(row[1]), int(row[2])] for row in connection.execute(sizes.group_by(part.event_id))}
    announced = set(connection.scalars(select(tables.event.c.id).where(tables.event.c.id.in_(ids))))
    rows: list[dict[str, Any]] = []
    for one in parcels:
        room = held.setdefault(one.event_id, [0, 0])
        size = len(one.parcel.payload)
        if room[0] + size > 2 * MAX_BYTES or room[1] > 2 * MAX_PARTS:
            continue
        room[0], room[1] = room[0] + size, room[1] + 1
        rows.append(_part_row(one, now_ms))
    if any(one.event_id not in announced for one in parcels):
        _make_room(connection, sum(row["bytes"] for row in rows))
    inserted(connection, tables.part, rows)
    return set(ids)


def _part_row(one: Evidence, now_ms: int) -> dict[str, Any]:
    return {
        "event_id": one.event_id,
        "origin": one.origin,
        "number": one.parcel.index,
        "sha256": sha256(one.parcel.payload).hexdigest(),
        "bytes": len(one.parcel.payload),
        "content_type": one.parcel.content_type[:200],
        "payload": one.parcel.payload,
        "received_ms": now_ms,
    }


def _make_room(connection: Connection, size: int) -> None:
    """Give up the oldest parts without an event where strangers' parts would take more than all that is allowed."""
    part = tables.part.c
    early = select(tables.event.c.id).where(tables.event.c.id == part.event_id).exists()
    held = connection.scalar(select(func.coalesce(func.sum(part.bytes), 0)).where(~early)) or 0
    while int(held) + size > MAX_EARLY_BYTES:
        oldest = connection.scalar(select(part.event_id).where(~early).order_by(part.received_ms).limit(1))
        if oldest is None:
            return
        connection.execute(delete(tables.part).where(part.event_id == oldest))
        held = connection.scalar(select(func.coalesce(func.sum(part.bytes), 0)).where(~early)) or 0


def has_bundle(connection: Connection, event_id: str) -> bool:
    """Whether an event's bundle is there, whole."""
    query = select(tables.bundle.c.event_id).where(tables.bundle.c.event_id == event_id)
    return connection.scalar(query) is not None


def assembled(connection: Connection, event_id: str, origin: str, digest: str, parts: int) -> Any:
    """The whole bundle; None while something of it is missing. The signed event says in how many parts it comes."""
    part = tables.part.c
    mine = and_(part.event_id == event_id, part.origin == origin)
    numbers = connection.scalar(select(func.count(part.number.distinct())).where(mine))
    if not numbers or (parts > 1 and numbers < parts + 1):
        return None
    assembler = Assembler(event_id, digest)
    query = select(part.number, part.content_type, part.payload).where(mine).order_by(part.number)
    for row in connection.execute(query):
        assembler.add(Parcel(row.number, row.content_type, bytes(row.payload)))
    return assembler.whole
