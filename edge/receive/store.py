"""What a receiver keeps: events and bundles once each, every leaf hash for ever, and what was refused with its reason.

``take`` stores a batch of messages in one transaction: after it returns they are durable. Several receivers may use one
store. The parts of a bundle are kept here as they come, whichever receiver they come to; the one that stores what was
missing puts the bundle together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import and_, delete, func, insert, or_, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from edge.errors import StoreError
from edge.evidence.parts import MAX_BYTES, MAX_PARTS, Assembler, Parcel
from edge.ledger.merkle import leaf_hash
from edge.receive import tables
from edge.receive.bundles import BundleFolder
from edge.receive.database import is_server, open_folder, open_server, translated
from edge.receive.judge import Event, Evidence, Judged, Mark, Refused, Why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import Connection, Engine, Table

MAX_REFUSALS: Final = 20_000
MAX_EARLY_BYTES: Final = 2_000_000_000  # of parts whose event has not come
BUNDLES: Final = "bundles"

_KEPT_WHOLE = (Why.REVOKED, Why.REPLAYED)  # signed by a node: they may be looked at again
_MOST_KEPT = 4096  # bytes of anything else that is refused
_EARLY_DAYS = 7  # that parts wait for their event
_REVOCATIONS = "revocations"
_CHUNK = 500
_MS_PER_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store has of an event; ``bundle_sha256`` is None while it has no bundle."""

    event_id: str
    origin: str
    sha256: str
    bundle_sha256: str | None
    received_ms: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch. ``receipts`` are owed now, also for events that came again."""

    receipts: tuple[Stored, ...] = ()
    events: int = 0
    bundles: int = 0
    repeated: int = 0
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeCopy:
    """What is kept of one node's ledger. ``leaves`` are place, hash and whether erased, in order."""

    events: tuple[bytes, ...]
    leaves: tuple[tuple[int, bytes, bool], ...]
    checkpoints: tuple[bytes, ...]


@dataclass(slots=True)
class _Batch:
    """What is found out while a batch is stored."""

    receipts: dict[str, None] = field(default_factory=dict)
    events: int = 0
    bundles: int = 0
    repeated: int = 0
    refused: list[Refused] = field(default_factory=list)


