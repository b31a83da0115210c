"""``stopline replay``: a recorded junction through the whole chain."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from edge.clock import stated_start
from edge.commands.chain import (
    DEFAULT_PREFIX,
    VIEW,
    approach_for,
    broker_at,
    check_aspect,
    check_views,
    desk_for,
    detector_for,
    masker,
    ring_for,
    watch_for,
    wiring,
)
from edge.commands.ledger import sign_copy
from edge.commands.progress import replay_progress
from edge.config import Evidence, load_node, load_site
from edge.errors import ConfigError
from edge.evidence.keeper import CaseKeeper
from edge.evidence.seal import Seal
from edge.keys import create_key, load_signing_key
from edge.ledger.checkpoint import origin_of
from edge.mqtt import Connection, Topics
from edge.node import EventsAlone, Identity, QueuedLamps, Recorder, judge_stream, start_uplink
from edge.outbox import Outbox
from edge.pipeline import detect_stream
from edge.records import NS_PER_S
from edge.results import ResultFolder
from edge.sources.gpio import play_through_pins
from edge.sources.timeline import read_timeline
from edge.sources.video import open_video
from edge.telemetry import Telemetry

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import Console

    from edge.clock import UtcMapping
    from edge.config import Broker, Node, Site
    from edge.detector import Detector
    from edge.evidence.keeper import Finished
    from edge.evidence.ring import PacketRing
    from edge.keys import SigningKey
    from edge.node import LampFeed
    from edge.records import Frame, LampEdge, Verdict
    from edge.sources.video import VideoSource
    from edge.uplink import Uplink

PUBLIC_KEY = "node.pub.pem"

_NODE_ID = "replay"
_DRAIN_S = 30.0
_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What the command line asked for; ``signal`` is a recorded timeline or ``VIEW``."""

    video: str
    site: Path
    signal: Path
    out: Path
    model: Path | None = None
    node: Path | None = None
    broker: str | None = None
    start: str | None = None
    via_gpio: bool = False
    threads: int = 1
    keep_tracks: bool = False
    evidence: bool = True


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came of a replay; ``waiting`` messages are still in the outbox, for the reason in ``problem``."""

    frames: int
    verdicts: Counter[Verdict]
    waiting: int
    problem: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Signal:
    """Where the lamps come from; ``edges`` are all that were fed so far, ``doubt_s`` is what their times may be off.

    The frames are to be taken from here, for the lamps may be read in them.
    """

    lamps: LampFeed
    frames: Iterable[Frame]
    edges: Sequence[LampEdge]
    doubt_s: float


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Everything that was named, read and found good before anything is written."""

    site: Site
    site_toml: bytes
    signal: _Signal
    video: VideoSource
    detector: Detector
    node_id: str
    key: SigningKey | None
    broker: Broker | None
    utc: UtcMapping | None
    evidence: Evidence | None
    ring: PacketRing | None

    @property
    def prefix(self) -> str:
        """The first level of every topic."""
        return self.broker.prefix if self.broker else DEFAULT_PREFIX


def replay(request: ReplayRequest, console: Console) -> ReplayReport:
    """Judge a recording and deliver its events. Raises StoplineError; then no result file is left half written."""
    inputs = _read_inputs(request)
    with ExitStack() as stack:
        video = stack.enter_context(inputs.video)
        results = stack.enter_context(ResultFolder(request.out, inputs.site_toml if request.keep_tracks else None))
        key = inputs.key or create_key(_own_key(request))
        outbox = stack.enter_context(Outbox(request.out / "outbox.sqlite"))
        identity = Identity(inputs.node_id, key, inputs.detector.model.sha256)
        topics = Topics(inputs.prefix, inputs.site.site.id, inputs.node_id)
        taker = _taker(inputs, outbox, key, topics, results, stack)
        # A replay counts its events from 1, whatever an earlier one has left in the outbox.
        recorder = Recorder(inputs.site, identity, taker, lambda: inputs.utc, count(1))
        uplink = start_uplink(inputs.broker, inputs.site, identity, outbox)
        if uplink is not None:
            stack.callback(uplink.close, 0.0)
        _judge(inputs, recorder, results, uplink, console, taker)
        if isinstance(taker, CaseKeeper):
            taker.close()
        problem = _drain(uplink)
        waiting = outbox.counts()
    (request.out / PUBLIC_KEY).write_bytes(key.public.pem)
    sign_copy(request.out, origin_of(inputs.site.site.id, inputs.node_id), key)
    left = waiting.pending + waiting.refused
    return ReplayReport(video.stats.decoded, recorder.verdicts, left, problem, _notes(video))


def _taker(
    inputs: _Inputs, outbox: Outbox, key: SigningKey, topics: Topics, results: ResultFolder, stack: ExitStack
) -> EventsAlone | CaseKeeper:
    """Where violations go: with their evidence, or alone where none was asked for."""
    if inputs.evidence is None or inputs.ring is None:
        return EventsAlone(outbox, key, topics.violation, lambda _, raw: results.event(raw))

    def done(finished: Finished) -> None:
        results.event(finished.event)
        results.evidence(finished.event_id, finished.sent, finished.seal)

    desk = desk_for(inputs.evidence, inputs.site, inputs.site_toml, key, topics)
    keeper = CaseKeeper(outbox, desk, inputs.ring, inputs.evidence, masker(), done)
    stack.callback(keeper.close, 0.0)
    return keeper


