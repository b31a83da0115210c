"""``stopline run``: the node at work on a live camera, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from edge import __version__
from edge.approach import phase_times
from edge.arming import Arming, StateEvents, Watched, fitness_now
from edge.clock import monotonic_to_utc
from edge.commands.chain import (
    DEFAULT_PREFIX,
    VIEW,
    approach_for,
    check_views,
    desk_for,
    detector_for,
    masker,
    ring_for,
    watch_for,
    wiring,
)
from edge.config import load_node, load_site
from edge.delivery import Keeping
from edge.errors import ConfigError, EvidenceError, LedgerError, NodeError, OutboxError, SourceError
from edge.evidence.keeper import CaseKeeper
from edge.exposition import PrometheusFile
from edge.keys import load_public_keys, load_signing_key
from edge.lampagreement import AgreementTimes, CheckedLamps, LampAgreement, agreement_finding
from edge.latency import Deliveries
from edge.ledger.checkpoint import origin_of
from edge.ledger.publisher import Publisher, Source
from edge.messages import Backlog, Inputs
from edge.mqtt import Topics
from edge.node import Identity, QueuedLamps, Recorder, judge_stream, start_uplink
from edge.notify import ServiceManager
from edge.outbox import Outbox
from edge.pipeline import Waiting, detect_stream
from edge.records import NS_PER_S
from edge.selftest import self_test
from edge.sources.gpio import open_gpio
from edge.sources.picamera import is_picamera, open_picamera
from edge.sources.steady import FIRST_S, SteadyVideo
from edge.sources.timeline import read_timeline
from edge.sources.video import open_video
from edge.telemetry import Gauges, Telemetry

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from edge.approach import Judged
    from edge.config import Evidence, Node, Site
    from edge.detector import Detector
    from edge.evidence.ring import PacketRing
    from edge.health import Finding
    from edge.node import LampFeed
    from edge.records import Frame, LampEdge, Verdict
    from edge.sources.gpio import GpioLamps, LampPins
    from edge.sources.picamera import PicameraSource
    from edge.uplink import Uplink

_COMPLETE_S = 60.0
_DRAIN_S = 10.0
_NETWORK_SETTLE_S = 1.0  # such a camera's frames are stamped as they arrive


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the command line asked for; without ``signal`` the lamps are read from the pins the site file names.

    With ``VIEW`` they are read in the picture.
    """

    source: str
    site: Path
    node: Path
    model: Path | None = None
    signal: Path | None = None
    threads: int = 1


@dataclass(frozen=True, slots=True)
class RunReport:
    """What the node has done until it was stopped."""

    frames: int
    dropped: int
    verdicts: Counter[Verdict]


def run(request: RunRequest) -> RunReport:
    """Judge a live source until SIGTERM or SIGINT. Raises NodeError where camera, lamps or disk fail at work."""
    site, node = load_site(request.site), load_node(request.node)
    key = load_signing_key(node.node.key)
    receivers = load_public_keys(node.receiver.keys) if node.receiver else {}
    recorded, pins = _asked_lamps(request, site)
    also = _prometheus(node, site)
    evidence = _sealed(node, request.node)
    detector = detector_for(site, request.model, request.threads)
    ring = ring_for(evidence, site)
    identity = Identity(node.node.id, key, detector.model.sha256)
    topics = Topics(node.broker.prefix if node.broker else DEFAULT_PREFIX, site.site.id, node.node.id)
    with _at_work(), ExitStack() as stack:
        if also is not None:
            stack.callback(also.remove)
        video = _open_live(request.source, site, ring)
        stack.callback(video.close)
        lamps = _lamps(request, site, video, recorded, pins, stack)
        keeping = Keeping(receipts=bool(receivers), keep_s=evidence.keep_hours * 3600)
        outbox = stack.enter_context(Outbox(made_folder(node.node.state) / "outbox.sqlite", keeping=keeping))
        desk = desk_for(evidence, site, request.site.read_bytes(), key, topics)
        keeper = CaseKeeper(outbox, desk, ring, evidence, masker())
        deliveries = Deliveries()
        arming = _arming(request, site, node, identity, detector, outbox, topics, lamps.agreement)
        recorder = Recorder(
            site,
            identity,
            keeper,
            lambda: monotonic_to_utc(arming.clock_bound_ms),
            expect=deliveries.expect,
            may_record=arming.may_record,
        )
        approach = approach_for(site, detector, trust_start=False, clock_uncertainty_s=lamps.doubt_s)
        uplink = start_uplink(
            node.broker, site, identity, outbox, receivers, _tell, deliveries.delivered_now, _home_assistant(node)
        )
        source = Source(origin_of(site.site.id, node.node.id), key, outbox.ledger)
        checkpoints = _checkpoints(stack, uplink, source, node)
        stack.callback(keeper.close, _COMPLETE_S)
        waiting = Waiting()
        gauges = Gauges(
            reopened=lambda: video.reopened,
            queue=outbox.counts,
            backlog=lambda: Backlog(waiting.prepared, waiting.inferred, keeper.waiting),
            status=lambda: arming.status,
            clock_bound_ms=lambda: arming.clock_bound_ms,
            inputs=lamps.inputs,
            state=node.node.state,
        )
        telemetry = Telemetry(
            uplink,
            approach,
            recorder,
            lambda: video.stats.dropped,
            checkpoints,
            gauges=gauges,
            deliveries=deliveries,
            also=also,
            live=True,
        )
        stack.enter_context(arming)
        stack.enter_context(telemetry)
        manager = ServiceManager()
        _stop_when_asked(video)
        stream = detect_stream(lamps.frames, detector, waiting=waiting)
        for frame, judged in judge_stream(stream, lamps.feed, approach):
            if frame is not None:
                arming.frame(frame, approach.phases)
            for passage in judged:
                _record(recorder, passage)
            if frame is not None:
                telemetry.frame(frame.t_ns)
                manager.progress()
        arming.close()
        manager.stopping()
        telemetry.health()
        video.close()  # so that the evidence waits for no more pictures
    return RunReport(video.stats.decoded, video.stats.dropped, recorder.verdicts)


