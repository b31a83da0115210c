"""The reader's side of the broker: every event as it comes in, checked against the keys that the reader trusts.

With ``watch_with_evidence`` also what belongs to the events, as it comes and not checked: the events' hashes do that.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from edge import event
from edge.errors import BrokerError, EventError
from edge.mqtt import Connection, Received, all_evidence, all_states, all_violations

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from edge.config import Broker
    from edge.keys import PublicKey
    from edge.records import VehicleClass

REMEMBERED_IDS: Final = 10_000
EVIDENCE_WITHIN_S: Final = 60.0  # after the last message; whoever waits for a number of events waits no longer for it

_EVENT_LEVELS = ("/event/violation", "/event/state")
_SESSION_S = 120
_POLL_S = 0.2
_PAUSE_S = 1.0


class Check(StrEnum):
    """What came of checking an event's signature."""

    VERIFIED = "verified"
    KEY_NOT_TRUSTED = "key not trusted"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event as it was received. What is not verified is not shown: then the fields below ``node`` are None.

    ``site`` and ``node`` are those of the topic. ``reason`` says why the check failed. ``repeated`` is true where an
    event of the same id was seen before. ``evidence`` is what the event says of its bundle. ``state`` and ``words``
    tell of a change of the node's state, which has no lane, vehicle or crossing.
    """

    received: datetime
    check: Check
    reason: str | None
    repeated: bool
    site: str
    node: str
    id: str | None = None
    lane: str | None = None
    vehicle_class: VehicleClass | None = None
    time: str | None = None
    t_cross_s: float | None = None
    red_at_least_s: float | None = None
    evidence: Mapping[str, Any] | None = None
    state: str | None = None
    words: str | None = None
    payload: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class SeenEvidence:
    """One message of an event's evidence as it was received; ``index`` 0 is the whole or the list of its parts."""

    event_id: str
    index: int
    content_type: str
    payload: bytes = field(repr=False)


@dataclass(slots=True)
class Tally:
    """Counts of what was seen; ``repeated`` events are counted there alone."""

    verified: int = 0
    key_not_trusted: int = 0
    invalid: int = 0
    repeated: int = 0

    def add(self, seen: SeenEvent) -> None:
        """Count one event."""
        if seen.repeated:
            self.repeated += 1
        elif seen.check is Check.VERIFIED:
            self.verified += 1
        elif seen.check is Check.KEY_NOT_TRUSTED:
            self.key_not_trusted += 1
        else:
            self.invalid += 1


