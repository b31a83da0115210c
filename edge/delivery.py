"""What becomes of a message that the broker has taken: it awaits a receipt, is kept on for a while, and goes.

These functions run inside a transaction of whoever owns the database. Their times are UTC in milliseconds, since they
outlive a restart. Where UTC is not known (``now_ms`` is None: a machine without a battery behind its clock starts in
the past) nothing falls due, and a wait that begins then is counted from the first ``tend`` that knows UTC. A clock that
was wrong though it was known can lengthen a wait only to what ``Keeping`` allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

# A table of its own, since a change of a message's own row would write its payload to the disk once more. A message
# without a row here was never taken. ``due_ms`` is when it is sent again (sent) or goes (kept); a negative one is the
# wait itself, which has not begun to be counted. An event whose evidence awaits a receipt is kept without an end, since
# it says what that receipt must name.
TABLES: Final = """
CREATE TABLE taken (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('sent', 'again', 'kept')),
    times INTEGER NOT NULL,
    due_ms INTEGER
) STRICT;
CREATE INDEX taken_by_due ON taken (state, due_ms);
"""
# How a message stands, of ``message LEFT JOIN taken USING (number)``.
STATE: Final = "CASE WHEN taken.state IN ('sent', 'kept') THEN taken.state ELSE message.state END"

_MOST_AT_ONCE = 100  # removed in one transaction, so that the log stays small however much was kept


@dataclass(frozen=True, slots=True)
class Keeping:
    """When a message that the broker has taken may leave the outbox.

    With ``receipts`` a receiver must have confirmed it, without them the broker's word is enough; then it is kept for
    ``keep_s`` more. What no receipt has come for is sent again after ``again_s``, then after twice that, and so on, up
    to ``longest_s`` apart.
    """

    receipts: bool = False
    keep_s: float = 0.0
    again_s: float = 3600.0
    longest_s: float = 86_400.0

    def gone_ms(self, now_ms: int | None) -> int:
        """When a message that is confirmed now may go; as a ``due_ms``, so a negative wait where UTC is not known."""
        return _due_ms(now_ms, self.keep_s)

    def again_ms(self, now_ms: int | None, times: int) -> int:
        """When a message that was sent for the ``times``-th time now is sent again, likewise."""
        return _due_ms(now_ms, min(self.again_s * 2.0 ** min(times - 1, 20), self.longest_s))


def _due_ms(now_ms: int | None, wait_s: float) -> int:
    """The ``due_ms`` of a wait that begins now; one of no length is over at once, whether or not UTC is known."""
    wait_ms = round(wait_s * 1000)
    return -wait_ms if now_ms is None else now_ms + wait_ms


BROKER_ALONE: Final = Keeping()  # what the broker has taken goes at once


def take(connection: sqlite3.Connection, ids: Iterable[str], keeping: Keeping, now_ms: int | None) -> int:
    """Note that the broker has taken these messages; says how many of them were still there."""
    there = 0
    query = (
        "SELECT number, ifnull(times, 0) AS times, taken.state AS state FROM message LEFT JOIN taken USING (number) "
        "WHERE id = ?"
    )
    for message_id in ids:
        found = connection.execute(query, (message_id,)).fetchone()
        if found is None:
            continue
        there += 1
        if found["state"] == "kept":
            continue  # its receipt was quicker than the broker's own answer
        if keeping.receipts:
            times = found["times"] + 1
            _note(connection, found["number"], "sent", times, keeping.again_ms(now_ms, times))
        elif keeping.keep_s:
            _confirm(connection, found["number"], keeping.gone_ms(now_ms))
        else:
            _count_delivered(connection)
            _remove(connection, found["number"])
    return there


def confirm(connection: sqlite3.Connection, event_id: str, *, whole: bool, keeping: Keeping, now_ms: int | None) -> int:
    """Note what a receiver has stored: the event, and with ``whole`` all of its evidence too.

    Says how many messages that confirmed, whether or not the broker had answered for them. Where evidence is not
    confirmed yet, its event stays beside it.
    """
    query = (
        "SELECT number, id, taken.state AS state FROM message LEFT JOIN taken USING (number) "
        "WHERE id = ?1 OR (id > ?1 || '/' AND id < ?1 || '0')"  # "0" follows "/"
    )
    rows = connection.execute(query, (event_id,)).fetchall()
    due_ms: int | None = keeping.gone_ms(now_ms)
    if not whole and any(row["id"] != event_id for row in rows):
        rows, due_ms = [row for row in rows if row["id"] == event_id], None
    for row in rows:
        _confirm(connection, row["number"], due_ms)
    _drop(connection, now_ms)
    return sum(row["state"] != "kept" for row in rows)


def tend(connection: sqlite3.Connection, keeping: Keeping, now_ms: int | None) -> int:
    """Let kept messages go, and those without a receipt be sent again, as is due; says how many of the latter.

    Where UTC is not known nothing is due, but what has no time to wait for.
    """
    if not keeping.receipts:
        _believe_broker(connection, keeping.gone_ms(now_ms))
    if now_ms is None:
        _drop(connection, None)
        return 0
    _begin_waits(connection, now_ms)
    _bound(connection, "kept", keeping.gone_ms(now_ms))
    _bound(connection, "sent", now_ms + round(keeping.longest_s * 1000))
    _drop(connection, now_ms)
    due = "UPDATE taken SET state = 'again' WHERE state = 'sent' AND due_ms <= ?"
    return connection.execute(due, (now_ms,)).rowcount


def _believe_broker(connection: sqlite3.Connection, due_ms: int) -> None:
    """Let go what awaits a receipt from the days when receivers were configured."""
    waiting = connection.execute("SELECT number FROM taken WHERE state = 'sent' OR due_ms IS NULL").fetchall()
    for (number,) in waiting:
        _confirm(connection, number, due_ms)


def _begin_waits(connection: sqlite3.Connection, now_ms: int) -> None:
    """Count from now what began to wait while UTC was not known."""
    query = "UPDATE taken SET due_ms = ? - due_ms WHERE state IN ('sent', 'kept') AND due_ms < 0"
    connection.execute(query, (now_ms,))


def _bound(connection: sqlite3.Connection, state: str, latest_ms: int) -> None:
    """Let nothing wait for longer than it may, though the clock was set back or the node file changed.

    It shortens for good, so it is for a clock that is known: one that lies in the past would end every wait early.
    """
    query = "UPDATE taken SET due_ms = ?2 WHERE state = ?1 AND due_ms > ?2"
    connection.execute(query, (state, latest_ms))


def _confirm(connection: sqlite3.Connection, number: int, due_ms: int | None) -> None:
    """Keep a message until ``due_ms``; one that is kept already goes when it would have gone."""
    found = connection.execute("SELECT state, times, due_ms FROM taken WHERE number = ?", (number,)).fetchone()
    if found is None or found["state"] != "kept":
        _count_delivered(connection)
    elif found["due_ms"] is not None:
        return
    _note(connection, number, "kept", found["times"] if found else 1, due_ms)


def _note(connection: sqlite3.Connection, number: int, state: str, times: int, due_ms: int | None) -> None:
    connection.execute("INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?)", (number, state, times, due_ms))


def _count_delivered(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE tally SET delivered = delivered + 1")


def _drop(connection: sqlite3.Connection, now_ms: int | None) -> None:
    """Remove kept messages whose time has come, so many at once; the next call removes more."""
    query = "SELECT number FROM taken WHERE state = 'kept' AND due_ms BETWEEN 0 AND ? ORDER BY due_ms LIMIT ?"
    for (number,) in connection.execute(query, (now_ms or 0, _MOST_AT_ONCE)).fetchall():
        _remove(connection, number)


def _remove(connection: sqlite3.Connection, number: int) -> None:
    gone = connection.execute("DELETE FROM message WHERE number = ? RETURNING length(payload)", (number,)).fetchall()
    for (payload_bytes,) in gone:
        connection.execute("UPDATE tally SET messages = messages - 1, bytes = bytes - ?", (payload_bytes,))
    connection.execute("DELETE FROM taken WHERE number = ?", (number,))