def _checkpoints(stack: ExitStack, uplink: Uplink | None, source: Source, node: Node) -> Publisher | None:
    """Who signs the ledger's checkpoints; None where nobody would hear of them. Ends, as the uplink, with the stack."""
    if uplink is None:
        return None
    stack.callback(uplink.close, _DRAIN_S)
    checkpoints = Publisher(source, node.ledger, uplink.send_checkpoint)
    stack.callback(checkpoints.finish)
    return checkpoints


def _arming(
    request: RunRequest,
    site: Site,
    node: Node,
    identity: Identity,
    detector: Detector,
    outbox: Outbox,
    topics: Topics,
    agreement: Callable[[], Finding] | None,
) -> Arming:
    """The watch over the node, whose changes of state go into the outbox."""
    origin = {"software": __version__, "model_sha256": identity.model_sha256, "site_sha256": site.sha256}
    source = f"stopline://{site.site.id}/{node.node.id}"
    watched = Watched(
        site,
        node.node.id,
        node.node.state,
        identity.key,
        node.health,
        fitness_now(lambda: sha256(request.site.read_bytes()).hexdigest(), identity.model_sha256),
        lambda: self_test(detector, identity.key, outbox),
        lamp_agreement=agreement,
    )
    return Arming(watched, StateEvents(outbox, identity.key, topics.state, source, origin).tell)


def _home_assistant(node: Node) -> str | None:
    return node.telemetry.home_assistant_prefix if node.telemetry.home_assistant else None


def _prometheus(node: Node, site: Site) -> PrometheusFile | None:
    """The file for Prometheus where one is named; ConfigError where it cannot be written."""
    if node.telemetry.prometheus is None:
        return None
    file = PrometheusFile(node.telemetry.prometheus, {"site": site.site.id, "node": node.node.id})
    file.check()
    return file


def _tell(problem: str) -> None:
    sys.stderr.write(f"{problem}\n")


def _record(recorder: Recorder, passage: Judged) -> None:
    """A full disk stops the recording of new cases and nothing else: what waits is worth more than what comes."""
    try:
        recorder.record(passage)
    except OutboxError as error:
        recorder.unrecorded += 1
        sys.stderr.write(f"A violation could not be recorded: {error}\n")


def _sealed(node: Node, file: Path) -> Evidence:
    """The evidence settings of a node at work, whose pictures nobody but the authority may open."""
    if node.evidence is None or node.evidence.seal == "none":
        raise ConfigError(
            f"{file} names nobody to seal the evidence to: give [evidence] the authority's age public key in recipients"
        )
    return node.evidence


@contextmanager
def _at_work() -> Iterator[None]:
    """Camera, lamps or disk that fail at work may be well again: whoever started the node is to start it anew."""
    try:
        yield
    except (SourceError, OutboxError, LedgerError, EvidenceError) as error:
        raise NodeError(str(error)) from error


def _open_live(source: str, site: Site, ring: PacketRing) -> SteadyVideo | PicameraSource:
    if is_picamera(source):
        return open_picamera(source, site.camera, tap=ring, tell=_tell)
    if ":" not in source and not source.startswith("/dev/"):
        raise ConfigError(
            f"{source} is no camera: give an rtsp:// URL or /dev/video0; 'stopline replay' takes a recording"
        )
    video = SteadyVideo(lambda: open_video(source, tap=ring), _tell, first_s=FIRST_S)
    if not video.is_live:
        video.close()
        raise ConfigError(f"{source} is a recording: use 'stopline replay' for it")
    return video


