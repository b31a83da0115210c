"""The durable queue between the node and its broker: a row stays until the broker has taken it.

One SQLite file in WAL mode with ``synchronous=FULL``: what ``append`` has returned survives a crash and a power cut.
Threads may share an ``Outbox``; processes may each open the same file.

A violation whose evidence is still being made is an open case: ``open_case`` writes down what must not be lost and
keeps room, ``complete_case`` puts its event and all its evidence into the queue in its place. What was open when the
node died is in ``open_cases``.

The same file holds the ledger: each numbered event gets its place there, its number less one, in the transaction that
queues it, and keeps it when it has been delivered.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self, TypeVar

from edge.ballast import BALLAST_BYTES, Ballast
from edge.errors import LedgerError, OutboxError
from edge.ledger import store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from edge.ledger.merkle import Edge

MAX_MESSAGES: Final = 100_000
MAX_BYTES: Final = 2_000_000_000
MAX_REASON_CHARS: Final = 300
LEAST_PART_BYTES: Final = 16_384  # evidence is cut no finer, so that the rows of a case can be counted beforehand

_NO_SPACE = "cannot grow, since the disk is full: free some space; what it holds already is safe"
_T = TypeVar("_T")
_APPLICATION_ID = 0x53544F50  # "STOP"
_VERSION = 2
_BUSY_TIMEOUT_S = 10.0
_TABLES = """
CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 200),
    kind TEXT NOT NULL CHECK (kind IN ('event', 'evidence')),
    topic TEXT NOT NULL CHECK (length(topic) BETWEEN 1 AND 1000),
    content_type TEXT NOT NULL CHECK (length(content_type) <= 200),
    payload BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'refused')),
    refusals INTEGER NOT NULL DEFAULT 0,
    reason TEXT CHECK (length(reason) <= 300)
) STRICT;
CREATE INDEX message_by_state ON message (state, number);
CREATE TABLE tally (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    sequence INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    delivered INTEGER NOT NULL
) STRICT;
INSERT INTO tally VALUES (1, 0, 0, 0, 0);
"""
# Version 2, with the tables of the ledger. The zeros in ``room`` hold the disk blocks that completing the case needs.
_CASES = """
CREATE TABLE open_case (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 200),
    sequence INTEGER NOT NULL,
    payload BLOB NOT NULL,
    messages INTEGER NOT NULL,
    room BLOB NOT NULL
) STRICT;
"""
_COLUMNS = "number, id, kind, topic, content_type, payload, state, refusals, reason"
_LISTED = "id, kind, topic, length(payload) AS bytes, state, reason"


class Kind(StrEnum):
    """What a message is."""

    EVENT = "event"
    EVIDENCE = "evidence"


class State(StrEnum):
    """Whether a message waits to be sent, or was refused by the broker and waits to be tried again."""

    PENDING = "pending"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent, byte for byte. Whoever gets a message twice knows it by its ``id``.

    That is the event's id, followed by a slash and more for what belongs to an event.
    """

    id: str
    topic: str
    content_type: str
    payload: bytes = field(repr=False)
    kind: Kind = Kind.EVENT


@dataclass(frozen=True, slots=True)
class Case:
    """A violation whose evidence is still being made; ``payload`` is all that completing it after a crash takes."""

    id: str
    payload: bytes = field(repr=False)

    @property
    def room_bytes(self) -> int:
        """What is kept free for it: enough for its event and a bundle of its data, without pictures.

        Both say again what the payload says, and hardly more: names, hashes, signature, seal, padding.
        """
        return 2 * len(self.payload) + 65_536

    @property
    def room_messages(self) -> int:
        """How many rows are kept free for it: the event, the list of parts, and the parts at their smallest."""
        return 3 + self.room_bytes // LEAST_PART_BYTES


@dataclass(frozen=True, slots=True)
class Listed:
    """What people see of a message without its payload, or of a case that is still open (``state`` "open")."""

    id: str
    kind: str
    topic: str
    bytes: int
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A message in the outbox. ``number`` is its place in the queue; ``reason`` is that of its last refusal."""

    number: int
    message: Message
    state: State
    refusals: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages wait, are refused and have ever been delivered; ``waiting_bytes`` counts both the first.

    ``open_cases`` are the violations whose event and evidence are not in the queue yet.
    """

    pending: int
    refused: int
    delivered: int
    waiting_bytes: int
    open_cases: int = 0


