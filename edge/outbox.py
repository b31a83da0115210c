"""The durable queue between the node and its broker: a row stays until the broker has taken it.

One SQLite file in WAL mode with ``synchronous=FULL``: what ``append`` has returned survives a crash and a power cut.
Threads may share an ``Outbox``; processes may each open the same file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from edge.errors import OutboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

MAX_MESSAGES: Final = 100_000
MAX_BYTES: Final = 2_000_000_000
MAX_REASON_CHARS: Final = 300

_APPLICATION_ID = 0x53544F50  # "STOP"
_VERSION = 1
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
_COLUMNS = "number, id, kind, topic, content_type, payload, state, refusals, reason"


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
    """What is to be sent, byte for byte. ``id`` is the event's: whoever gets a message twice knows it by that."""

    id: str
    topic: str
    content_type: str
    payload: bytes = field(repr=False)
    kind: Kind = Kind.EVENT


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
    """How many messages wait, are refused and have ever been delivered; ``waiting_bytes`` counts both the first."""

    pending: int
    refused: int
    delivered: int
    waiting_bytes: int


class Outbox:
    """The queue in one file, made if absent. Every method raises OutboxError where the file cannot do its part."""

    def __init__(self, path: Path, *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection = _open(path)

    def append(self, message: Message) -> None:
        """Add a message; it is durable on return. OutboxError where its id is there already or the outbox is full."""
        with self._transaction() as connection:
            self._insert(connection, message)

    def append_numbered(self, make: Callable[[int], Message]) -> Message:
        """Add the message that ``make`` gives for the next sequence number, which counts from 1 without gaps.

        Number and message become durable together: where ``make`` or the disk fails, the number is not used up.
        """
        with self._transaction() as connection:
            connection.execute("UPDATE tally SET sequence = sequence + 1")
            message = make(int(connection.execute("SELECT sequence FROM tally").fetchone()[0]))
            self._insert(connection, message)
        return message

    def pending(self, limit: int, *, after: int = 0) -> list[Row]:
        """The oldest messages that wait to be sent, at most ``limit``, from beyond the row number ``after``."""
        query = f"SELECT {_COLUMNS} FROM message WHERE state = 'pending' AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
        return self._rows(query, after, limit)

    def rows(self, limit: int, *, after: int = 0) -> list[Row]:
        """The oldest messages of any state, for people to look at."""
        return self._rows(f"SELECT {_COLUMNS} FROM message WHERE number > ? ORDER BY number LIMIT ?", after, limit)  # noqa: S608

    def delivered(self, ids: Iterable[str]) -> int:
        """Remove the messages that the broker has taken; says how many of these ids were still there."""
        with self._transaction() as connection:
            return sum(_remove(connection, message_id) for message_id in ids)

    def refused(self, message_id: str, reason: str) -> None:
        """Keep a message that the broker refused, with its reason, until ``retry``."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE message SET state = 'refused', refusals = refusals + 1, reason = ? WHERE id = ?",
                (reason[:MAX_REASON_CHARS], message_id),
            )

    def retry(self) -> int:
        """Let every refused message wait to be sent again; says how many."""
        with self._transaction() as connection:
            return connection.execute("UPDATE message SET state = 'pending' WHERE state = 'refused'").rowcount

    def counts(self) -> Counts:
        """How much waits, is refused and has ever been delivered."""
        with self._locked() as connection:
            states = dict(map(tuple, connection.execute("SELECT state, count(*) FROM message GROUP BY state")))
            delivered, waiting_bytes = connection.execute("SELECT delivered, bytes FROM tally").fetchone()
        return Counts(states.get("pending", 0), states.get("refused", 0), delivered, waiting_bytes)

    def close(self) -> None:
        """Close the file; harmless when done twice."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(self, connection: sqlite3.Connection, message: Message) -> None:
        self._check_room(connection, len(message.payload))
        try:
            connection.execute(
                "INSERT INTO message (id, kind, topic, content_type, payload) VALUES (?, ?, ?, ?, ?)",
                (message.id, message.kind.value, message.topic, message.content_type, message.payload),
            )
        except sqlite3.IntegrityError as error:
            raise OutboxError(
                f"{self._path} takes no message {message.id!r} ({error}): give each its own id and a proper topic"
            ) from None
        connection.execute("UPDATE tally SET messages = messages + 1, bytes = bytes + ?", (len(message.payload),))

    def _check_room(self, connection: sqlite3.Connection, payload_bytes: int) -> None:
        messages, waiting_bytes = connection.execute("SELECT messages, bytes FROM tally").fetchone()
        if messages >= self._max_messages or waiting_bytes + payload_bytes > self._max_bytes:
            raise OutboxError(
                f"{self._path} is full with {messages} unsent messages of {waiting_bytes} bytes: reconnect the node to "
                "its broker; nothing unsent is deleted to make room"
            )

    def _rows(self, query: str, after: int, limit: int) -> list[Row]:
        with self._locked() as connection:
            return [_row(record) for record in connection.execute(query, (after, limit))]

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
    if not _is_outbox(connection):
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            connection.execute("ROLLBACK")
            raise OutboxError(f"{path} is a database of something else: name another file for the outbox")
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")
    _enter_wal_mode(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what was delivered leaves nothing behind in the file
    connection.execute("PRAGMA journal_size_limit = 8000000")


def _is_outbox(connection: sqlite3.Connection) -> bool:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return (application, version) == (_APPLICATION_ID, _VERSION)


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
        raise OutboxError(f"{path} {_words(error)}") from None


def _words(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return "cannot grow, since the disk is full: free some space; what it holds already is safe"
    if name.startswith("SQLITE_BUSY"):
        return "is held by another program: end that program and try again"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "is damaged or no outbox at all: move it away for rescue and start with a new one"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return "cannot be opened for writing: give a file in a folder this user may write"
    return f"failed ({error}): check the disk it lies on"