def made_folder(folder: Path) -> Path:
    """The folder, made where it was not there. ConfigError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made ({error.strerror}): set node.state to a folder of this user"
        ) from None
    return folder


def _stop_when_asked(video: SteadyVideo | PicameraSource) -> None:
    """At SIGTERM or SIGINT the video ends; the node then does so in order: judged, sent, said goodbye."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: video.stop())


def _asked_lamps(request: RunRequest, site: Site) -> tuple[tuple[LampEdge, ...] | None, list[LampPins]]:
    """The timeline that was named, or the pins to read; neither where the picture is to tell."""
    if request.signal == VIEW:
        check_views(site, request.site)
        return None, []
    if request.signal is not None:
        return read_timeline(request.signal), []
    return None, _all_wired(site)


def _all_wired(site: Site) -> list[LampPins]:
    """The lamp inputs; ConfigError where a lane's signal group has none."""
    pins = wiring(site)
    unwired = {lane.signal_group for lane in site.lanes} - {group.group for group in pins}
    if unwired:
        raise ConfigError(f"signal group {min(unwired)} has no pins in the site file: add [signal_groups.pins] to it")
    return pins


@dataclass(frozen=True, slots=True)
class _Lamps:
    """Where the lamps come from, and the frames, in which they may be read.

    ``doubt_s`` is what their times may be off; ``agreement`` compares wires and picture where a group has both;
    ``inputs`` says what the wires have been through, None where there are none.
    """

    feed: LampFeed
    frames: Iterable[Frame]
    doubt_s: float = 0.0
    agreement: Callable[[], Finding] | None = None
    inputs: Callable[[], Inputs | None] = lambda: None


def _lamps(
    request: RunRequest,
    site: Site,
    video: SteadyVideo | PicameraSource,
    recorded: tuple[LampEdge, ...] | None,
    pins: list[LampPins],
    stack: ExitStack,
) -> _Lamps:
    if request.signal == VIEW:
        watch = watch_for(site, video.size_px)
        return _Lamps(watch, watch.frames(video), doubt_s=video.interval_ns / NS_PER_S)
    if recorded is not None:
        return _Lamps(PlayedLamps(recorded), video)
    wired = stack.enter_context(_wired_lamps(pins))
    both = [group for group in site.signal_groups if group.view and group.id in {one.group for one in pins}]
    if not both:
        return _Lamps(wired, video, inputs=wired.counts)
    watch = watch_for(site, video.size_px)
    times = AgreementTimes() if is_picamera(request.source) else AgreementTimes(settle_s=_NETWORK_SETTLE_S)
    agreement = LampAgreement({group.id: phase_times(group) for group in both}, times)
    checked = CheckedLamps(wired.until, watch.readings, agreement)
    return _Lamps(
        checked,
        watch.frames(video),
        agreement=lambda: agreement_finding(agreement, time.monotonic_ns()),
        inputs=wired.counts,
    )


@contextmanager
def _wired_lamps(pins: list[LampPins]) -> Iterator[WiredLamps]:
    queue = QueuedLamps()
    with open_gpio(pins, queue.put) as inputs:
        yield WiredLamps(queue, inputs)


class WiredLamps:
    """Edges from the pins; now and then every input is read, so that one that has died is noticed."""

    def __init__(self, queue: QueuedLamps, inputs: GpioLamps) -> None:
        self._queue = queue
        self._inputs = inputs
        self._check_ns = 0

    def counts(self) -> Inputs:
        """What the inputs have been through; may be asked from any thread."""
        counts = self._inputs.counts
        return Inputs(counts.edges, counts.unseen, counts.overruns, round(counts.slowest_ns / 1e6, 1))

    def until(self, t_ns: int) -> Iterator[LampEdge]:
        """The edges up to an instant. SourceError where an input is gone."""
        if t_ns >= self._check_ns:
            self._check_ns = t_ns + NS_PER_S
            self._inputs.check()
        return self._queue.until(t_ns)


class PlayedLamps:
    """A recorded timeline for a bench without wires: its time 0 is the first frame's."""

    def __init__(self, edges: tuple[LampEdge, ...]) -> None:
        self._edges = edges
        self._queue: QueuedLamps | None = None

    def until(self, t_ns: int) -> Iterator[LampEdge]:
        """The edges up to an instant."""
        if self._queue is None:
            self._queue = QueuedLamps(replace(edge, t_ns=edge.t_ns + t_ns) for edge in self._edges)
        return self._queue.until(t_ns)