class Store:
    """A store in a folder or on a server: see ``open_store``. Every method raises StoreError where it cannot do it.

    Its connections are for one thread at a time.
    """

    def __init__(self, engine: Engine, files: BundleFolder | None) -> None:
        self._engine = engine
        self._files = files

    def take(self, batch: Sequence[Judged], now_ms: int) -> Taken:
        """Store a batch; all of it is durable on return, or nothing of it."""
        found = _Batch()
        with translated(), self._engine.begin() as connection:
            self._lock(connection, batch)
            refused = [one for one in batch if isinstance(one, Refused)]
            _take_events(connection, [one for one in batch if isinstance(one, Event)], now_ms, found)
            _take_marks(connection, [one for one in batch if isinstance(one, Mark)], now_ms)
            touched = _take_parts(connection, [one for one in batch if isinstance(one, Evidence)], now_ms)
            touched |= {one.id for one in batch if isinstance(one, Event) and one.bundle is not None}
            for event_id in sorted(touched):
                self._complete(connection, event_id, now_ms, found)
            found.refused += _not_held(connection, refused)
            _keep_refusals(connection, found.refused, now_ms)
            receipts = _stored(connection, found.receipts)
            erased = found.receipts.keys() - {one.event_id for one in receipts}
            if erased:  # it came again: its parts are not wanted any more either
                connection.execute(delete(tables.part).where(tables.part.c.event_id.in_(erased)))
        return Taken(receipts, found.events, found.bundles, found.repeated, tuple(found.refused))

    def erase(self, event_ids: Iterable[str], now_ms: int) -> int:
        """Take away events with their bundles, for good; places and leaf hashes stay. Says how many were there."""
        erased = 0
        with translated(), self._engine.begin() as connection:
            for event_id in event_ids:
                erased += self._erase(connection, event_id, now_ms)
        with translated():
            self._forget_pages()
        return erased

    def forget_early(self, now_ms: int) -> None:
        """Give up the parts of bundles whose event has not come in a week, or has been erased."""
        part = tables.part.c
        there = select(tables.event.c.id).where(tables.event.c.id == part.event_id).exists()
        late = part.received_ms < now_ms - _EARLY_DAYS * _MS_PER_DAY
        with translated(), self._engine.begin() as connection:
            connection.execute(delete(tables.part).where(late, ~there))

    def expire(self, keep_days: int, now_ms: int) -> int:
        """Erase what came longer ago than so many days; says how many events that were."""
        before = now_ms - keep_days * _MS_PER_DAY
        query = select(tables.event.c.id).where(tables.event.c.received_ms < before).limit(_CHUNK)
        erased = 0
        while True:
            with translated(), self._engine.begin() as connection:
                ids = list(connection.scalars(query))
                connection.execute(delete(tables.part).where(tables.part.c.received_ms < before))
                connection.execute(delete(tables.refusal).where(tables.refusal.c.received_ms < before))
            if not ids:
                return erased
            erased += self.erase(ids, now_ms)

    def copy_of(self, origin: str) -> NodeCopy:
        """What is kept of the node SITE/NODE, for an audit of its ledger."""
        leaf, event, mark = tables.leaf, tables.event, tables.checkpoint
        with translated(), self._engine.begin() as connection:
            events = connection.scalars(select(event.c.payload).where(event.c.origin == origin).order_by(event.c.place))
            leaves = connection.execute(
                select(leaf.c.place, leaf.c.hash, leaf.c.erased_ms)
                .where(leaf.c.origin == origin)
                .order_by(leaf.c.place)
            )
            marks = connection.scalars(select(mark.c.payload).where(mark.c.origin == origin).order_by(mark.c.size))
            return NodeCopy(
                tuple(bytes(payload) for payload in events),
                tuple((row.place, bytes(row.hash), row.erased_ms is not None) for row in leaves),
                tuple(bytes(payload) for payload in marks),
            )

    def events(self) -> Iterator[Stored]:
        """Every event that is kept, by its id."""
        after = ""
        while True:
            with translated(), self._engine.begin() as connection:
                query = select(tables.event.c.id).where(tables.event.c.id > after).order_by(tables.event.c.id)
                ids = list(connection.scalars(query.limit(_CHUNK)))
                rows = _stored(connection, ids)
            if not ids:
                return
            yield from rows
            after = ids[-1]

    def count(self) -> int:
        """How many events are kept."""
        with translated(), self._engine.begin() as connection:
            return connection.scalar(select(func.count()).select_from(tables.event)) or 0

    def bundle(self, event_id: str) -> bytes | None:
        """A bundle as it was sent."""
        joined = tables.bundle.join(tables.event, tables.event.c.id == tables.bundle.c.event_id)
        query = select(tables.bundle.c.payload, tables.event.c.bundle_seal).select_from(joined)
        query = query.where(tables.event.c.id == event_id)
        with translated(), self._engine.begin() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if self._files is None:
            return bytes(row.payload)
        file = self._files.file_of(event_id, row.bundle_seal)
        try:
            return file.read_bytes()
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({error.strerror}): bring it back from a backup") from None

    def refusals(self, limit: int) -> list[tuple[int, str, str, str, int]]:
        """The latest refusals: when, why, reason, topic, how often."""
        one = tables.refusal.c
        query = select(one.received_ms, one.why, one.reason, one.topic, one.times).order_by(one.number.desc())
        with translated(), self._engine.begin() as connection:
            return [(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(query.limit(limit))]

    def last_revocations(self) -> bytes | None:
        """The revocation list that was kept last."""
        query = select(tables.memory.c.content).where(tables.memory.c.name == _REVOCATIONS)
        with translated(), self._engine.begin() as connection:
            content = connection.scalar(query)
        return None if content is None else bytes(content)

    def keep_revocations(self, raw: bytes) -> None:
        """Keep a revocation list in place of the last."""
        with translated(), self._engine.begin() as connection:
            connection.execute(delete(tables.memory).where(tables.memory.c.name == _REVOCATIONS))
            connection.execute(insert(tables.memory).values(name=_REVOCATIONS, content=raw))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self, connection: Connection, batch: Sequence[Judged]) -> None:
        """Keep other receivers off the events whose bundles may become whole here, until this transaction ends.

        Otherwise two of them could each store one of the last two parts without seeing the other's. SQLite's write lock
        does this by itself.
        """
        if connection.dialect.name != "postgresql":
            return
        ids = {one.event_id for one in batch if isinstance(one, Evidence)}
        ids |= {one.id for one in batch if isinstance(one, Event) and one.bundle is not None}
        for key in sorted(int.from_bytes(sha256(id_.encode()).digest()[:8], "big", signed=True) for id_ in ids):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    def _complete(self, connection: Connection, event_id: str, now_ms: int, found: _Batch) -> None:
        """Put a bundle together where all of it may be here."""
        one = tables.event.c
        query = select(one.origin, one.bundle_sha256, one.bundle_seal, one.bundle_parts).where(one.id == event_id)
        event = connection.execute(query).one_or_none()
        if event is None:
            return
        if event.bundle_sha256 is None or _has_bundle(connection, event_id):
            connection.execute(delete(tables.part).where(tables.part.c.event_id == event_id))
            found.receipts[event_id] = None
            return
        whole = _assembled(connection, event_id, event.origin, event.bundle_sha256, event.bundle_parts)
        if whole is None:
            return
        if self._files is not None:
            self._files.write(event_id, event.bundle_seal, whole.data)
        row = {
            "event_id": event_id,
            "sha256": event.bundle_sha256,
            "bytes": len(whole.data),
            "content_type": whole.content_type[:200],
            "payload": whole.data if self._files is None else None,
            "received_ms": now_ms,
        }
        connection.execute(insert(tables.bundle), row)
        connection.execute(delete(tables.part).where(tables.part.c.event_id == event_id))
        found.bundles += 1
        found.receipts[event_id] = None

    def _erase(self, connection: Connection, event_id: str, now_ms: int) -> int:
        if connection.scalar(select(tables.event.c.id).where(tables.event.c.id == event_id)) is None:
            return 0
        if self._files is not None:
            self._files.remove(event_id)
        for table, column in (
            (tables.bundle, tables.bundle.c.event_id),
            (tables.part, tables.part.c.event_id),
            (tables.refusal, tables.refusal.c.event_id),
            (tables.event, tables.event.c.id),
        ):
            connection.execute(delete(table).where(column == event_id))
        gone = update(tables.leaf).where(tables.leaf.c.event_id == event_id)
        connection.execute(gone.values(event_id=None, erased_ms=now_ms))
        return 1

    def _forget_pages(self) -> None:
        """Let SQLite's log keep nothing of what was erased; a server's own vacuum does that there."""
        if self._engine.dialect.name == "sqlite":
            with self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                connection.rollback()
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def open_store(where: str | Path) -> Store:
    """The store in a folder, made if absent, or on a PostgreSQL server. Raises StoreError."""
    from pathlib import Path

    if is_server(str(where)):
        return Store(open_server(str(where)), None)
    if "://" in str(where):
        raise StoreError(f"{where} is no store: give a folder, or postgresql://USER@HOST/DATABASE")
    folder = Path(where)
    return Store(open_folder(folder), BundleFolder(folder / BUNDLES))


