"""What nodes say that they count, kept by node and month in a store: one row for each, however many messages come."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite

from edge.receive import tables
from edge.receive.database import chunks, translated
from edge.receive.tallies import Heard, Month, reckon

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from edge.receive.store import Store


def hear(store: Store, heard: Iterable[Heard], certified: Collection[str]) -> int:
    """Add up messages, all of them or none; says how many came from nodes that nobody knows, and count for nothing.

    A node is known that is ``certified`` (SITE/NODE), or of which something signed was stored. Raises StoreError.
    """
    by_origin: dict[str, list[Heard]] = {}
    for one in heard:
        by_origin.setdefault(one.origin, []).append(one)
    with translated(), store.engine.begin() as connection:
        known = _known(connection, sorted(by_origin), certified)
        _lock(connection, known)
        for some in chunks(sorted(known)):
            _hear(connection, {origin: by_origin[origin] for origin in some})
    return sum(len(some) for origin, some in by_origin.items() if origin not in known)


def _known(connection: Connection, origins: Sequence[str], certified: Collection[str]) -> set[str]:
    known = {origin for origin in origins if origin in certified}
    for some in chunks([origin for origin in origins if origin not in known]):
        for table in (tables.leaf, tables.checkpoint):
            known |= set(connection.scalars(select(table.c.origin).where(table.c.origin.in_(some)).distinct()))
    return known


def _lock(connection: Connection, origins: Iterable[str]) -> None:
    """Keep other receivers off these nodes' sums until this transaction ends; SQLite's write lock does it by itself."""
    if connection.dialect.name != "postgresql":
        return
    names = (sha256(f"{origin}/health".encode()).digest() for origin in origins)
    for key in sorted(int.from_bytes(name[:8], "big", signed=True) for name in names):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _hear(connection: Connection, heard: Mapping[str, Sequence[Heard]]) -> None:
    run = tables.node_run.c
    before: dict[str, list[Heard]] = {}
    for row in connection.execute(select(run.origin, run.content).where(run.origin.in_(heard))):
        before.setdefault(row.origin, []).append(_heard(row.content))
    latest: list[Heard] = []
    added: dict[tuple[str, str], Month] = {}
    for origin, some in heard.items():
        kept, months = reckon(some, before.get(origin, ()))
        latest += kept
        added |= {(origin, month.month): month for month in months}
        for gone in {one.run for one in before.get(origin, ())} - {one.run for one in kept}:
            connection.execute(delete(tables.node_run).where(run.origin == origin, run.run == gone))
    _put(connection, tables.node_run, [{"origin": one.origin, "run": one.run, "content": _raw(one)} for one in latest])
    _add(connection, added)


def _add(connection: Connection, added: Mapping[tuple[str, str], Month]) -> None:
    """Add to the months that are there, and begin those that are not."""
    one = tables.node_month.c
    sums = dict(added)
    for some in chunks(list(added)):
        places = or_(*(and_(one.origin == origin, one.month == month) for origin, month in some))
        for row in connection.execute(select(one.origin, one.month, one.content).where(places)):
            at = (row.origin, row.month)
            sums[at] = _month(row.content).plus(added[at])
    rows = [{"origin": at[0], "month": at[1], "content": _raw(month)} for at, month in sums.items()]
    _put(connection, tables.node_month, rows)


def _put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, or renew their content."""
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table)
    renewed = query.on_conflict_do_update(
        index_elements=list(table.primary_key), set_={"content": query.excluded.content}
    )
    connection.execute(renewed, rows)


def heard_in(store: Store, month: str, origin: str | None = None) -> dict[str, Month]:
    """What was heard in a month, by SITE/NODE; of one node, or of all. Raises StoreError."""
    one = tables.node_month.c
    query = select(one.origin, one.content).where(one.month == month).order_by(one.origin)
    if origin is not None:
        query = query.where(one.origin == origin)
    with translated(), store.engine.begin() as connection:
        return {row.origin: _month(row.content) for row in connection.execute(query)}


def months_heard(store: Store) -> dict[str, list[str]]:
    """The months in which each node (SITE/NODE) was heard of, the first one first. Raises StoreError."""
    one = tables.node_month.c
    found: dict[str, list[str]] = {}
    with translated(), store.engine.begin() as connection:
        for row in connection.execute(select(one.origin, one.month).order_by(one.origin, one.month)):
            found.setdefault(row.origin, []).append(row.month)
    return found


def _raw(one: Heard | Month) -> bytes:
    return json.dumps(asdict(one), separators=(",", ":"), sort_keys=True).encode()


def _heard(content: bytes) -> Heard:
    said = json.loads(bytes(content))
    return Heard(**{**said, "reasons": tuple(said["reasons"])})


def _month(content: bytes) -> Month:
    return Month(**json.loads(bytes(content)))
