"""The receiver's loop: take what the broker has, store it in one transaction, answer with receipts, then acknowledge.

In this order nothing is lost wherever it is killed: what is not acknowledged comes again, and what comes again is known
by its id. Receipts are handed to the broker before the acknowledgement on the same connection, so they cannot be lost
between the two either.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from edge import receipt
from edge.errors import BrokerError, KeyFileError, StoreError, SubscriptionError
from edge.mqtt import (
    Connection,
    Publication,
    Received,
    Topics,
    all_checkpoints,
    all_evidence,
    all_health,
    all_states,
    all_violations,
    shared,
)
from edge.receive.ear import Ear
from edge.receive.judge import Doubted, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config import Broker
    from edge.keys import SigningKey
    from edge.receive.judge import Judged
    from edge.receive.store import Store, Stored, Taken
    from edge.receive.trust import Trusted, TrustFiles

MAX_BATCH: Final = 250
MAX_BATCH_BYTES: Final = 8_000_000
MAX_RECEIPTS: Final = 20_000  # under way: their answers stand behind every message that the broker has sent before
SESSION_S: Final = 7 * 86_400
KEEPALIVE_S: Final = 60  # a batch may take long on a busy machine

_POLL_S = 0.2
_GATHER_S = 0.02  # how long a batch waits for more, once something has come
_LOOK_S = 2.0  # between looks at the files of trust
_EXPIRE_S = 3600.0
_SILENCE_S = 60.0  # of a broker that has room for no further receipt
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How a receiver takes part. ``name`` tells it from others of its group, and stays the same after a restart."""

    group: str
    name: str
    keep_days: int | None = None
    session_s: int = SESSION_S


@dataclass(frozen=True, slots=True)
class Counts:
    """What a receiver has done since it started."""

    events: int = 0
    bundles: int = 0
    repeated: int = 0
    refused: int = 0
    receipts: int = 0
    erased: int = 0
    health: int = 0