class _DiskFullError(OutboxError):
    """The file cannot grow."""


class Outbox:
    """The queue in one file, made if absent. Every method raises OutboxError where the file cannot do its part."""

    def __init__(
        self,
        path: Path,
        *,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        ballast_bytes: int = BALLAST_BYTES,
    ) -> None:
        self._path = path
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._ballast = Ballast(path.with_name(f"{path.name}-ballast"), ballast_bytes)
        self._connection = _open(path)

    def append(self, message: Message) -> None:
        """Add a message; it is durable on return. OutboxError where its id is there already or the outbox is full."""
        with self._transaction() as connection:
            self._check_room(connection, 1, len(message.payload))
            self._insert(connection, message)

    def append_numbered(self, make: Callable[[int], Message]) -> Message:
        """Add the message that ``make`` gives for the next sequence number, which counts from 1 without gaps.

        Number and message become durable together: where ``make`` or the disk fails, the number is not used up.
        """
        with self._transaction() as connection:
            sequence = _next_sequence(connection)
            message = make(sequence)
            self._check_room(connection, 1, len(message.payload))
            self._insert(connection, message)
            self._log(connection, sequence, [message])
        return message

    def open_case(self, make: Callable[[int], Case]) -> Case:
        """Note the case that ``make`` gives for the next sequence number, and keep room for it; durable on return.

        OutboxError where that room is not there: then nothing is written and the number is not used up.
        """
        if not self._ballast.lay():
            raise _DiskFullError(f"{self._path} {_NO_SPACE}")
        with self._transaction() as connection:
            sequence = _next_sequence(connection)
            case = make(sequence)
            self._insert_case(connection, case, sequence)
        self._fold()
        return case

    def open_cases(self) -> list[Case]:
        """The cases that are not complete, the oldest first."""
        with self._locked() as connection:
            found = connection.execute("SELECT id, payload FROM open_case ORDER BY number").fetchall()
        return [Case(record["id"], record["payload"]) for record in found]

    def complete_case(self, case_id: str, messages: Sequence[Message]) -> None:
        """Put a case's event and all its evidence into the queue, in this order; the case is then no longer open.

        All of it becomes durable together, or the case stays open. OutboxError where the messages are larger than the
        room that is left; what fits into the case's own room is always taken, whatever else waits.
        """
        self._despite_full_disk(lambda: self._complete(case_id, messages))

    def _complete(self, case_id: str, messages: Sequence[Message]) -> None:
        with self._transaction() as connection:
            kept = _close_case(connection, case_id)
            if kept is None:
                raise OutboxError(f"{self._path} holds no open case {case_id!r}: complete each case once")
            size = sum(len(message.payload) for message in messages)
            if len(messages) > kept.messages or size > kept.bytes:
                self._check_room(connection, len(messages), size)
            for message in messages:
                self._insert(connection, message)
            self._log(connection, kept.sequence, messages)

    def pending(self, limit: int, *, after: int = 0, max_bytes: int | None = None) -> list[Row]:
        """The oldest messages that wait to be sent, at most ``limit``, from beyond the row number ``after``.

        With ``max_bytes`` no more than fit into it, but one at least.
        """
        query = f"SELECT {_COLUMNS} FROM message WHERE state = 'pending' AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
        rows: list[Row] = []
        size = 0
        with self._locked() as connection:
            for record in connection.execute(query, (after, limit)):
                size += len(record["payload"])
                if rows and max_bytes is not None and size > max_bytes:
                    break
                rows.append(_row(record))
        return rows

    def rows(self, limit: int, *, after: int = 0) -> list[Row]:
        """The oldest messages of any state, payload and all."""
        query = f"SELECT {_COLUMNS} FROM message WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
        with self._locked() as connection:
            return [_row(record) for record in connection.execute(query, (after, limit))]

    def listed(self, limit: int) -> list[Listed]:
        """The oldest messages of any state, then the oldest open cases, for people to look at."""
        messages = f"SELECT {_LISTED} FROM message ORDER BY number LIMIT ?"  # noqa: S608
        cases = "SELECT id, 'case', '', length(payload), 'open', NULL FROM open_case ORDER BY number LIMIT ?"
        with self._locked() as connection:
            found = connection.execute(messages, (limit,)).fetchall()
            found += connection.execute(cases, (limit - len(found),)).fetchall()
        return [Listed(*record) for record in found]

    def delivered(self, ids: Iterable[str]) -> int:
        """Remove the messages that the broker has taken; says how many of these ids were still there."""
        return self._despite_full_disk(lambda: self._remove(tuple(ids)))

    def _remove(self, ids: Iterable[str]) -> int:
        with self._transaction() as connection:
            return sum(_remove(connection, message_id) for message_id in ids)

    def refused(self, message_id: str, reason: str) -> None:
        """Keep a message that the broker refused, with its reason, until ``retry``."""
        query = "UPDATE message SET state = 'refused', refusals = refusals + 1, reason = ? WHERE id = ?"
        self._despite_full_disk(lambda: self._update(query, (reason[:MAX_REASON_CHARS], message_id)))

    def retry(self) -> int:
        """Let every refused message wait to be sent again; says how many."""
        query = "UPDATE message SET state = 'pending' WHERE state = 'refused'"
        return self._despite_full_disk(lambda: self._update(query, ()))

    def _update(self, query: str, values: tuple[str, ...]) -> int:
        with self._transaction() as connection:
            return connection.execute(query, values).rowcount

    def counts(self) -> Counts:
        """How much waits, is refused and has ever been delivered."""
        with self._locked() as connection:
            states = dict(map(tuple, connection.execute("SELECT state, count(*) FROM message GROUP BY state")))
            delivered, waiting_bytes = connection.execute("SELECT delivered, bytes FROM tally").fetchone()
            open_cases = connection.execute("SELECT count(*) FROM open_case").fetchone()[0]
        return Counts(states.get("pending", 0), states.get("refused", 0), delivered, waiting_bytes, open_cases)

    def ledger(self) -> Edge:
        """The ledger as it stands: over every event numbered so far, up to the oldest case that is still open."""
        with self._locked() as connection:
            return store.edge(connection)

    def leaves(self) -> tuple[bytes, ...]:
        """The leaf hashes of the ledger, in its order."""
        with self._locked() as connection:
            return store.leaves(connection)

    def close(self) -> None:
        """Close the file; harmless when done twice."""
        with self._lock:
            with suppress(sqlite3.Error):
                if not self._connection.execute("SELECT count(*) FROM open_case").fetchone()[0]:
                    self._ballast.clear()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(self, connection: sqlite3.Connection, message: Message) -> None:
        columns = (message.id, message.kind.value, message.topic, message.content_type, message.payload)
        query = "INSERT INTO message (id, kind, topic, content_type, payload) VALUES (?, ?, ?, ?, ?)"
        try:
            connection.execute(query, columns)
        except sqlite3.IntegrityError as error:
            raise OutboxError(
                f"{self._path} takes no message {message.id!r} ({error}): give each its own id and a proper topic"
            ) from None
        connection.execute("UPDATE tally SET messages = messages + 1, bytes = bytes + ?", (len(message.payload),))

    def _log(self, connection: sqlite3.Connection, sequence: int, messages: Sequence[Message]) -> None:
        """Give the event among the messages of one number its place in the ledger."""
        events = [message.payload for message in messages if message.kind is Kind.EVENT]
        if len(events) != 1:
            raise OutboxError(f"A case is completed with one event and its evidence, not with {len(events)} events")
        try:
            store.log(connection, sequence - 1, events[0])
        except LedgerError as error:
            raise OutboxError(f"{self._path} contradicts itself: {error}") from None

    def _insert_case(self, connection: sqlite3.Connection, case: Case, sequence: int) -> None:
        self._check_room(connection, case.room_messages, case.room_bytes)
        columns = (case.id, sequence, case.payload, case.room_messages, case.room_bytes)
        query = "INSERT INTO open_case (id, sequence, payload, messages, room) VALUES (?, ?, ?, ?, zeroblob(?))"
        try:
            connection.execute(query, columns)
        except sqlite3.IntegrityError as error:
            raise OutboxError(f"{self._path} takes no case {case.id!r} ({error}): give each its own id") from None

    def _check_room(self, connection: sqlite3.Connection, messages: int, size: int) -> None:
        """Raise OutboxError where so much more does not fit beside what waits and what is kept for open cases."""
        waiting, waiting_bytes = connection.execute("SELECT messages, bytes FROM tally").fetchone()
        kept = connection.execute("SELECT total(messages), total(length(room)) FROM open_case").fetchone()
        if waiting + kept[0] + messages > self._max_messages or waiting_bytes + kept[1] + size > self._max_bytes:
            raise OutboxError(
                f"{self._path} is full with {waiting} unsent messages of {waiting_bytes} bytes: reconnect the node to "
                "its broker; nothing unsent is deleted to make room"
            )

    def _despite_full_disk(self, work: Callable[[], _T]) -> _T:
        """Do what must be finished; where the disk is full, first in the log's own blocks, then in the ballast's."""
        try:
            return work()
        except _DiskFullError:
            self._fold()
        try:
            return work()
        except _DiskFullError:
            if not self._ballast.throw():
                raise
            self._fold()
        return work()

    def _fold(self) -> None:
        """Bring the log into the file itself, so that the room of an open case is there on the disk, not only noted.

        What is committed is durable without it, so a disk too full for it is no failure.
        """
        with self._lock, suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self._path):
            yield self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is committed together and durably, or not at all."""
        with self._locked() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def _row(record: sqlite3.Row) -> Row:
    message = Message(record["id"], record["topic"], record["content_type"], record["payload"], Kind(record["kind"]))
    return Row(record["number"], message, State(record["state"]), record["refusals"], record["reason"])


def _remove(connection: sqlite3.Connection, message_id: str) -> int:
    gone = connection.execute("DELETE FROM message WHERE id = ? RETURNING length(payload)", (message_id,)).fetchall()
    for (payload_bytes,) in gone:
        connection.execute(
            "UPDATE tally SET messages = messages - 1, bytes = bytes - ?, delivered = delivered + 1", (payload_bytes,)
        )
    return len(gone)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was kept for a case: its number, and room for so many messages of so many bytes in all."""

    sequence: int
    messages: int
    bytes: int


