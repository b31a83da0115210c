"""A store's events for people to look through, the latest first: by node, lane and month. Nobody can be sought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, func, or_, select

from edge.receive import tables
from edge.receive.database import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.receive.store import Store

_CHUNK: Final = 200
_STATE: Final = "arming"  # the subject of a change of state, kept where another event has its lane


@dataclass(frozen=True, slots=True)
class Kept:
    """An event's bytes, and whether its bundle is there."""

    payload: bytes
    has_bundle: bool


def latest(
    store: Store, *, origin: str | None = None, lane: str | None = None, month: str | None = None
) -> Iterator[Kept]:
    """The events that are wanted, the latest received first; read as they are asked for. Raises StoreError.

    None asks for any. ``month`` is like ``2026-05``, of the event's own UTC.
    """
    event, bundle = tables.event.c, tables.bundle.c
    query = select(event.id, event.received_ms, event.payload, bundle.event_id.is_not(None).label("has_bundle"))
    query = query.select_from(tables.event.outerjoin(tables.bundle, event.id == bundle.event_id))
    if origin is not None:
        query = query.where(event.origin == origin)
    if lane is not None:
        query = query.where(event.lane == lane)
    if month is not None:
        query = query.where(event.time.startswith(f"{month}-", autoescape=True))
    query = query.order_by(event.received_ms.desc(), event.id.desc()).limit(_CHUNK)
    page = query
    while True:
        with translated(), store.engine.begin() as connection:
            rows = connection.execute(page).all()
        for row in rows:
            yield Kept(bytes(row.payload), bool(row.has_bundle))
        if len(rows) < _CHUNK:
            return
        last = rows[-1]
        earlier = and_(event.received_ms == last.received_ms, event.id < last.id)
        page = query.where(or_(event.received_ms < last.received_ms, earlier))


def payload(store: Store, event_id: str) -> bytes | None:
    """One event's bytes. Raises StoreError."""
    query = select(tables.event.c.payload).where(tables.event.c.id == event_id)
    with translated(), store.engine.begin() as connection:
        found = connection.scalar(query)
    return None if found is None else bytes(found)


def origins(store: Store) -> list[str]:
    """The nodes that have events here, as SITE/NODE. Raises StoreError."""
    return _distinct(store, tables.event.c.origin)


def lanes(store: Store) -> list[str]:
    """The lanes of these events; a change of the node's state has none. Raises StoreError."""
    return [lane for lane in _distinct(store, tables.event.c.lane) if lane != _STATE]


def months(store: Store) -> list[str]:
    """The months of these events. Raises StoreError."""
    return [month for month in _distinct(store, func.substr(tables.event.c.time, 1, 7)) if month]


def _distinct(store: Store, column: object) -> list[str]:
    query = select(column).distinct().order_by(column)  # type: ignore[call-overload]
    with translated(), store.engine.begin() as connection:
        return [value for value in connection.scalars(query) if value is not None]
