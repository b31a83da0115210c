"""The file of the outbox: its tables in every version, how it is opened, what can be wrong with it in plain words."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from edge import delivery
from edge.durable import sync_folder
from edge.errors import OutboxError
from edge.ledger import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_SPACE: Final = "cannot grow, since the disk is full: free some space; what it holds already is safe"

_APPLICATION_ID = 0x53544F50  # "STOP"
_VERSION = 3
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


class DiskFullError(OutboxError):
    """The file cannot grow."""


def open_file(path: Path) -> sqlite3.Connection:
    """The file, made if absent, its tables brought to this version. OutboxError where it is no outbox of ours."""
    _create_private(path)
    with translated(path):
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
    sync_folder(path.parent)


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
    connection.execute("PRAGMA cache_size = -512")  # KiB of pages; few are read twice


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
    if version < 1:
        _execute(connection, _TABLES)
    if version < 2:
        _execute(connection, _CASES)
        store.create(connection, connection.execute("SELECT sequence FROM tally").fetchone()[0])
    _execute(connection, delivery.TABLES)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _execute(connection: sqlite3.Connection, statements: str) -> None:
    """Run each statement in the transaction at hand, which ``executescript`` would end."""
    for statement in filter(str.strip, statements.split(";\n")):
        connection.execute(statement)


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
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite says of the file into an OutboxError."""
    try:
        yield
    except sqlite3.Error as error:
        kind = DiskFullError if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL" else OutboxError
        raise kind(f"{path} {_words(error)}") from None


def _words(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return NO_SPACE
    if name.startswith("SQLITE_BUSY"):
        return "is held by another program: end that program and try again"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "is damaged or no outbox at all: move it away for rescue and start with a new one"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return "cannot be opened for writing: give a file in a folder this user may write"
    return f"failed ({error}): check the disk it lies on"
