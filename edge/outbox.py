"""The durable queue between the node and its broker: a row stays until the broker has taken it, or a receiver has it.

One SQLite file in WAL mode with ``synchronous=FULL``: what ``append`` has returned survives a crash and a power cut.
Threads may share an ``Outbox``; processes may each open the same file.

A violation whose evidence is still being made is an open case: ``open_case`` writes down what must not be lost and
keeps room, ``complete_case`` puts its event and all its evidence into the queue in its place. What was open when the
node died is in ``open_cases``.

How long a message stays when the broker has taken it is said by ``Keeping``: until a receipt has come, or not, and for
how long after that (``edge.delivery``).

The same file holds the ledger: each numbered event gets its place there, its number less one, in the transaction that
queues it, and keeps it when it has been delivered.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self, TypeVar

from edge import delivery
from edge.ballast import BALLAST_BYTES, Ballast
from edge.delivery import BROKER_ALONE
from edge.errors import LedgerError, OutboxError
from edge.ledger import store
from edge.queue_file import NO_SPACE, DiskFullError, open_file, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from edge.delivery import Keeping
    from edge.ledger.merkle import Edge

MAX_MESSAGES: Final = 100_000
MAX_BYTES: Final = 2_000_000_000
MAX_REASON_CHARS: Final = 300
LEAST_PART_BYTES: Final = 16_384  # evidence is cut no finer, so that the rows of a case can be counted beforehand
# What one more case may take with its pictures: 12 s of a clip in full HD, two stills, as many parts as that can have.
CASE_BYTES: Final = 20_000_000
CASE_MESSAGES: Final = 3 + CASE_BYTES // LEAST_PART_BYTES
RESERVED_SHARE: Final = 100
"""One part in so many of either limit is for changes of state alone, so that a full outbox can still say what it is."""

_T = TypeVar("_T")
_COLUMNS = f"number, id, kind, topic, content_type, payload, {delivery.STATE} AS state, refusals, reason"
_LISTED = f"id, kind, topic, length(payload) AS bytes, {delivery.STATE} AS state, reason"
_STANDING = "message LEFT JOIN taken USING (number)"
_WAITS = "NOT EXISTS (SELECT 1 FROM taken WHERE taken.number = message.number AND taken.state != 'again')"


class Kind(StrEnum):
    """What a message is."""

    EVENT = "event"
    EVIDENCE = "evidence"


class State(StrEnum):
    """How a message stands.

    It waits to be sent, was refused by the broker and waits to be tried again, was sent and awaits a receipt, or is
    where it belongs and kept on for a while.
    """

    PENDING = "pending"
    REFUSED = "refused"
    SENT = "sent"
    KEPT = "kept"


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
    """How many messages wait, are refused and have ever been delivered; ``waiting_bytes`` is all that the outbox holds.

    ``open_cases`` are the violations whose event and evidence are not in the queue yet. ``sent`` messages await a
    receipt; ``kept`` ones were delivered and stay for a while. Delivered is what the broker has taken, or what a
    receiver has confirmed where receipts are awaited.
    """

    pending: int
    refused: int
    delivered: int
    waiting_bytes: int
    open_cases: int = 0
    sent: int = 0
    kept: int = 0


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000


class Outbox:
    """The queue in one file, made if absent. Every method raises OutboxError where the file cannot do its part.

    ``utc_ms`` is asked when a message is kept or waits for a receipt: that goes on while the node is off. It gives UTC
    in ms since 1970, or None where UTC is not known: then nothing falls due (``edge.delivery``).
    """

    def __init__(
        self,
        path: Path,
        *,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        ballast_bytes: int = BALLAST_BYTES,
        keeping: Keeping = BROKER_ALONE,
        utc_ms: Callable[[], int | None] = _utc_ms,
    ) -> None:
        self._path = path
        self._keeping = keeping
        self._utc_ms = utc_ms
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._ballast = Ballast(path.with_name(f"{path.name}-ballast"), ballast_bytes)
        self._connection = open_file(path)

    def append(self, message: Message) -> None:
        """Add a message; it is durable on return. OutboxError where its id is there already or the outbox is full."""
        with self._transaction() as connection:
            self._check_room(connection, 1, len(message.payload))
            self._insert(connection, message)

    def append_numbered(self, make: Callable[[int], Message], *, of_state: bool = False) -> Message:
        """Add the message that ``make`` gives for the next sequence number, which counts from 1 without gaps.

        Number and message become durable together: where ``make`` or the disk fails, the number is not used up. With
        ``of_state`` it is a change of state, which may take the room that is reserved for these.
        """
        with self._transaction() as connection:
            sequence = _next_sequence(connection)
            message = make(sequence)
            self._check_room(connection, 1, len(message.payload), of_state=of_state)
            self._insert(connection, message)
            self._log(connection, sequence, [message])
        return message

    def open_case(self, make: Callable[[int], Case]) -> Case:
        """Note the case that ``make`` gives for the next sequence number, and keep room for it; durable on return.

        OutboxError where that room is not there: then nothing is written and the number is not used up.
        """
        if not self._ballast.lay():
            raise DiskFullError(f"{self._path} {NO_SPACE}")
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
        query = (
            f"SELECT {_COLUMNS} FROM {_STANDING} WHERE message.state = 'pending' AND {_WAITS} AND number > ? "  # noqa: S608
            "ORDER BY number LIMIT ?"
        )
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
        query = f"SELECT {_COLUMNS} FROM {_STANDING} WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
        with self._locked() as connection:
            return [_row(record) for record in connection.execute(query, (after, limit))]

    def listed(self, limit: int) -> list[Listed]:
        """The oldest messages of any state, then the oldest open cases, for people to look at."""
        messages = f"SELECT {_LISTED} FROM {_STANDING} ORDER BY number LIMIT ?"  # noqa: S608
        cases = "SELECT id, 'case', '', length(payload), 'open', NULL FROM open_case ORDER BY number LIMIT ?"
        with self._locked() as connection:
            found = connection.execute(messages, (limit,)).fetchall()
            found += connection.execute(cases, (limit - len(found),)).fetchall()
        return [Listed(*record) for record in found]

    def delivered(self, ids: Iterable[str]) -> int:
        """Note that the broker has taken these messages; says how many of the ids were still there.

        They go, or stay as ``Keeping`` says.
        """
        taken = tuple(ids)
        return self._alter(lambda connection, now_ms: delivery.take(connection, taken, self._keeping, now_ms))

    def event(self, event_id: str) -> bytes | None:
        """The bytes of an event that is still here, in whatever state."""
        with self._locked() as connection:
            found = connection.execute("SELECT payload FROM message WHERE id = ? AND kind = 'event'", (event_id,))
            return next((bytes(payload) for (payload,) in found), None)

    def confirmed(self, event_id: str, *, whole: bool) -> int:
        """Note that a receiver has an event, and with ``whole`` all of its evidence; says for how many messages.

        One that the broker has not answered for yet is confirmed as well.
        """
        return self._alter(
            lambda connection, now_ms: delivery.confirm(
                connection, event_id, whole=whole, keeping=self._keeping, now_ms=now_ms
            )
        )

    def tend(self) -> int:
        """Let go what was kept long enough; says how many messages are to be sent again, no receipt having come.

        To be called now and then.
        """
        return self._alter(lambda connection, now_ms: delivery.tend(connection, self._keeping, now_ms))

    def _alter(self, change: Callable[[sqlite3.Connection, int | None], int]) -> int:
        """Change how messages stand, now."""

        def alter() -> int:
            with self._transaction() as connection:
                return change(connection, self._utc_ms())

        return self._despite_full_disk(alter)

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
            query = f"SELECT {delivery.STATE}, count(*) FROM {_STANDING} GROUP BY 1"  # noqa: S608
            states: dict[str, int] = dict(map(tuple, connection.execute(query)))
            delivered, waiting_bytes = connection.execute("SELECT delivered, bytes FROM tally").fetchone()
            open_cases = connection.execute("SELECT count(*) FROM open_case").fetchone()[0]
        pending, refused, sent, kept = (states.get(state.value, 0) for state in State)
        return Counts(pending, refused, delivered, waiting_bytes, open_cases, sent, kept)

    def full(self) -> str | None:
        """Why one more case would not fit with all its pictures, as the rest of a sentence; None where it would."""
        with self._locked() as connection:
            if self._fits(connection, CASE_MESSAGES, CASE_BYTES):
                return None
            return _full(connection)

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

    def _check_room(self, connection: sqlite3.Connection, messages: int, size: int, *, of_state: bool = False) -> None:
        """Raise OutboxError where so much more does not fit."""
        if not self._fits(connection, messages, size, of_state=of_state):
            raise OutboxError(f"{self._path} {_full(connection)}")

    def _fits(self, connection: sqlite3.Connection, messages: int, size: int, *, of_state: bool = False) -> bool:
        """Whether so much more fits beside what waits, what is kept for open cases and what is reserved."""
        waiting, waiting_bytes = connection.execute("SELECT messages, bytes FROM tally").fetchone()
        kept = connection.execute("SELECT total(messages), total(length(room)) FROM open_case").fetchone()
        limits = (self._max_messages, self._max_bytes)
        most, most_bytes = limits if of_state else (limit - limit // RESERVED_SHARE for limit in limits)
        return bool(waiting + kept[0] + messages <= most and waiting_bytes + kept[1] + size <= most_bytes)

    def _despite_full_disk(self, work: Callable[[], _T]) -> _T:
        """Do what must be finished; where the disk is full, first in the log's own blocks, then in the ballast's."""
        try:
            return work()
        except DiskFullError:
            self._fold()
        try:
            return work()
        except DiskFullError:
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
        with self._lock, translated(self._path):
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


def _full(connection: sqlite3.Connection) -> str:
    """What to do about an outbox that takes no more, by what it is full of."""
    messages, size = connection.execute("SELECT messages, bytes FROM tally").fetchone()
    taken = dict(map(tuple, connection.execute("SELECT state, count(*) FROM taken GROUP BY state")))
    sent, kept = taken.get("sent", 0), taken.get("kept", 0)
    if not sent + kept:
        return (
            f"is full with {messages} unsent messages of {size} bytes: reconnect the node to its broker; "
            "nothing unsent is deleted to make room"
        )
    return (
        f"is full with {messages} messages of {size} bytes, {sent} of which await a receipt and {kept} are kept on: "
        "see that a receiver runs whose key the node file names, or lessen evidence.keep_hours"
    )


def _row(record: sqlite3.Row) -> Row:
    message = Message(record["id"], record["topic"], record["content_type"], record["payload"], Kind(record["kind"]))
    return Row(record["number"], message, State(record["state"]), record["refusals"], record["reason"])


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
