"""From the outbox to the broker: few messages under way, a row done only when the broker says that it took it.

At most 20 are under way, and no more than 4 MB of them, so that many bundles of evidence take no more memory than one.

An ``Uplink`` owns one thread, which alone touches the connection. Whatever goes wrong there (no network, a refusal, a
killed broker) is tried again with growing pauses; the rows wait in the outbox meanwhile.

Where receivers are named it listens to their receipts too; where it is to announce itself, to the word that asks for
that; to nothing else. The broker keeps receipts for a node that is away, and forgets one only when the outbox has
noted it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from secrets import SystemRandom
from typing import TYPE_CHECKING, Final, Protocol

from edge.confirmation import Confirmations, Confirmed
from edge.errors import BrokerError, StoplineError, SubscriptionError
from edge.messages import encoded
from edge.mqtt import MAX_IN_FLIGHT, Ack, Connection, Publication, Received, Topics
from edge.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edge.config import Broker
    from edge.keys import PublicKey
    from edge.messages import Birth, Health, Signal

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
MAX_BYTES_IN_FLIGHT: Final = 4_000_000
HEALTH_EXPIRY_S: Final = 300
SIGNAL_EXPIRY_S: Final = 60
MAX_TELEMETRY: Final = 256
RECEIPTS_WAIT_S: Final = 7 * 86_400  # at the broker, for a node that is away

_JSON = "application/json"
_PLAIN = "text/plain; charset=utf-8"
_POLL_S = 0.05
_TEND_S = 1.0
_DEAF_S = 600.0
_MAX_RECEIPTS = 100  # on their way at once
_LARGEST_BYTES = 16_384  # that a node lets itself be sent: a receipt has less than 1000
_ACK_TIMEOUT_S = 60.0
_ANSWER_S = 1.0  # what an answer is waited for before anything else is said
_SLOWEST_BYTES_S = 8_000  # of a line that is still worth waiting for
_JOIN_MARGIN_S = 15.0  # a connection attempt under way may take this long to give up


class QueuedMessage(Protocol):
    """A message as the outbox keeps it."""

    @property
    def id(self) -> str: ...  # noqa: D102 - the outbox says what these are
    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def content_type(self) -> str: ...  # noqa: D102
    @property
    def payload(self) -> bytes: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102


class QueuedRow(Protocol):
    """A row of the outbox."""

    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def message(self) -> QueuedMessage: ...  # noqa: D102
    @property
    def refusals(self) -> int: ...  # noqa: D102


class QueueCounts(Protocol):
    """How much is left in the outbox."""

    @property
    def pending(self) -> int: ...  # noqa: D102
    @property
    def refused(self) -> int: ...  # noqa: D102


class Queue(Confirmed, Protocol):
    """What the uplink needs of the outbox."""

    def pending(self, limit: int, *, after: int = 0, max_bytes: int | None = None) -> Sequence[QueuedRow]:
        """The oldest rows that wait, beyond a row number: as many as ``max_bytes`` hold, but one at least."""
        ...

    def delivered(self, ids: Iterable[str]) -> int:
        """Note what the broker has taken."""
        ...

    def refused(self, message_id: str, reason: str) -> None:
        """Keep what the broker refused, with its reason."""
        ...

    def retry(self) -> int:
        """Let refused rows wait to be sent again."""
        ...

    def tend(self) -> int:
        """Let go what was kept long enough; says how many rows are to be sent again."""
        ...

    def counts(self) -> QueueCounts:
        """How much is left."""
        ...


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait before trying again: doubling from ``first_s`` to ``longest_s``.

    ``refused_first_s`` and ``refused_longest_s`` are the same for messages that the broker refused.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    refused_first_s: float = 10.0
    refused_longest_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is said at each connection beside the node's own topics, and again at ``wake_word`` on ``wake_topic``."""

    publication: Publication
    wake_topic: str
    wake_word: bytes


