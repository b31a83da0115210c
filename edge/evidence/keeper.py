"""From a judged violation to its signed event: the case waits on the disk, its pictures in RAM, the event for both.

A case is open from the moment of its verdict: its data are durable in the outbox, no picture is. A thread of low
priority makes stills, clip and bundle, seals them, and puts event and evidence into the queue in the case's place.
What was open when the node died is completed at the next start, without pictures, and says so.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from edge import event
from edge.errors import EvidenceError, OutboxError, StoplineError
from edge.evidence.bundle import build_bundle
from edge.evidence.masking import METHOD
from edge.evidence.media import Media, make_media
from edge.evidence.shipment import ship
from edge.machine import give_back_memory
from edge.outbox import Case, Message
from edge.records import NS_PER_S
from edge.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge.evidence.masking import Masker
    from edge.evidence.ring import Hold, PacketRing
    from edge.evidence.seal import Seal
    from edge.keys import SigningKey
    from edge.mqtt import Topics
    from edge.outbox import Outbox
    from edge.records import Box

RESTARTED = "There are no pictures: the node was restarted before they were complete."
NO_ROOM = "There are no pictures: the node's disk had no room for them."
_NICE = 10
_POLL_S = 0.1
_READY_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Desk:
    """What makes an event and its messages out of a case: who signs, to whom it is sealed, where it goes.

    ``site_toml`` is the site file, ``regions_px`` the regions it masks, in its grid.
    """

    key: SigningKey
    seal: Seal
    topics: Topics
    part_bytes: int
    site_toml: bytes
    regions_px: tuple[Box, ...]
    site_name: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """A case that is in the queue: the event's very bytes, and its bundle as it travels."""

    event_id: str
    event: bytes = field(repr=False)
    sent: bytes = field(repr=False)
    seal: str


class Span(Protocol):
    """How much of the video is kept around a passage."""

    @property
    def before_s(self) -> float: ...  # noqa: D102 - edge.config.Evidence says what these are
    @property
    def after_s(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An open case whose pictures are being awaited."""

    case: Case
    hold: Hold


class CaseKeeper:
    """Takes violations as they are judged; ``close`` when the video has ended.

    ``done`` is called on the keeper's thread with each case that is in the queue, in the order they were taken.
    """

    def __init__(
        self,
        outbox: Outbox,
        desk: Desk,
        ring: PacketRing,
        span: Span,
        masker: Masker,
        done: Callable[[Finished], None] = lambda _: None,
    ) -> None:
        self._outbox = outbox
        self._desk = desk
        self._ring = ring
        self._span = span
        self._masker = masker
        self._done = done
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._given_up = False
        self._left_open: OutboxError | None = None
        self._recover()
        self._worker = Worker("evidence", self._run)
        self._worker.start()

    @property
    def waiting(self) -> int:
        """How many cases wait for their pictures; may be asked from any thread."""
        return len(self._waiting)

    def take(self, make: Callable[[int], dict[str, Any]], from_ns: int, until_ns: int) -> None:
        """Open a case; ``make`` gives its unsigned event for a sequence number.

        It happened between ``from_ns`` and ``until_ns``. The case is durable on return. OutboxError where there is no
        room for it: then nothing is recorded of it.
        """
        case = self._outbox.open_case(lambda sequence: _case(make(sequence), self._desk.site_toml))
        hold = self._ring.hold(from_ns - _ns(self._span.before_s), until_ns + _ns(self._span.after_s))
        with self._changed:
            self._waiting.append(_Waiting(case, hold))
            self._changed.notify_all()
        self._worker.check()  # else nobody would complete it before the next start

    def check(self) -> None:
        """NodeError where the thread has failed: nobody completes its cases then but the next start."""
        self._worker.check()

    def keep_pace(self) -> None:
        """Wait while too many cases are ready and not made yet; a recording can wait, so that no picture is lost."""
        with self._changed:
            while self._worker.is_alive and sum(one.hold.is_ready for one in self._waiting) > _READY_AT_ONCE:
                self._changed.wait(_POLL_S)

    def close(self, within_s: float | None = None) -> None:
        """Complete what is open, the video having ended; what is left after ``within_s`` stays open in the outbox.

        Raises what has failed on the keeper's thread, if anything has, and OutboxError where a case could not leave.
        """
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._worker.join(within_s)
        self._given_up = True
        error = self._worker.error or self._left_open
        if error is not None:
            raise error

    def _recover(self) -> None:
        for case in self._outbox.open_cases():
            self._complete(case, Media.without_pictures(RESTARTED))

    def _run(self) -> None:
        # It gives way to the judging; where the node itself gives way to others, no less than that. Without leave to do
        # even this, as a container may have it, the evidence is made all the same.
        own = threading.get_native_id()
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, own, max(_NICE, os.getpriority(os.PRIO_PROCESS, own)))
        while (one := self._next()) is not None:
            self._complete(one.case, self._media(one))
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()
            give_back_memory()

    def _next(self) -> _Waiting | None:
        """The oldest case once its pictures are there; None where none will come any more."""
        with self._changed:
            while not self._given_up:
                if self._waiting and (self._ending or self._waiting[0].hold.is_ready):
                    return self._waiting[0]
                if self._ending and not self._waiting:
                    return None
                self._changed.wait(_POLL_S)
        return None

    def _media(self, one: _Waiting) -> Media:
        document, _ = _read(one.case)
        try:
            name, regions_px = self._desk.site_name, self._desk.regions_px
            return make_media(document, one.hold.take(), self._masker, site_name=name, regions_px=regions_px)
        except StoplineError as error:
            return Media.without_pictures(f"There are no pictures: {error}.")

    def _complete(self, case: Case, media: Media) -> None:
        """Queue a case with its pictures, or without them where they do not fit.

        If even that fails the disk is at fault: the case stays open for the next start, and the node goes on.
        """
        try:
            finished = self._queue(case, media)
        except (OutboxError, EvidenceError) as error:
            media = Media.without_pictures(
                NO_ROOM if isinstance(error, OutboxError) else f"There are no pictures: {error}."
            )
            try:
                finished = self._queue(case, media)
            except OutboxError as error:
                self._left_open = error
                return
        self._done(finished)

    def _queue(self, case: Case, media: Media) -> Finished:
        finished, messages = complete(self._desk, case, media)
        self._outbox.complete_case(case.id, messages)
        return finished


def complete(desk: Desk, case: Case, media: Media) -> tuple[Finished, tuple[Message, ...]]:
    """The signed event of a case and all messages to send, the event first."""
    document, site_toml = _read(case)
    bundle = build_bundle(document, site_toml, media, {"method": METHOD})
    shipment = ship(case.id, bundle, desk.seal, desk.topics, desk.part_bytes)
    raw = event.sign(event.with_evidence(document, shipment.reference), desk.key)
    message = Message(case.id, desk.topics.violation, event.CONTENT_TYPE, raw)
    return Finished(case.id, raw, shipment.sent, desk.seal.name), (message, *shipment.messages)


def _case(document: Mapping[str, Any], site_toml: bytes) -> Case:
    """All that completing the case after a crash takes: the event as it is, and the site file of that time."""
    payload = event.canonical({"event": document, "site_toml": site_toml.decode("utf-8")})
    return Case(document["id"], payload)


def _read(case: Case) -> tuple[dict[str, Any], bytes]:
    stored: dict[str, Any] = json.loads(case.payload)
    return stored["event"], stored["site_toml"].encode("utf-8")


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