def watch(
    broker: Broker,
    topic_prefix: str,
    keys: Mapping[str, PublicKey],
    *,
    seconds: float | None = None,
    stop_after: int | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> Iterator[SeenEvent]:
    """Subscribe to the events of every site and node, and give each as it comes.

    Ends after ``seconds``, or after ``stop_after`` events that are neither a repetition nor a change of state; else
    never. ``on_ready`` is called once the subscription stands. A lost connection is made anew, and the broker keeps
    events meanwhile; BrokerError only where the first connection fails.
    """
    end = _End(seconds, stop_after)
    known: OrderedDict[str, None] = OrderedDict()
    with closing(
        _received(broker, (all_violations(topic_prefix), all_states(topic_prefix)), end, on_ready)
    ) as messages:
        for received in messages:
            seen = _seen(received, keys, known)
            end.count(seen)
            yield seen
            if end.enough:
                return


def watch_with_evidence(
    broker: Broker,
    topic_prefix: str,
    keys: Mapping[str, PublicKey],
    *,
    waiting: Callable[[], bool],
    seconds: float | None = None,
    stop_after: int | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> Iterator[SeenEvent | SeenEvidence]:
    """As ``watch``, and the messages of their evidence.

    Where ``stop_after`` events have come, it goes on while ``waiting`` says that evidence of theirs is to come, but not
    for longer than ``EVIDENCE_WITHIN_S`` without any message.
    """
    end = _End(seconds, stop_after)
    known: OrderedDict[str, None] = OrderedDict()
    topics = (all_violations(topic_prefix), all_states(topic_prefix), all_evidence(topic_prefix))
    with closing(_received(broker, topics, end, on_ready)) as messages:
        for received in messages:
            seen = _seen(received, keys, known) if received.topic.endswith(_EVENT_LEVELS) else _evidence(received)
            if seen is None:
                continue
            end.count(seen)
            yield seen
            if end.enough and not waiting():
                return


class _End:
    """When to stop listening."""

    def __init__(self, seconds: float | None, stop_after: int | None) -> None:
        self._until_s = float("inf") if seconds is None else time.monotonic() + seconds
        self._left = float("inf") if stop_after is None else stop_after
        self._last_s = time.monotonic()

    @property
    def enough(self) -> bool:
        """Whether all the events that were asked for have come."""
        return self._left <= 0

    @property
    def until_s(self) -> float:
        """The monotonic time to stop at, as far as is known now."""
        return min(self._until_s, self._last_s + EVIDENCE_WITHIN_S) if self.enough else self._until_s

    def count(self, seen: SeenEvent | SeenEvidence) -> None:
        """One more message has come."""
        self._last_s = time.monotonic()
        self._left -= isinstance(seen, SeenEvent) and not seen.repeated and seen.state is None


def _received(broker: Broker, topics: Iterable[str], end: _End, on_ready: Callable[[], None]) -> Generator[Received]:
    """Messages until the end, over as many connections as it takes."""
    client_id = f"stopline-inspect-{secrets.token_hex(6)}"
    connection: Connection | None = _subscribed(broker, client_id, topics)
    on_ready()
    while connection is not None:
        yield from _until_lost(connection, end)
        connection = _subscribed_again(broker, client_id, topics, end)


def _until_lost(connection: Connection, end: _End) -> Iterator[Received]:
    """Messages of one connection, until it is lost, the time is over or the reader leaves."""
    try:
        while time.monotonic() < end.until_s:
            connection.pump(min(_POLL_S, max(0.0, end.until_s - time.monotonic())))
            yield from connection.take_received()
    except BrokerError:
        yield from connection.take_received()
    finally:
        connection.close()


def _subscribed(broker: Broker, client_id: str, topics: Iterable[str]) -> Connection:
    connection = Connection(broker, client_id, session_s=_SESSION_S)
    connection.open()
    for topic in topics:
        connection.subscribe(topic)
    return connection


def _subscribed_again(broker: Broker, client_id: str, topics: Iterable[str], end: _End) -> Connection | None:
    """A new connection as soon as the broker is back, or None where the time is over before."""
    while time.monotonic() + _PAUSE_S < end.until_s:
        time.sleep(_PAUSE_S)
        try:
            return _subscribed(broker, client_id, topics)
        except BrokerError:
            continue
    return None


def _evidence(received: Received) -> SeenEvidence | None:
    """A message of evidence, by its topic; None where that is none of this format."""
    found = re.search(r"/evidence/([^/]{1,100})(?:/([1-9][0-9]{0,5}))?$", received.topic)
    if found is None:
        return None
    return SeenEvidence(found[1], int(found[2] or 0), received.content_type or "", received.payload)


def _seen(received: Received, keys: Mapping[str, PublicKey], known: OrderedDict[str, None]) -> SeenEvent:
    now = datetime.now(UTC)
    *_, site, node, _, _ = received.topic.split("/")
    try:
        verified = event.verify(received.payload, keys)
    except EventError as error:
        check = Check.KEY_NOT_TRUSTED if _well_formed(received.payload, keys) else Check.INVALID
        return SeenEvent(now, check, str(error), repeated=False, site=site, node=node, payload=received.payload)
    data = verified.document["data"]
    return SeenEvent(
        received=now,
        check=Check.VERIFIED,
        reason=None,
        repeated=_remember(known, verified.id),
        site=site,
        node=node,
        id=verified.id,
        lane=verified.lane if verified.is_violation else None,
        vehicle_class=verified.vehicle_class,
        time=verified.time,
        t_cross_s=verified.t_cross_s,
        red_at_least_s=verified.red_at_least_s,
        evidence=data.get("evidence"),
        state=data.get("state"),
        words=data.get("reason"),
        payload=received.payload,
    )


def _well_formed(payload: bytes, keys: Mapping[str, PublicKey]) -> bool:
    """Whether an event that did not verify is sound in form and merely names a key that is not trusted."""
    try:
        return event.read(payload).kid not in keys
    except EventError:
        return False


def _remember(known: OrderedDict[str, None], event_id: str) -> bool:
    """Whether an id was seen before, as far as the memory goes."""
    repeated = event_id in known
    known[event_id] = None
    if len(known) > REMEMBERED_IDS:
        known.popitem(last=False)
    return repeated
