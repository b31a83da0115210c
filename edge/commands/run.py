"""``stopline run``: the node at work on a live camera, until it is told to stop."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from edge import __version__
from edge.arming import Arming, StateEvents, Watched, fitness_now
from edge.clock import ClockWatch, KnownUtc, monotonic_to_utc
from edge.commands.chain import DEFAULT_PREFIX, approach_for, desk_for, detector_for, masker, ring_for
from edge.commands.ending import at_work, close_with, reading_files
from edge.commands.live import AskedLamps, LiveCamera, LiveLamps
from edge.config import load_node, load_site
from edge.delivery import Keeping
from edge.errors import ConfigError, OutboxError
from edge.evidence.keeper import CaseKeeper
from edge.exposition import PrometheusFile
from edge.keys import load_public_keys, load_signing_key
from edge.keys.expiry import CertificateDays
from edge.latency import Deliveries
from edge.ledger.checkpoint import origin_of
from edge.ledger.publisher import Publisher, Source
from edge.machine import keep_memory_steady, spare_what_stays
from edge.messages import Backlog
from edge.mqtt import Topics, check_settings
from edge.node import Identity, Recorder, judge_stream, start_uplink
from edge.notify import ServiceManager
from edge.outbox import Outbox
from edge.pipeline import LIVE_PLACES, Waiting, detect_stream
from edge.selftest import self_test
from edge.telemetry import Gauges, Telemetry

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edge.approach import Approach, Judged
    from edge.commands.live import LiveVideo
    from edge.config import Evidence, Node, Site
    from edge.detector import Detector
    from edge.evidence.masking import Masker
    from edge.keys import PublicKey, SigningKey
    from edge.records import Frame, Verdict
    from edge.uplink import Uplink

_COMPLETE_S = 60.0
_DRAIN_S = 10.0


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
    """What the node has done until it was stopped: frames judged, frames dropped, passages by verdict."""

    frames: int
    dropped: int
    verdicts: Counter[Verdict]


def run(request: RunRequest) -> RunReport:
    """Judge a live source until SIGTERM or SIGINT.

    Raises NodeError where a restart may mend what failed: camera, lamps, disk, TPM, the last two at the start, too.
    ConfigError and its kin for a mistake in a file.
    """
    keep_memory_steady()
    with reading_files():
        asked = Asked.read(request)
    with at_work(), ExitStack() as stack:
        work = _put_together(asked, stack)
        _stop_when_asked(work.camera)
        work.manager.waiting()
        video = work.camera.open()
        if video is not None:
            _judge(work, video)
        work.end()
    return RunReport(work.telemetry.frames, work.camera.dropped, work.recorder.verdicts)


@dataclass(frozen=True, slots=True)
class Asked:
    """All that the files and the command line say, read and checked before anything is begun."""

    request: RunRequest
    site: Site
    node: Node
    key: SigningKey
    receivers: Mapping[str, PublicKey]
    lamps: AskedLamps
    evidence: Evidence
    prometheus: PrometheusFile | None
    detector: Detector
    masker: Masker

    @classmethod
    def read(cls, request: RunRequest) -> Asked:
        """Read all of it; ConfigError and its kin for the first mistake."""
        site, node = load_site(request.site), load_node(request.node)
        if node.broker is not None:
            check_settings(node.broker)
        return cls(
            request,
            site,
            node,
            load_signing_key(node.node.key),
            load_public_keys(node.receiver.keys) if node.receiver else {},
            AskedLamps.of(request.signal, site, request.site),
            _sealed(node, request.node),
            _prometheus(node, site),
            detector_for(site, request.model, request.threads),
            masker(),
        )

    @property
    def identity(self) -> Identity:
        """Who signs, and judged with what."""
        return Identity(self.node.node.id, self.key, self.detector.model.sha256)

    @property
    def topics(self) -> Topics:
        """Where this node's messages go."""
        return Topics(
            self.node.broker.prefix if self.node.broker else DEFAULT_PREFIX, self.site.site.id, self.node.node.id
        )


@dataclass(frozen=True, slots=True)
class Work:
    """The node put together: at work from before its camera is opened, so that it can say what it waits for."""

    detector: Detector
    camera: LiveCamera
    lamps: LiveLamps
    approach: Approach
    keeper: CaseKeeper
    arming: Arming
    recorder: Recorder
    uplink: Uplink | None
    telemetry: Telemetry
    waiting: Waiting
    manager: ServiceManager

    def check(self) -> None:
        """NodeError where a thread of the node's has failed: it is to be started again, and nothing is lost."""
        for part in (self.arming, self.keeper, self.telemetry, self.uplink):
            if part is not None:
                part.check()

    def end(self) -> None:
        """The pictures have ended as they were asked to: say so, and let the evidence wait for no more."""
        self.arming.close()
        self.manager.stopping()
        self.telemetry.health()
        self.camera.close()


def _judge(work: Work, video: LiveVideo) -> None:
    """The main loop: every picture judged, every violation recorded."""
    spare_what_stays()
    lamps = work.lamps.join(video)
    work.approach.set_clock_uncertainty(lamps.doubt_s)
    stream = detect_stream(lamps.frames, work.detector, places=LIVE_PLACES, waiting=work.waiting)
    for frame, judged in judge_stream(stream, lamps.feed, work.approach):
        if frame is not None:
            work.arming.frame(frame, work.approach.phases)
        for passage in judged:
            _record(work.recorder, passage)
        if frame is not None:
            _tell_progress(work, frame)