class Receiver:
    """Receives until it is told to stop. ``tell`` is given a sentence whenever something is to be known."""

    def __init__(
        self,
        broker: Broker,
        settings: Settings,
        store: Store,
        trust: TrustFiles,
        key: SigningKey,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._broker = broker
        self._settings = settings
        self._store = store
        self._trust = trust
        self._trusted: Trusted = trust.read()
        self._reviewed: Trusted | None = None
        self._key = key
        self._tell = tell
        self._counts = Counts()
        self._ear = Ear()
        self._is_deaf = False
        self._next_look_s = 0.0
        self._next_expiry_s = 0.0
        self._told_stale = False
        self._stopping = threading.Event()
        self.listening = threading.Event()

    @property
    def counts(self) -> Counts:
        """What was done so far."""
        return replace(self._counts, health=self._ear.taken)

    def stop(self) -> None:
        """Let ``run`` come back after the batch at hand; may be called from anywhere."""
        self._stopping.set()

    def run(self, *, until_idle_s: float | None = None) -> None:
        """Receive until ``stop``, over as many connections as it takes; or until nothing came for ``until_idle_s``.

        BrokerError or StoreError where not even the first connection can be made.
        """
        connection = self._connected()
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                self._serve(connection, until_idle_s)
            except (BrokerError, StoreError) as error:
                self._is_deaf |= _is_of_health(error)
                self._tell(str(error))
            else:
                return
            finally:
                self.listening.clear()
                connection.close()
            connection = self._connected_again(pause_s)
            if self._stopping.is_set():
                connection.close()
                return

    def _connected(self) -> Connection:
        client_id = f"stopline-receive-{self._settings.group}-{self._settings.name}"
        connection = Connection(
            self._broker,
            client_id,
            session_s=self._settings.session_s,
            unacknowledged=MAX_BATCH,
            in_flight=MAX_RECEIPTS,
            keepalive_s=KEEPALIVE_S,
        )
        try:
            connection.open()
            prefix = self._broker.prefix
            for topic in (all_violations(prefix), all_states(prefix), all_evidence(prefix), all_checkpoints(prefix)):
                connection.subscribe(shared(self._settings.group, topic))
            if not self._is_deaf:
                connection.subscribe(shared(self._settings.group, all_health(prefix)))
        except BrokerError as error:
            connection.close()
            if not _is_of_health(error):
                raise
            self._is_deaf = True
            self._tell(f"{error}: nothing is kept for monthly reports until that is allowed and the receiver restarted")
            return self._connected()
        self.listening.set()
        self._tell(f"listening as {self._settings.name} to {prefix}/# at {self._broker.url}")
        return connection

    def _connected_again(self, pause_s: float) -> Connection:
        """A new connection as soon as one can be had; the last one there was, closed, where it is told to stop."""
        while not self._stopping.wait(pause_s):
            try:
                return self._connected()
            except BrokerError as error:
                self._tell(str(error))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return Connection(self._broker, "stopline-receive-never-opened")

    def _serve(self, connection: Connection, until_idle_s: float | None) -> None:
        last_s = time.monotonic()
        while not self._stopping.is_set():
            self._keep_house()
            batch = _gathered(connection)
            if batch and self._handle(connection, batch):
                last_s = time.monotonic()
            elif until_idle_s is not None and time.monotonic() - last_s > until_idle_s:
                break
        self._ear.settle(self._store, self._trusted)

    def _handle(self, connection: Connection, batch: list[Received]) -> bool:
        """Judge, store, answer, acknowledge: in this order. Says whether more was in it than health."""
        now = datetime.now(UTC)
        now_ms, now_s = int(now.timestamp() * 1000), time.monotonic()
        kept = [one for one in batch if not self._ear.takes(one, now_ms, now_s)]
        judged = [judge(one, self._trusted, now) for one in kept]
        if judged:
            self._take(connection, judged, now)
        for one in batch:
            connection.acknowledge(one)
        return bool(kept)

    def _take(self, connection: Connection, judged: list[Judged], now: datetime) -> None:
        taken = self._store.take(judged, int(now.timestamp() * 1000), self._once_more(judged, now))
        self._count(taken)
        for stored in taken.receipts:
            _publish(connection, self._receipt(stored))

    def _once_more(self, judged: list[Judged], now: datetime) -> list[Doubted]:
        """The late events that were refused before of nodes of which another one has come: together they may be proven.

        A checkpoint proves all the events that are missing below it, or none.
        """
        origins = sorted({one.event.origin for one in judged if isinstance(one, Doubted)})
        if not origins:
            return []
        earlier = (judge(_again(*one), self._trusted, now) for one in self._store.refused_of(origins))
        return [one for one in earlier if isinstance(one, Doubted)]

    def _receipt(self, stored: Stored) -> Publication:
        site, node = stored.origin.split("/")
        received = datetime.fromtimestamp(stored.received_ms // 1000, UTC)
        said = receipt.Receipt(stored.event_id, stored.sha256, stored.bundle_sha256, received)
        topic = Topics(self._broker.prefix, site, node).receipt(stored.event_id)
        properties = (("id", f"{stored.event_id}/receipt"), ("kind", "receipt"))
        signed = receipt.sign_receipt(said, self._key)
        return Publication(topic, signed, receipt.CONTENT_TYPE, user_properties=properties)

    def _count(self, taken: Taken) -> None:
        old = self._counts
        self._counts = replace(
            old,
            events=old.events + taken.events,
            bundles=old.bundles + taken.bundles,
            repeated=old.repeated + taken.repeated,
            refused=old.refused + len(taken.refused),
            receipts=old.receipts + len(taken.receipts),
        )
        for one in taken.refused:
            self._tell(f"refused ({one.why}) on {one.topic}: {one.reason}")

    def _keep_house(self) -> None:
        now_s = time.monotonic()
        self._ear.settle(self._store, self._trusted, now_s)
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + _LOOK_S
            self._look_at_trust()
        if now_s >= self._next_expiry_s:
            self._next_expiry_s = now_s + _EXPIRE_S
            self._expire(int(time.time() * 1000))

    def _expire(self, now_ms: int) -> None:
        self._store.forget_early(now_ms)
        if self._settings.keep_days is not None:
            erased = self._store.expire(self._settings.keep_days, now_ms)
            self._counts = replace(self._counts, erased=self._counts.erased + erased)

    def _look_at_trust(self) -> None:
        """Take in new files; where they cannot be used, the old ones stand and that is said."""
        if self._trust.changed():
            try:
                self._trusted = self._trust.read()
            except KeyFileError as error:
                self._tell(f"{error} (until then the files that were read before count)")
        if self._trusted is not self._reviewed:
            self._review()
        stale = self._trust.stale(datetime.now(UTC))
        if stale and not self._told_stale:
            self._tell("The revocation list has run out, so a theft may be unknown here: fetch the latest")
        self._told_stale = stale

    def _review(self) -> None:
        """List what was taken in before it was known here that its key had ended."""
        known = self._reviewed.certified.revoked if self._reviewed is not None else {}
        ended = [one for kid, one in self._trusted.certified.revoked.items() if known.get(kid) != one]
        listed = self._store.refuse_afterwards(ended, int(time.time() * 1000))
        self._reviewed = self._trusted
        if listed:
            self._tell(f"{listed} stored events came after their key's end: 'stopline receive refused' lists them")


def _is_of_health(error: Exception) -> bool:
    """Whether the broker only forbids to hear how the nodes are: events are received all the same."""
    return isinstance(error, SubscriptionError) and "/+/+/health" in error.refused


def _again(topic: str, payload: bytes) -> Received:
    return Received(topic, payload, None, retained=False, expiry_s=None, user_properties=())


def _gathered(connection: Connection) -> list[Received]:
    """What has come, waiting a little for more: a transaction for many messages costs hardly more than for one."""
    batch = connection.take_received(MAX_BATCH, MAX_BATCH_BYTES)
    if not batch:
        connection.pump(_POLL_S)
        batch = connection.take_received(MAX_BATCH, MAX_BATCH_BYTES)
    size = sum(len(one.payload) for one in batch)
    until_s = time.monotonic() + _GATHER_S
    while batch and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES and time.monotonic() < until_s:
        connection.pump(max(0.0, until_s - time.monotonic()))
        more = connection.take_received(MAX_BATCH - len(batch), MAX_BATCH_BYTES - size)
        size += sum(len(one.payload) for one in more)
        batch += more
    return batch


def _publish(connection: Connection, publication: Publication) -> None:
    """Hand a publication to the broker's connection as soon as the broker has room for it.

    A broker that first sends everything that waits may take its time; one that sends nothing has stopped.
    """
    give_up_s = time.monotonic() + _SILENCE_S
    while connection.room <= 0:
        if connection.pump(0.05):
            give_up_s = time.monotonic() + _SILENCE_S
        if time.monotonic() > give_up_s:
            raise BrokerError("The broker stopped answering receipts; it is connected to anew")
        connection.take_acks()
    connection.publish(publication)
    connection.take_acks()