def _judge(
    inputs: _Inputs,
    recorder: Recorder,
    results: ResultFolder,
    uplink: Uplink | None,
    console: Console,
    taker: EventsAlone | CaseKeeper,
) -> None:
    """Every frame of the recording through the chain."""
    video, signal = inputs.video, inputs.signal
    approach = approach_for(inputs.site, inputs.detector, trust_start=True, clock_uncertainty_s=signal.doubt_s)
    telemetry = Telemetry(uplink, approach, recorder, dropped=lambda: 0)
    stream = detect_stream(signal.frames, inputs.detector)
    end_ns = 0
    with replay_progress(console, video.name, video.frame_count) as advance:
        for frame, judged in judge_stream(stream, signal.lamps, approach):
            for passage in judged:
                results.record(passage)
                recorder.record(passage)
            if frame is not None:
                end_ns = frame.t_ns
                telemetry.frame()
                taker.keep_pace()
                advance()
    results.record_lamps(edge for edge in signal.edges if edge.t_ns <= end_ns)
    telemetry.health()


def _drain(uplink: Uplink | None) -> str:
    """Let the uplink send what is left; says why events may still wait."""
    if uplink is None:
        return "no broker was named"
    left = uplink.close(_DRAIN_S if uplink.state.connections else _CONNECT_S)
    state = uplink.state
    return state.problem or state.refusal or "the broker did not take them in time" if left else ""


def _read_inputs(request: ReplayRequest) -> _Inputs:
    site = load_site(request.site)
    recorded = _recorded(request, site)
    node = load_node(request.node) if request.node else None
    broker = node.broker if node else None
    if request.broker:
        broker = broker_at(request.broker, broker)
    if broker:
        Connection(broker, _NODE_ID)  # checks address, certificates and password now
    utc = stated_start(request.start) if request.start else None
    detector = detector_for(site, request.model, request.threads)
    evidence = _evidence(node) if request.evidence else None
    ring = ring_for(evidence, site) if evidence else None
    video = open_video(request.video, live=False, tap=ring)
    check_aspect(site, video.name, video.size_px)
    signal = _signal(request, site, recorded, video)
    node_id = node.node.id if node else _NODE_ID
    key = _existing_key(request, node)
    site_toml = request.site.read_bytes()
    return _Inputs(site, site_toml, signal, video, detector, node_id, key, broker, utc, evidence, ring)


def _recorded(request: ReplayRequest, site: Site) -> tuple[LampEdge, ...] | None:
    """The timeline that was named; None where the picture is to tell."""
    if request.signal == VIEW:
        if request.via_gpio:
            raise ConfigError("--via-gpio plays a recorded timeline: name it with --signal, or leave --via-gpio out")
        check_views(site, request.site)
        return None
    recorded = read_timeline(request.signal)
    _check_groups(site, recorded, request.signal)
    return recorded


def _signal(request: ReplayRequest, site: Site, recorded: tuple[LampEdge, ...] | None, video: VideoSource) -> _Signal:
    """The lamps as recorded, or read in the frames: then an onset lies up to one frame before its picture."""
    if recorded is None:
        watch = watch_for(site, video, keep=True)
        return _Signal(watch, watch.frames(video), watch.kept, video.interval_ns / NS_PER_S)
    lamps = play_through_pins(recorded, wiring(site)) if request.via_gpio else recorded
    return _Signal(QueuedLamps(lamps), video, lamps, 0.0)


def _evidence(node: Node | None) -> Evidence:
    """The node file's settings; a replay without any makes evidence that is not sealed, and its events say so."""
    given = node.evidence if node else None
    if given is None:
        return Evidence(seal="none")
    Seal(given.recipients)  # checks them now
    return given


def _check_groups(site: Site, lamps: tuple[LampEdge, ...], file: Path) -> None:
    """The timeline and the site must speak of the same signal groups."""
    known = {group.id for group in site.signal_groups}
    played = {edge.group for edge in lamps}
    for group in sorted(played - known):
        raise ConfigError(f'{file} plays the signal group "{group}", which the site does not have: correct its name')
    for lane in site.lanes:
        if lane.signal_group not in played:
            raise ConfigError(
                f'{file} has no row of the signal group "{lane.signal_group}" that lane {lane.id} needs: add it'
            )


def _existing_key(request: ReplayRequest, node: Node | None) -> SigningKey | None:
    """The key to sign with: the node file's, else that of an earlier replay into the same folder if there is one."""
    if node is not None:
        return load_signing_key(node.node.key)
    own = _own_key(request)
    return load_signing_key(own) if own.exists() else None


def _own_key(request: ReplayRequest) -> Path:
    """Without a node file, a replay makes a key of its own beside its results."""
    return request.out / "node.key"


def _notes(video: VideoSource) -> tuple[str, ...]:
    """What the reader of the results should know of the recording."""
    stats = video.stats
    told = {
        "damaged packets survived": stats.corrupt_packets,
        "damaged pictures": stats.corrupt_frames,
        "gaps in time": stats.gaps,
        "time stamps that did not rise": stats.restamped,
    }
    return tuple(f"{number} {what}" for what, number in told.items() if number)
