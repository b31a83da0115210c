"""What a receiver keeps: events and bundles once each, every leaf hash for ever, and what was refused with its reason.

``take`` stores a batch of messages in one transaction: after it returns they are durable. Several receivers may use one
store. The parts of a bundle are kept here as they come, whichever receiver they come to; the one that stores what was
missing puts the bundle together.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import delete, func, insert, or_, select, text, update

from edge.errors import StoreError
from edge.receive import tables
from edge.receive.bundles import BundleFolder
from edge.receive.database import CHUNK, DATABASE, chunks, is_server, open_folder, open_server, translated
from edge.receive.hindsight import late_ones
from edge.receive.judge import Doubted, Event, Evidence, Judged, Mark, Refused, Why
from edge.receive.pieces import assembled, has_bundle, take_parts
from edge.receive.places import Found, standing_still, take_events, take_marks
from edge.receive.refusals import forget_refusals, keep_refusals, not_held

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import Connection, Engine

    from edge.keys.revocation import Revocation

BUNDLES: Final = "bundles"

_EARLY_DAYS = 7  # that parts wait for their event
_REVOCATIONS = "revocations"
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
    """What is kept of one node's ledger. ``leaves`` are place, hash and whether erased, in order.

    ``leaves_ms`` and ``checkpoints_ms`` are when each came, in milliseconds since 1970.
    """

    events: tuple[bytes, ...]
    leaves: tuple[tuple[int, bytes, bool], ...]
    checkpoints: tuple[bytes, ...]
    leaves_ms: tuple[int, ...] = ()
    checkpoints_ms: tuple[int, ...] = ()


class Store:
    """A store in a folder or on a server: see ``open_store``. Every method raises StoreError where it cannot do it.

    Its connections are for one thread at a time.
    """

    def __init__(self, engine: Engine, files: BundleFolder | None) -> None:
        self._engine = engine
        self._files = files

    @property
    def engine(self) -> Engine:
        """For what reads from the store in other ways: ``edge.receive.listing``."""
        return self._engine

    def take(self, batch: Sequence[Judged], now_ms: int, once_more: Sequence[Doubted] = ()) -> Taken:
        """Store a batch; all of it is durable on return, or nothing of it.

        ``once_more`` are events that were refused before, and may be proven by what is in the batch.
        """
        found = Found()
        with translated(), self._engine.begin() as connection:
            self._lock(connection, batch)
            refused = [one for one in batch if isinstance(one, Refused)]
            take_events(connection, [one for one in batch if isinstance(one, Event)], now_ms, found)
            doubted = [one for one in batch if isinstance(one, Doubted)]
            held, proven = standing_still(connection, [*doubted, *once_more])
            standing = [*held, *proven]
            take_events(connection, standing, now_ms, found)
            forget_refusals(connection, proven)
            refused += [one.refused for one in doubted if one.event not in standing]
            take_marks(connection, [one for one in batch if isinstance(one, Mark)], now_ms)
            touched = take_parts(connection, [one for one in batch if isinstance(one, Evidence)], now_ms)
            touched |= {one.id for one in batch if isinstance(one, Event) and one.bundle is not None}
            touched |= {one.id for one in standing if one.bundle is not None}
            for event_id in sorted(touched):
                self._complete(connection, event_id, now_ms, found)
            found.refused += not_held(connection, refused)
            keep_refusals(connection, found.refused, now_ms)
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
        query = select(tables.event.c.id).where(tables.event.c.received_ms < before).limit(CHUNK)
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
                select(leaf.c.place, leaf.c.hash, leaf.c.erased_ms, leaf.c.received_ms)
                .where(leaf.c.origin == origin)
                .order_by(leaf.c.place)
            ).all()
            marks = connection.execute(
                select(mark.c.payload, mark.c.received_ms).where(mark.c.origin == origin).order_by(mark.c.size)
            ).all()
            return NodeCopy(
                tuple(bytes(payload) for payload in events),
                tuple((row.place, bytes(row.hash), row.erased_ms is not None) for row in leaves),
                tuple(bytes(row.payload) for row in marks),
                tuple(row.received_ms for row in leaves),
                tuple(row.received_ms for row in marks),
            )

    def events(self) -> Iterator[Stored]:
        """Every event that is kept, by its id."""
        after = ""
        while True:
            with translated(), self._engine.begin() as connection:
                query = select(tables.event.c.id).where(tables.event.c.id > after).order_by(tables.event.c.id)
                ids = list(connection.scalars(query.limit(CHUNK)))
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

    def refuse_afterwards(self, ended: Iterable[Revocation], now_ms: int) -> int:
        """List the events as refused that were taken in after these ends; says how many were not listed before."""
        listed = 0
        for some in chunks(list(ended)):
            with translated(), self._engine.begin() as connection:
                late = late_ones(connection, some)
                keep_refusals(connection, late, now_ms)
            listed += len(late)
        return listed

    def refused_of(self, origins: Iterable[str]) -> list[tuple[str, bytes]]:
        """Topic and bytes of the latest events of these nodes that were refused because their key had ended."""
        one = tables.refusal.c
        places = or_(*(one.topic.contains(f"/v1/{origin}/event/", autoescape=True) for origin in origins))
        query = select(one.topic, one.payload).where(one.why == Why.REVOKED.value, places)
        with translated(), self._engine.begin() as connection:
            rows = connection.execute(query.order_by(one.number.desc()).limit(CHUNK))
            return [(row.topic, bytes(row.payload)) for row in rows]

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
        ids |= {one.event.id for one in batch if isinstance(one, Doubted)}
        for key in sorted(int.from_bytes(sha256(id_.encode()).digest()[:8], "big", signed=True) for id_ in ids):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    def _complete(self, connection: Connection, event_id: str, now_ms: int, found: Found) -> None:
        """Put a bundle together where all of it may be here."""
        one = tables.event.c
        query = select(one.origin, one.bundle_sha256, one.bundle_seal, one.bundle_parts).where(one.id == event_id)
        event = connection.execute(query).one_or_none()
        if event is None:
            return
        if event.bundle_sha256 is None or has_bundle(connection, event_id):
            connection.execute(delete(tables.part).where(tables.part.c.event_id == event_id))
            found.receipts[event_id] = None
            return
        whole = assembled(connection, event_id, event.origin, event.bundle_sha256, event.bundle_parts)
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


def open_store(where: str | Path, *, make: bool = True) -> Store:
    """The store in a folder, or on a PostgreSQL server; made if absent, or StoreError where that is not wanted."""
    from pathlib import Path

    if is_server(str(where)):
        return Store(open_server(str(where)), None)
    if "://" in str(where):
        raise StoreError(f"{where} is no store: give a folder, or postgresql://USER@HOST/DATABASE")
    folder = Path(where)
    if not make and not os.access(folder / DATABASE, os.F_OK):
        lacking = "is no store" if os.access(folder, os.F_OK) else "does not exist"
        raise StoreError(f"{where} {lacking}: give the folder that 'stopline receive --store' writes")
    return Store(open_folder(folder), BundleFolder(folder / BUNDLES))


def _stored(connection: Connection, event_ids: Iterable[str]) -> tuple[Stored, ...]:
    """What is kept of these events, in their order."""
    event, bundle = tables.event.c, tables.bundle.c
    wanted = list(event_ids)
    rows: dict[str, Stored] = {}
    for some in chunks(wanted):
        query = (
            select(event.id, event.origin, event.sha256, bundle.sha256, event.received_ms)
            .select_from(tables.event.outerjoin(tables.bundle, bundle.event_id == event.id))
            .where(event.id.in_(some))
        )
        rows |= {row[0]: Stored(*row) for row in connection.execute(query)}
    return tuple(rows[id_] for id_ in wanted if id_ in rows)
