"""The ledger in the node's own database: every leaf hash, and the right edge of the tree over them.

These functions run inside a transaction of whoever owns the database, so that an event and its place in the ledger
become durable together. Events may be completed out of order; the tree grows over those without a gap before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.errors import LedgerError
from edge.ledger.merkle import Edge, leaf_hash

if TYPE_CHECKING:
    import sqlite3

TABLES: Final = """
CREATE TABLE leaf (
    place INTEGER PRIMARY KEY CHECK (place >= 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TABLE tree (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    begins INTEGER NOT NULL,
    size INTEGER NOT NULL,
    peaks BLOB NOT NULL
) STRICT;
"""
# The leaf of an event from before the node had a ledger: that of an empty entry, which no event is.
BEFORE: Final = leaf_hash(b"")


def create(connection: sqlite3.Connection, begins: int = 0) -> None:
    """Make the tables. ``begins`` places are filled beforehand, for events that were numbered without a ledger."""
    for statement in filter(str.strip, TABLES.split(";\n")):
        connection.execute(statement)
    edge = Edge().extend([BEFORE] * begins)
    connection.executemany("INSERT INTO leaf VALUES (?, ?)", ((place, BEFORE) for place in range(begins)))
    connection.execute("INSERT INTO tree VALUES (1, ?, ?, ?)", (begins, edge.size, edge.packed()))


def log(connection: sqlite3.Connection, place: int, entry: bytes) -> None:
    """Give an event its place, for good. LedgerError where another one has it."""
    begins = connection.execute("SELECT begins FROM tree").fetchone()[0]
    if place < begins:
        return
    taken = connection.execute("SELECT 1 FROM leaf WHERE place = ?", (place,)).fetchone()
    if taken:
        raise LedgerError(f"The ledger holds another event of index {place}: an event is logged once")
    connection.execute("INSERT INTO leaf VALUES (?, ?)", (place, leaf_hash(entry)))
    _grow(connection)


def edge(connection: sqlite3.Connection) -> Edge:
    """The tree as it stands."""
    size, peaks = connection.execute("SELECT size, peaks FROM tree").fetchone()
    return Edge.unpacked(size, peaks)


def leaves(connection: sqlite3.Connection) -> tuple[bytes, ...]:
    """The leaf hashes of the tree, in its order."""
    found = connection.execute("SELECT hash FROM leaf WHERE place < (SELECT size FROM tree) ORDER BY place")
    return tuple(record[0] for record in found)


def _grow(connection: sqlite3.Connection) -> None:
    """Take in the leaves that follow the tree without a gap."""
    old = grown = edge(connection)
    found = connection.execute("SELECT place, hash FROM leaf WHERE place >= ? ORDER BY place", (old.size,))
    for place, hash_ in found:
        if place != grown.size:
            break
        grown = grown.append(hash_)
    if grown is not old:
        connection.execute("UPDATE tree SET size = ?, peaks = ?", (grown.size, grown.packed()))
