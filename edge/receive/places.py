"""Events and their places in a store, whose transaction is handed in: each is taken once, by the first that comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, tuple_

from edge.receive import tables
from edge.receive.covered import covered
from edge.receive.database import chunks, inserted
from edge.receive.judge import Doubted, Event, Mark, Refused, Why

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection


@dataclass(slots=True)
class Found:
    """What is found out while a batch is stored. ``receipts`` are the ids of the events that one is owed for."""

    receipts: dict[str, None] = field(default_factory=dict)
    events: int = 0
    bundles: int = 0
    repeated: int = 0
    refused: list[Refused] = field(default_factory=list)


def take_events(connection: Connection, events: Sequence[Event], now_ms: int, found: Found) -> None:
    """Insert what is new; what is not is a repetition or a replay."""
    new = {one.id: one for one in reversed(events)}
    if not new:
        return
    rows = [
        {"origin": one.origin, "place": one.place, "hash": one.leaf, "event_id": one.id, "received_ms": now_ms}
        for _, one in sorted(new.items())
    ]
    taken = set(inserted(connection, tables.leaf, rows, tables.leaf.c.event_id))
    if taken:
        connection.execute(insert(tables.event), [_event_row(new[id_], now_ms) for id_ in sorted(taken)])
    found.events += len(taken)
    found.receipts.update(dict.fromkeys(sorted(taken)))
    others = [one for one in events if one.id not in taken or new[one.id] is not one]
    for one, why in _judged_again(connection, others):
        if why is None:
            found.repeated += 1
            found.receipts[one.id] = None
        else:
            topic = f"{one.origin}/event/violation"
            found.refused.append(Refused(Why.REPLAYED, why, topic, one.id, one.payload))


def _event_row(one: Event, now_ms: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "origin": one.origin,
        "place": one.place,
        "kid": one.kid,
        "time": one.time,
        "lane": one.lane,
        "sha256": one.sha256,
        "payload": one.payload,
        "bundle_sha256": one.bundle.sha256 if one.bundle else None,
        "bundle_seal": one.bundle.seal if one.bundle else None,
        "bundle_parts": one.bundle.parts if one.bundle else None,
        "received_ms": now_ms,
    }


def _judged_again(connection: Connection, events: Sequence[Event]) -> Iterator[tuple[Event, str | None]]:
    """Events that have a place or an id already: None where it is the same event, or why it is refused."""
    if not events:
        return
    leaf = tables.leaf.c
    known: list[Any] = []
    for some in chunks(events):
        places = tuple_(leaf.origin, leaf.place).in_([(one.origin, one.place) for one in some])
        query = select(leaf.origin, leaf.place, leaf.hash, leaf.event_id)
        known += connection.execute(query.where(or_(places, leaf.event_id.in_([one.id for one in some]))))
    by_place = {(row.origin, row.place): row for row in known}
    ids = {row.event_id for row in known}
    for one in events:
        held = by_place.get((one.origin, one.place))
        if held is not None and bytes(held.hash) == one.leaf:
            yield one, None
        elif one.id in ids:
            yield one, f"The event {one.id} was stored with other bytes before: the first stands"
        else:
            words = f"Another event has the sequence {one.place + 1} of {one.origin} already"
            yield one, f"{words}: the first stands (a node that lost its outbox needs another name)"


def take_marks(connection: Connection, marks: Sequence[Mark], now_ms: int) -> None:
    """Keep checkpoints; one that came again counts from when it came first."""
    rows = [
        {"origin": one.origin, "size": one.size, "root": one.root, "payload": one.payload, "received_ms": now_ms}
        for one in marks
    ]
    inserted(connection, tables.checkpoint, rows)


def standing_still(connection: Connection, doubted: Sequence[Doubted]) -> tuple[list[Event], list[Event]]:
    """The events that are here already though their key has ended, and those of which a checkpoint spoke in time."""
    leaf = tables.leaf.c
    hashes: set[bytes] = set()
    for some in chunks(doubted):
        query = select(leaf.hash).where(leaf.hash.in_([one.event.leaf for one in some]))
        hashes |= {bytes(hash_) for hash_ in connection.scalars(query)}
    held = [one.event for one in doubted if one.event.leaf in hashes]
    return held, _covered_in_time(connection, [one for one in doubted if one.event.leaf not in hashes])


def _covered_in_time(connection: Connection, doubted: Sequence[Doubted]) -> list[Event]:
    """The events that a checkpoint covers which came before their key had ended."""
    groups: dict[tuple[str, int], list[Event]] = {}
    for one in doubted:
        groups.setdefault((one.event.origin, one.before_ms), []).append(one.event)
    found: list[Event] = []
    for (origin, before_ms), events in sorted(groups.items()):
        found += _covered(connection, origin, before_ms, events)
    return found


def _covered(connection: Connection, origin: str, before_ms: int, events: Sequence[Event]) -> list[Event]:
    mark, leaf = tables.checkpoint.c, tables.leaf.c
    in_time = select(mark.size, mark.root).where(mark.origin == origin, mark.received_ms < before_ms)
    roots = {row.size: bytes(row.root) for row in connection.execute(in_time.order_by(mark.received_ms.desc()))}
    reach = max(roots, default=0)
    offered: dict[int, list[bytes]] = {}
    for one in events:
        if one.place < reach and one.leaf not in offered.setdefault(one.place, []):
            offered[one.place].append(one.leaf)
    if not offered:
        return []
    held = select(leaf.place, leaf.hash).where(leaf.origin == origin, leaf.place < reach)
    leaves = {row.place: bytes(row.hash) for row in connection.execute(held)}
    proven = covered(leaves, offered, roots)
    return [one for one in events if proven.get(one.place) == one.leaf]
