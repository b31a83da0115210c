"""The node itself: frames and lamps in, judged passages out, violations into the outbox. Wiring and the main loop."""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edge import __version__, discovery, event
from edge.messages import Birth
from edge.mqtt import Publication, Topics
from edge.outbox import Message
from edge.records import Verdict
from edge.uplink import Announcement, Uplink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from edge.approach import Approach, Judged
    from edge.clock import UtcMapping
    from edge.config import Broker, Site
    from edge.keys import PublicKey, SigningKey
    from edge.outbox import Outbox
    from edge.records import Detection, Frame, LampEdge, VehicleClass


class LampFeed(Protocol):
    """Where lamp edges come from: a recorded timeline, or inputs that have been read meanwhile."""

    def until(self, t_ns: int) -> Iterable[LampEdge]:
        """The edges not given yet whose time is at most ``t_ns``, in the order of their times."""
        ...


class QueuedLamps:
    """Edges in the order of their times, put in by a reader (or all at once from a recording) and taken out by time."""

    def __init__(self, edges: Iterable[LampEdge] = ()) -> None:
        self._edges = deque(edges)

    def put(self, edge: LampEdge) -> None:
        """Add the next edge; called from the reader's thread."""
        self._edges.append(edge)

    def until(self, t_ns: int) -> Iterator[LampEdge]:
        """The edges up to an instant."""
        while self._edges and self._edges[0].t_ns <= t_ns:
            yield self._edges.popleft()


def judge_stream(
    stream: Iterable[tuple[Frame, tuple[Detection, ...]]], lamps: LampFeed, approach: Approach
) -> Iterator[tuple[Frame | None, list[Judged]]]:
    """The main loop: every frame with the passages that became certain in it; at the end what was left, without one."""
    end_ns = 0
    for frame, detections in stream:
        for edge in lamps.until(frame.t_ns):
            approach.lamp(edge)
        yield frame, approach.frame(frame.t_ns, detections)
        end_ns = frame.t_ns
    yield None, approach.finish(end_ns)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs: the node's name and key, and the hash of the model it judges with."""

    node: str
    key: SigningKey
    model_sha256: str


def start_uplink(
    broker: Broker | None,
    site: Site,
    identity: Identity,
    outbox: Outbox,
    receivers: Mapping[str, PublicKey] | None = None,
    tell: Callable[[str], None] = lambda _: None,
    delivered: Callable[[Sequence[str]], None] = lambda _: None,
    home_assistant: str | None = None,
) -> Uplink | None:
    """Begin to send what the outbox holds; None where no broker is named and events stay there.

    ``receivers`` are the keys whose receipts count; ``tell`` is given a sentence where something is wrong with them.
    ``delivered`` is called with the ids that the broker has just taken. ``home_assistant`` is the prefix under which
    the node announces itself there; None to leave that.
    """
    if broker is None:
        return None
    birth = Birth(__version__, identity.model_sha256, site.sha256, identity.key.kid)
    uplink = Uplink(
        broker,
        site.site.id,
        identity.node,
        outbox,
        birth,
        receivers=receivers,
        tell=tell,
        delivered=delivered,
        announcement=_announcement(home_assistant, Topics(broker.prefix, site.site.id, identity.node), birth, site),
    )
    uplink.start()
    return uplink


def _announcement(prefix: str | None, topics: Topics, birth: Birth, site: Site) -> Announcement | None:
    if prefix is None:
        return None
    groups = [group.id for group in site.signal_groups]
    payload = discovery.discovery(topics, birth, site.site.name, groups)
    publication = Publication(discovery.discovery_topic(prefix, topics), payload, "application/json", retain=True)
    return Announcement(publication, discovery.status_topic(prefix), discovery.ONLINE)


class CaseTaker(Protocol):
    """Where violations go; ``edge.evidence.keeper.CaseKeeper`` says what the arguments are."""

    def take(self, make: Callable[[int], dict[str, Any]], from_ns: int, until_ns: int) -> None:
        """Take a violation; its event is durable, or its case is, on return."""
        ...


class EventsAlone:
    """Takes violations without evidence: the event is signed and queued at once, and says that it has none.

    ``done`` is called with each event's id and bytes.
    """

    def __init__(self, outbox: Outbox, key: SigningKey, topic: str, done: Callable[[str, bytes], None]) -> None:
        self._outbox = outbox
        self._key = key
        self._topic = topic
        self._done = done

    def take(self, make: Callable[[int], dict[str, Any]], from_ns: int, until_ns: int) -> None:  # noqa: ARG002
        """Sign and queue the event."""
        message = self._outbox.append_numbered(lambda sequence: self._message(make(sequence)))
        self._done(message.id, message.payload)

    def keep_pace(self) -> None:
        """Nothing is ever being waited for."""

    def _message(self, document: dict[str, Any]) -> Message:
        return Message(document["id"], self._topic, event.CONTENT_TYPE, event.sign(document, self._key))


class Recorder:
    """Counts every verdict and hands each violation over as an event that is not signed yet.

    ``numbers`` gives the sequence number in place of the outbox's own, where it is given. ``utc`` is asked at each
    event, since a live clock's mapping drifts; it gives None where UTC is not known. ``unrecorded`` counts violations
    that there was no room for; its owner sees the error and decides. ``expect`` is called with each event's id and the
    instant that its last needed picture was taken. ``may_record`` says whether the node has been armed since the
    crossing; a violation for which it was not is judged and counted (``disarmed``), and nothing is kept of it.
    """

    def __init__(
        self,
        site: Site,
        identity: Identity,
        taker: CaseTaker,
        utc: Callable[[], UtcMapping | None],
        numbers: Iterator[int] | None = None,
        expect: Callable[[str, int], None] = lambda _id, _t_ns: None,
        may_record: Callable[[int], bool] = lambda _t_ns: True,
    ) -> None:
        self._site = site
        self._identity = identity
        self._taker = taker
        self._utc = utc
        self._numbers = numbers
        self._expect = expect
        self._may_record = may_record
        self.verdicts: Counter[Verdict] = Counter()
        self.classes: Counter[tuple[VehicleClass, Verdict]] = Counter()
        self.unrecorded = 0
        self.disarmed = 0

    def record(self, judged: Judged) -> None:
        """Count a passage; a violation is durable on return. OutboxError where there is no room for it."""
        self.verdicts[judged.judgement.verdict] += 1
        self.classes[judged.passage.vehicle_class, judged.judgement.verdict] += 1
        if judged.judgement.verdict is not Verdict.VIOLATION:
            return
        if not self._may_record(judged.passage.t_cross_ns):
            self.disarmed += 1
            return
        case, passage = self._case(judged), judged.passage
        until_ns = max(passage.t_cross_ns, passage.t_confirm_ns or 0)
        self._taker.take(lambda sequence: self._document(case, sequence, until_ns), passage.t_cross_ns, until_ns)

    def _document(self, case: event.ViolationCase, sequence: int, until_ns: int) -> dict[str, Any]:
        number = sequence if self._numbers is None else next(self._numbers)
        event_id = event.uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10))
        self._expect(event_id, until_ns)
        return event.build(case, event_id=event_id, nonce=secrets.token_bytes(16), sequence=number)

    def _case(self, judged: Judged) -> event.ViolationCase:
        utc = self._utc()
        clock = event.Clock() if utc is None else event.Clock(utc.utc_zero_ns, utc.bound_ms)
        origin = event.Origin(self._identity.node, __version__, self._identity.model_sha256)
        return event.ViolationCase(judged.passage, judged.judgement, judged.lamps, self._site, origin, clock)