def _next_sequence(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE tally SET sequence = sequence + 1")
    return int(connection.execute("SELECT sequence FROM tally").fetchone()[0])


def _close_case(connection: sqlite3.Connection, case_id: str) -> _Kept | None:
    """Remove an open case; gives what was kept for it, or None where there is none."""
    query = "DELETE FROM open_case WHERE id = ? RETURNING sequence, messages, length(room)"
    found = connection.execute(query, (case_id,)).fetchall()
    return _Kept(*found[0]) if found else None


def _open(path: Path) -> sqlite3.Connection:
    _create_private(path)
    with _translated(path):
        connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _create_private(path: Path) -> None:
    """Make an absent file for this user's eyes alone, and its name durable in its folder."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise OutboxError(
            f"{path} cannot be made ({error.strerror}): give a file in a folder this user may write"
        ) from None
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")  # so that of two processes that start together one makes the tables
    try:
        _make_tables(connection, _version(connection, path))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    _enter_wal_mode(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what was delivered leaves nothing behind in the file
    connection.execute("PRAGMA journal_size_limit = 8000000")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables in the file, 0 where there are none; OutboxError where it is no outbox of ours."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application == _APPLICATION_ID:
        if version > _VERSION:
            raise OutboxError(f"{path} was written by a newer Stopline (format {version}): update this one")
        return version
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise OutboxError(f"{path} is a database of something else: name another file for the outbox")
    return 0


def _make_tables(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from nothing or from an older version to this one."""
    if version == _VERSION:
        return
    for statement in (_TABLES if version == 0 else "").split(";\n") + _CASES.split(";\n"):
        connection.execute(statement)
    store.create(connection, connection.execute("SELECT sequence FROM tally").fetchone()[0])
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _enter_wal_mode(connection: sqlite3.Connection) -> None:
    """Switch to WAL once. SQLite does not wait for other processes here, so we do."""
    give_up = time.monotonic() + _BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        kind = _DiskFullError if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL" else OutboxError
        raise kind(f"{path} {_words(error)}") from None


def _words(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return _NO_SPACE
    if name.startswith("SQLITE_BUSY"):
        return "is held by another program: end that program and try again"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "is damaged or no outbox at all: move it away for rescue and start with a new one"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return "cannot be opened for writing: give a file in a folder this user may write"
    return f"failed ({error}): check the disk it lies on"