@dataclass(frozen=True, slots=True)
class State:
    """How the uplink stands.

    ``problem`` says in one sentence why there is no connection, ``refusal`` what the broker last refused, and both are
    None when all is well.
    ``running`` is false before ``start``, after ``close`` and where its thread has died of a fault in this program.
    ``receipt_problem`` is what was wrong with receipts last, ``receipts_ignored`` how many counted for nothing.
    """

    running: bool
    connected: bool
    problem: str | None
    refusal: str | None
    in_flight: int
    connections: int
    telemetry_dropped: int
    receipts: int
    receipts_ignored: int
    receipt_problem: str | None


class Clock(Protocol):
    """What the uplink knows of time."""

    def now_s(self) -> float:
        """Seconds that never go back."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> None:
        """Return when the event is set, or so much later."""
        ...


class _Monotonic:
    """The machine's own time."""

    def now_s(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> None:
        event.wait(timeout_s)


class _Pause:
    """A pause that doubles each time up to a limit; half of it is left to chance, so that nodes don't come in step."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s
        self._chance = SystemRandom()

    def reset(self) -> None:
        self._next_s = self._first_s

    def lengthen(self) -> None:
        self._next_s = min(self._next_s * 2, self._longest_s)

    def some_s(self) -> float:
        return self._next_s * self._chance.uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A publication under way; ``message_id`` is None for what is not from the outbox."""

    topic: str
    at_s: float
    message_id: str | None = None
    refusals: int = 0
    size: int = 0


class Uplink:
    """Sends what the outbox holds, and telemetry while connected, from a thread of its own.

    ``birth`` is said at each connection. The settings are checked here (BrokerError); the network is tried after
    ``start`` and for ever. Telemetry that cannot go at once is kept up to ``MAX_TELEMETRY``, then the oldest is dropped
    and counted. Receipts by the keys of ``receivers`` are taken; where there are none, nothing is listened to. ``tell``
    is given a sentence where something is wrong with receipts. ``delivered`` is called on the uplink's thread with the
    ids that the broker has just taken. ``announcement`` is for who else is on the broker, such as a Home Assistant.
    """

    def __init__(
        self,
        broker: Broker,
        site: str,
        node: str,
        queue: Queue,
        birth: Birth,
        *,
        receivers: Mapping[str, PublicKey] | None = None,
        tell: Callable[[str], None] = lambda _: None,
        delivered: Callable[[Sequence[str]], None] = lambda _: None,
        announcement: Announcement | None = None,
        pauses: Pauses | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.topics = Topics(broker.prefix, site, node)
        self._broker = broker
        self._client_id = f"stopline-{site}-{node}"
        self._queue = queue
        self._listens = bool(receivers)
        self._confirmations = Confirmations(receivers or {}, queue, tell)
        self._deaf_until_s: float | None = None
        self._delivered = delivered
        self._announcement = announcement
        self._wakes = announcement is not None
        self._tend_at_s = 0.0
        self._clock = clock or _Monotonic()
        self._birth = birth
        pauses = pauses or Pauses()
        self._pause = _Pause(pauses.first_s, pauses.longest_s)
        self._refusal_pause = _Pause(pauses.refused_first_s, pauses.refused_longest_s)
        self._retry_at_s: float | None = None
        self._sent: dict[int, _Sent] = {}
        self._cursor = 0
        self._telemetry: deque[Publication] = deque(maxlen=MAX_TELEMETRY)
        self._telemetry_dropped = 0
        self._checkpoint: Publication | None = None
        self._checkpoint_said = True
        self._muted: set[str] = set()
        self._trouble: str | None = None
        self._refusal: str | None = None
        self._connections = 0
        self._connected = threading.Event()
        self._closing = threading.Event()
        self._close_by_s = 0.0
        self._connect_check()
        self._worker = Worker("uplink", self._run)

    @property
    def state(self) -> State:
        """How it stands now; may be asked from any thread."""
        return State(
            self._worker.is_alive,
            self._connected.is_set(),
            self._trouble,
            self._refusal,
            len(self._sent),
            self._connections,
            self._telemetry_dropped,
            self._confirmations.taken,
            self._confirmations.ignored,
            self._confirmations.problem,
        )

    def start(self) -> None:
        """Begin to connect and send, what an earlier run was refused included."""
        self._queue.retry()
        self._worker.start()

    def wait_connected(self, timeout_s: float) -> None:
        """Wait until the broker has accepted this node; BrokerError says why it has not."""
        if not self._connected.wait(timeout_s):
            raise BrokerError(self._trouble or f"The broker at {self._broker.url} has not answered in {timeout_s:g} s")

    def send_health(self, health: Health) -> None:
        """Publish how the node is; the broker forgets it after ``HEALTH_EXPIRY_S``."""
        self._put(Publication(self.topics.health, encoded(health), _JSON, qos=0, expiry_s=HEALTH_EXPIRY_S))

    def send_signal(self, signal: Signal) -> None:
        """Publish a phase; the broker forgets it after ``SIGNAL_EXPIRY_S``."""
        self._put(Publication(self.topics.signal, encoded(signal), _JSON, qos=0, expiry_s=SIGNAL_EXPIRY_S))

    def send_checkpoint(self, note: bytes) -> None:
        """Publish a checkpoint, retained; where the broker is away, the last one given when it is back."""
        self._checkpoint = Publication(self.topics.checkpoint, note, _PLAIN, retain=True)
        self._checkpoint_said = False

    def check(self) -> None:
        """NodeError where the thread has failed for another reason than the broker: nothing is sent any more."""
        self._worker.check()

    def close(self, timeout_s: float) -> int:
        """Send what is left for at most ``timeout_s``, say goodbye, end the thread; says how many messages remain."""
        self._close_by_s = self._clock.now_s() + timeout_s
        self._closing.set()
        self._worker.join(timeout_s + _JOIN_MARGIN_S)
        left = self._queue.counts()
        return left.pending + left.refused

    def _connect_check(self) -> None:
        """Raise BrokerError now for settings that can never work."""
        self._new_connection()

    def _new_connection(self) -> Connection:
        return Connection(
            self._broker,
            self._client_id,
            will=self._status(OFFLINE),
            session_s=RECEIPTS_WAIT_S if self._hears else 0,
            unacknowledged=_MAX_RECEIPTS if self._hears else None,
            largest_bytes=_LARGEST_BYTES,
        )

    def _put(self, publication: Publication) -> None:
        if len(self._telemetry) == MAX_TELEMETRY:
            self._telemetry_dropped += 1
        self._telemetry.append(publication)

    def _run(self) -> None:
        while not self._attempt():
            self._rest(self._pause.some_s())
            self._pause.lengthen()

    def _attempt(self) -> bool:
        """Connect and serve until that fails or closing is done; says whether it is the latter."""
        try:
            self._tend()
            if not self._finished():
                self._serve()
        except SubscriptionError as error:
            self._stay_deaf(error)
            return self._out_of_time()
        except StoplineError as error:
            self._trouble = str(error)
            return self._out_of_time()
        else:
            return True
        finally:
            self._connected.clear()
            self._forget_sent()

    def _finished(self) -> bool:
        """Whether closing was asked for and there is nothing left to do, or no time to do it."""
        if not self._closing.is_set():
            return False
        return self._clock.now_s() >= self._close_by_s or not (self._sent or self._queue.counts().pending)

    def _rest(self, pause_s: float) -> None:
        if self._closing.is_set():
            never = threading.Event()
            self._clock.wait(never, max(0.0, min(pause_s, self._close_by_s - self._clock.now_s())))
        else:
            self._clock.wait(self._closing, pause_s)

    def _serve(self) -> None:
        """One connection, from the greeting to the end of it."""
        connection = self._new_connection()
        try:
            connection.open(self._out_of_time)
            self._connections += 1
            self._listen(connection)
            self._greet(connection)
            while not self._finished():
                self._feed(connection)
                self._exchange(connection)
            self._part(connection)
        except StoplineError:
            connection.close(with_will=True)
            raise

    def _exchange(self, connection: Connection) -> None:
        """Send and receive. Answers count even where the connection ends with them, as Mosquitto 2.0.11 does it."""
        try:
            connection.pump(_POLL_S)
        finally:
            self._take_acks(connection.take_acks())
        for received in connection.take_received():
            self._take(connection, received)
            if self._listens:
                connection.acknowledge(received)

    def _take(self, connection: Connection, received: Received) -> None:
        announcement = self._announcement
        if announcement is None or received.topic != announcement.wake_topic:
            self._confirmations.take(received.payload)
        elif received.payload == announcement.wake_word and not received.retained:
            self._say(connection, announcement.publication)

    def _out_of_time(self) -> bool:
        return self._closing.is_set() and self._clock.now_s() >= self._close_by_s

    def _listen(self, connection: Connection) -> None:
        """Subscribe to this node's receipts, and to the word that asks for the announcement once more."""
        if self._hears:
            connection.subscribe(self.topics.receipt("+"))
        if self._announcement is not None and self._wakes:
            connection.subscribe(self._announcement.wake_topic)

    def _stay_deaf(self, error: SubscriptionError) -> None:
        """Go on without receipts for a while where the broker forbids them: what is new can still be sent."""
        if self._announcement is not None and error.refused.startswith(self._announcement.wake_topic):
            self._wakes = False  # the announcement is retained, so it can do without being asked for
            return
        self._confirmations.complain(f"No receipts can come, so nothing is let go: {error}")
        self._deaf_until_s = self._clock.now_s() + _DEAF_S

    def _listen_again_when_due(self) -> None:
        if self._deaf_until_s is not None and self._clock.now_s() >= self._deaf_until_s:
            self._deaf_until_s = None
            raise BrokerError("The broker is asked for receipts once more, over a new connection")

    @property
    def _hears(self) -> bool:
        return self._listens and self._deaf_until_s is None

    def _greet(self, connection: Connection) -> None:
        """Say what the node is, one message after the other, each with a moment for its answer.

        Mosquitto 2.0.11 hangs up on who says what it may not, and its answer is lost where more is under way by then.
        """
        self._trouble = None
        self._connected.set()
        said = [self._status(ONLINE), Publication(self.topics.birth, encoded(self._birth), _JSON, retain=True)]
        if self._announcement is not None:
            said.append(self._announcement.publication)
        for publication in said:
            self._say(connection, publication)
            self._await_answers(connection)
        self._repeat_checkpoint()

    def _part(self, connection: Connection) -> None:
        """Say what is left, then ``offline`` oneself, since a goodbye cancels the last will; wait for answers."""
        self._send_telemetry(connection)
        self._say_checkpoint(connection)
        self._say(connection, self._status(OFFLINE))
        self._await_answers(connection)
        connection.close()

    def _await_answers(self, connection: Connection) -> None:
        give_up_s = self._clock.now_s() + _ANSWER_S
        while self._sent and self._clock.now_s() < give_up_s:
            self._exchange(connection)

    def _tend(self) -> None:
        """Let the outbox do what time asks for; what is to be sent again stands before what is new."""
        now_s = self._clock.now_s()
        if now_s >= self._tend_at_s:
            self._tend_at_s = now_s + _TEND_S
            if self._queue.tend():
                self._cursor = 0

    def _feed(self, connection: Connection) -> None:
        self._tend()
        self._retry_when_due()
        self._check_answers()
        self._listen_again_when_due()
        self._send_telemetry(connection)
        if connection.room > 0:
            self._say_checkpoint(connection)
        room = min(connection.room, MAX_IN_FLIGHT - len(self._sent))
        size = sum(sent.size for sent in self._sent.values())
        if room <= 0 or size >= MAX_BYTES_IN_FLIGHT:
            return
        under_way = {sent.message_id for sent in self._sent.values()}
        for row in self._queue.pending(room, after=self._cursor, max_bytes=MAX_BYTES_IN_FLIGHT - size):
            if size and size + len(row.message.payload) > MAX_BYTES_IN_FLIGHT:
                return  # the one row that is always given; it goes when there is room for it
            self._cursor = row.number
            if row.message.id not in under_way:
                self._send(connection, row)

    def _send_telemetry(self, connection: Connection) -> None:
        while self._telemetry and connection.room > 0:
            connection.publish(self._telemetry.popleft())

    def _say_checkpoint(self, connection: Connection) -> None:
        """Publish the newest checkpoint, once a connection and once for each new one."""
        if not self._checkpoint_said:
            self._checkpoint_said = True  # before reading it: one that is put in meanwhile is then said as well
            assert self._checkpoint is not None
            self._say(connection, self._checkpoint)

    def _repeat_checkpoint(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint_said = False

    def _say(self, connection: Connection, publication: Publication) -> None:
        """Publish what the node says of itself, unless the broker has refused that topic of late."""
        if publication.topic not in self._muted:
            mid = connection.publish(publication)
            self._sent[mid] = _Sent(publication.topic, self._clock.now_s())

    def _send(self, connection: Connection, row: QueuedRow) -> None:
        message = row.message
        properties = (("id", message.id), ("kind", str(message.kind)))
        event_id, _, is_evidence = message.id.partition("/")
        publication = Publication(
            message.topic,
            message.payload,
            message.content_type,
            user_properties=properties,
            correlation=event_id.encode() if is_evidence else None,
        )
        sent = _Sent(message.topic, self._clock.now_s(), message.id, row.refusals, len(message.payload))
        too_large = connection.too_large(publication)
        if too_large is None:
            self._sent[connection.publish(publication)] = sent
        else:
            self._refuse(sent, too_large)

    def _take_acks(self, acks: list[Ack]) -> None:
        answered = [(self._sent.pop(ack.mid), ack.refusal) for ack in acks if ack.mid in self._sent]
        taken = [sent for sent, refusal in answered if refusal is None]
        done = [sent.message_id for sent in taken if sent.message_id is not None]
        if done:
            self._queue.delivered(done)
            self._delivered(done)
        if taken:
            self._pause.reset()
        if any(sent.refusals for sent in taken):
            self._refusal_pause.reset()
            self._refusal = None
        for sent, refusal in answered:
            if refusal is not None:
                self._refuse(sent, refusal)

    def _refuse(self, sent: _Sent, reason: str) -> None:
        """Keep what was refused and try it again a while after the last refusal, so that the rest can go meanwhile."""
        self._refusal = (
            f"The broker refuses messages on {sent.topic} ({reason}): they are kept; correct its permissions"
        )
        if sent.message_id is None:
            self._muted.add(sent.topic)
        else:
            self._queue.refused(sent.message_id, reason)
        self._retry_at_s = self._clock.now_s() + self._refusal_pause.some_s()

    def _retry_when_due(self) -> None:
        if self._retry_at_s is not None and self._clock.now_s() >= self._retry_at_s:
            self._retry_at_s = None
            self._refusal_pause.lengthen()
            self._muted.clear()
            self._repeat_checkpoint()
            self._queue.retry()
            self._cursor = 0

    def _check_answers(self) -> None:
        oldest_s = min((sent.at_s for sent in self._sent.values()), default=None)
        patience_s = _ACK_TIMEOUT_S + sum(sent.size for sent in self._sent.values()) / _SLOWEST_BYTES_S
        if oldest_s is not None and self._clock.now_s() - oldest_s > patience_s:
            raise BrokerError(f"The broker at {self._broker.url} stopped answering; it is connected to anew")

    def _forget_sent(self) -> None:
        """After a connection: what was under way is still in the outbox and goes again, with the same id."""
        self._sent.clear()
        self._cursor = 0

    def _status(self, word: bytes) -> Publication:
        return Publication(self.topics.status, word, _PLAIN, retain=True)