def _take_events(connection: Connection, events: Sequence[Event], now_ms: int, found: _Batch) -> None:
    """Insert what is new; what is not is a repetition or a replay."""
    new = {one.id: one for one in reversed(events)}
    if not new:
        return
    rows = [
        {"origin": one.origin, "place": one.place, "hash": one.leaf, "event_id": one.id, "received_ms": now_ms}
        for _, one in sorted(new.items())
    ]
    taken = set(_inserted(connection, tables.leaf, rows, tables.leaf.c.event_id))
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
    for some in _chunks(events):
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


def _take_marks(connection: Connection, marks: Sequence[Mark], now_ms: int) -> None:
    rows = [
        {"origin": one.origin, "size": one.size, "root": one.root, "payload": one.payload, "received_ms": now_ms}
        for one in marks
    ]
    _inserted(connection, tables.checkpoint, rows, None)


def _take_parts(connection: Connection, parcels: Sequence[Evidence], now_ms: int) -> set[str]:
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
    _inserted(connection, tables.part, rows, None)
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


def _has_bundle(connection: Connection, event_id: str) -> bool:
    query = select(tables.bundle.c.event_id).where(tables.bundle.c.event_id == event_id)
    return connection.scalar(query) is not None


def _assembled(connection: Connection, event_id: str, origin: str, digest: str, parts: int) -> Any:
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


def _not_held(connection: Connection, refused: Sequence[Refused]) -> list[Refused]:
    """The refusals that stand: an event that was taken before its key ended is only a repetition."""
    late = {leaf_hash(one.payload) for one in refused if one.why is Why.REVOKED}
    if not late:
        return list(refused)
    known = {
        bytes(hash_) for hash_ in connection.scalars(select(tables.leaf.c.hash).where(tables.leaf.c.hash.in_(late)))
    }
    return [one for one in refused if one.why is not Why.REVOKED or leaf_hash(one.payload) not in known]


def _keep_refusals(connection: Connection, refused: Sequence[Refused], now_ms: int) -> None:
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
        _inserted(connection, tables.refusal, [row], None)
    last = connection.scalar(select(func.max(one.number))) or 0
    connection.execute(delete(tables.refusal).where(one.number <= last - MAX_REFUSALS))


def _storable(words: str, longest: int) -> str:
    """Text as any database takes it: PostgreSQL knows no NUL, and neither knows half a surrogate pair."""
    return words.encode(errors="replace").decode().replace("\0", "\ufffd")[:longest]


def _stored(connection: Connection, event_ids: Iterable[str]) -> tuple[Stored, ...]:
    """What is kept of these events, in their order."""
    event, bundle = tables.event.c, tables.bundle.c
    wanted = list(event_ids)
    rows: dict[str, Stored] = {}
    for some in _chunks(wanted):
        query = (
            select(event.id, event.origin, event.sha256, bundle.sha256, event.received_ms)
            .select_from(tables.event.outerjoin(tables.bundle, bundle.event_id == event.id))
            .where(event.id.in_(some))
        )
        rows |= {row[0]: Stored(*row) for row in connection.execute(query)}
    return tuple(rows[id_] for id_ in wanted if id_ in rows)


def _inserted(connection: Connection, table: Table, rows: list[dict[str, Any]], returned: Any) -> list[Any]:
    """Insert the rows that contradict none that is there; gives ``returned`` of those that were inserted."""
    if not rows:
        return []
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table).on_conflict_do_nothing()
    if returned is None:
        connection.execute(query, rows)
        return []
    return list(connection.scalars(query.returning(returned), rows))


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