def _tell_progress(work: Work, frame: Frame) -> None:
    work.telemetry.frame(frame.t_ns)
    work.check()
    work.manager.progress()


def _put_together(asked: Asked, stack: ExitStack) -> Work:
    """Everything but the camera, at work; what ``stack`` closes at the end is closed in the other order."""
    site, node, identity, topics = asked.site, asked.node, asked.identity, asked.topics
    ring = ring_for(asked.evidence, site)
    camera = LiveCamera(asked.request.source, site, ring, _tell)
    close_with(stack, camera.close)
    lamps = stack.enter_context(LiveLamps(asked.lamps, site, asked.request.source))
    keeping = Keeping(receipts=bool(asked.receivers), keep_s=asked.evidence.keep_hours * 3600)
    utc = KnownUtc(ClockWatch().bound_ms)
    file = made_folder(node.node.state) / "outbox.sqlite"
    outbox = stack.enter_context(Outbox(file, keeping=keeping, utc_ms=utc.now_ms))
    desk = desk_for(asked.evidence, site, asked.request.site.read_bytes(), asked.key, topics)
    keeper = CaseKeeper(outbox, desk, ring, asked.evidence, asked.masker)
    deliveries = Deliveries()
    arming = _arming(asked, outbox, lamps, utc)
    recorder = Recorder(
        site,
        identity,
        keeper,
        lambda: monotonic_to_utc(arming.clock_bound_ms),
        expect=deliveries.expect,
        may_record=arming.may_record,
    )
    approach = approach_for(site, asked.detector, trust_start=False)
    uplink = start_uplink(
        node.broker, site, identity, outbox, asked.receivers, _tell, deliveries.delivered_now, _home_assistant(node)
    )
    checkpoints = _checkpoints(
        stack, uplink, Source(origin_of(site.site.id, node.node.id), asked.key, outbox.ledger), node
    )
    close_with(stack, lambda: keeper.close(_COMPLETE_S))
    waiting = Waiting()
    gauges = Gauges(
        reopened=lambda: camera.reopened,
        queue=outbox.counts,
        backlog=lambda: Backlog(waiting.prepared, waiting.inferred, keeper.waiting),
        status=lambda: arming.status,
        clock_bound_ms=lambda: arming.clock_bound_ms,
        inputs=lamps.counts,
        certificate_days_left=CertificateDays(_certified(node), utc.now_ms),
        state=node.node.state,
    )
    telemetry = Telemetry(
        uplink,
        approach,
        recorder,
        lambda: camera.dropped,
        checkpoints,
        gauges=gauges,
        deliveries=deliveries,
        also=_told_locally(asked, stack),
        live=True,
    )
    stack.enter_context(arming)
    stack.enter_context(telemetry)
    return Work(
        asked.detector,
        camera,
        lamps,
        approach,
        keeper,
        arming,
        recorder,
        uplink,
        telemetry,
        waiting,
        ServiceManager(),
    )


def _certified(node: Node) -> Iterator[Path]:
    """The files that may hold a certificate of this node: its signing key's, and what it shows to the broker."""
    yield node.node.key
    if node.broker is not None and node.broker.cert is not None:
        yield node.broker.cert


def _told_locally(asked: Asked, stack: ExitStack) -> PrometheusFile | None:
    if asked.prometheus is not None:
        stack.callback(asked.prometheus.remove)
    return asked.prometheus


def _checkpoints(stack: ExitStack, uplink: Uplink | None, source: Source, node: Node) -> Publisher | None:
    """Who signs the ledger's checkpoints; None where nobody would hear of them. Ends, as the uplink, with the stack."""
    if uplink is None:
        return None
    close_with(stack, lambda: uplink.close(_DRAIN_S))
    checkpoints = Publisher(source, node.ledger, uplink.send_checkpoint)
    close_with(stack, checkpoints.finish)
    return checkpoints


def _arming(asked: Asked, outbox: Outbox, lamps: LiveLamps, utc: KnownUtc) -> Arming:
    """The watch over the node, whose changes of state go into the outbox."""
    site, node, model_sha256 = asked.site, asked.node, asked.detector.model.sha256
    origin = {"software": __version__, "model_sha256": model_sha256, "site_sha256": site.sha256}
    source = f"stopline://{site.site.id}/{node.node.id}"
    watched = Watched(
        site,
        node.node.id,
        node.node.state,
        asked.key,
        node.health,
        fitness_now(lambda: sha256(asked.request.site.read_bytes()).hexdigest(), model_sha256),
        lambda: self_test(asked.detector, asked.key, outbox),
        clock_bound_ms=utc.bound_ms,
        lamp_agreement=lamps.finding,
        outbox_full=outbox.full,
    )
    return Arming(watched, StateEvents(outbox, asked.key, asked.topics.state, source, origin).tell)


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


def made_folder(folder: Path) -> Path:
    """The folder, made where it was not there. ConfigError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made ({error.strerror}): set node.state to a folder of this user"
        ) from None
    return folder


def _stop_when_asked(camera: LiveCamera) -> None:
    """At SIGTERM or SIGINT the video ends; the node then does so in order: judged, sent, said goodbye."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: camera.stop())
