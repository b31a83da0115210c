"""Events that were taken in before it was known that their key had ended: they are listed as refused, and stay.

What a receipt was given for is not taken away again; whoever relies on the archive sees by the list that it does not
stand. An event that a checkpoint covers which came in time stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from edge.keys.instants import write_instant
from edge.ledger.merkle import Edge
from edge.receive import tables
from edge.receive.judge import Refused, Why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from edge.keys.revocation import Revocation


def late_ones(connection: Connection, ended: Sequence[Revocation]) -> list[Refused]:
    """The stored events that came after their key's end, and are not listed yet; ``ended`` fit into one query."""
    event, refusal = tables.event.c, tables.refusal.c
    listed = select(refusal.event_id).where(refusal.event_id == event.id, refusal.why == Why.REVOKED.value).exists()
    late = or_(*(and_(event.kid == one.kid, event.received_ms >= _ms(one)) for one in ended))
    query = select(event.id, event.origin, event.place, event.kid, event.payload, event.received_ms)
    by_kid = {one.kid: one for one in ended}
    covered: dict[tuple[str, int], int] = {}
    found: list[Refused] = []
    for row in connection.execute(query.where(late, ~listed).order_by(event.origin, event.place)).all():
        end = by_kid[row.kid]
        at = (row.origin, _ms(end))
        if at not in covered:
            covered[at] = _covered(connection, *at)
        if row.place >= covered[at]:
            found.append(_refused(row, end))
    return found


def _covered(connection: Connection, origin: str, before_ms: int) -> int:
    """How many events of a ledger a checkpoint covers that came before an instant."""
    mark, leaf = tables.checkpoint.c, tables.leaf.c
    in_time = select(mark.size, mark.root).where(mark.origin == origin, mark.received_ms < before_ms)
    roots = {row.size: bytes(row.root) for row in connection.execute(in_time)}
    query = select(leaf.place, leaf.hash).where(leaf.origin == origin, leaf.place < max(roots, default=0))
    leaves = {row.place: bytes(row.hash) for row in connection.execute(query)}
    edge, good = Edge(), 0
    for size in sorted(roots):
        if not all(place in leaves for place in range(edge.size, size)):
            break
        edge = edge.extend(leaves[place] for place in range(edge.size, size))
        good = size if edge.root() == roots[size] else good
    return good


def _refused(row: Any, end: Revocation) -> Refused:
    words = (
        f"The event's key {row.kid} was revoked from {write_instant(end.since)} on ({end.reason}); the event came "
        "after that, but before it was known here, so it was taken and stays stored"
    )
    return Refused(Why.REVOKED, words, f"{row.origin}/event", row.id, bytes(row.payload))


def _ms(end: Revocation) -> int:
    return int(end.since.timestamp() * 1000)
