"""``stopline doctor``: what of a node works on this machine now, and what to do about what does not."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from edge import __version__, machine
from edge.clock import chrony_bound_ms
from edge.commands.chain import detector_for, fits_grid, open_source, wiring
from edge.commands.lamps_now import EVERY_S, LampsInPicture, Shown, lamps_on_wires
from edge.commands.queue import full_of, list_outbox
from edge.commissioning import Fitness, compare, read_record, read_view, software_sha256
from edge.config import load_node, load_site
from edge.detector import load_model
from edge.embedded import embedded_model
from edge.errors import StoplineError, SubscriptionError
from edge.evidence.seal import Seal
from edge.health import Outcome, judge_clock, judge_disk, judge_temperature
from edge.keys import load_public_keys, load_signing_key
from edge.keys.certificates import load_chain
from edge.mqtt import Connection, Publication, Topics
from edge.records import Frame
from edge.sources.gpio import open_gpio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.config import Broker, Node, Site
    from edge.health import Finding
    from edge.records import Size

WATCH_S: Final = 4.0
RENEW_DAYS: Final = 30
_LEAST_SHARE = 0.8  # of the frame rate that the camera promises
_SLOWEST_FPS = 5.0
_TRIES = 15
_ANSWER_S = 10.0
_BEGINNINGS = frozenset(("a", "it", "no", "nobody", "the", "there", "these", "this"))  # of sentences; no names


class State(StrEnum):
    """How one thing stands."""

    WORKS = "works"
    FAILS = "fails"
    NOT_TRIED = "not tried"
    LOOKING = "looking"


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the screen. Where something fails, ``words`` say what to do about it."""

    what: str
    state: State
    words: str


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """What the command line asked for; without ``source`` no camera is tried."""

    site: Path
    node: Path
    source: str | None = None
    model: Path | None = None
    threads: int = 1
    watch_s: float = WATCH_S


class _FailureError(Exception):
    """Something does not work; the words say what to do."""


class _UntriedError(Exception):
    """Something cannot be tried here; the words say why."""


def examine(request: DoctorRequest, looking: Callable[[Found], None] = lambda _: None) -> Iterator[Found]:
    """Try everything, one after the other, each told as soon as it is known. ConfigError where a file is no good.

    ``looking`` is given what is seen of a thing while it is still being looked at: the lamps as they change.
    """
    site, node = load_site(request.site), load_node(request.node)
    yield Found(
        "site", State.WORKS, f"{site.site.id}: {len(site.lanes)} lanes, {len(site.signal_groups)} signal groups"
    )
    camera = _Camera(request, site)
    if request.source is None:
        yield Found("camera", State.NOT_TRIED, "Name the camera with --source to try it.")
    else:
        yield _tried("camera", camera.look)
    yield _tried("lamps", lambda: _lamps(site, request.watch_s, lambda words: looking(_seen("lamps", words))))
    if any(group.view is not None for group in site.signal_groups):
        yield _tried("lamps seen", camera.lamps)
    yield _tried("clock", lambda: _judged(judge_clock(chrony_bound_ms(), node.health.clock_bound_ms)))
    yield _tried("signing key", lambda: _signing_key(node.node.key))
    yield _tried("broker", lambda: _broker(node, site))
    yield _tried("evidence", lambda: _recipients(node))
    if node.receiver is not None:
        keys = node.receiver.keys
        yield _tried("receivers", lambda: f"{len(load_public_keys(keys))} keys whose receipts count")
    yield _tried("disk", lambda: _disk(node.node.state, node.health.disk_free_mb))
    yield _tried("outbox", lambda: _outbox(node.node.state / "outbox.sqlite"))
    yield _tried("model", lambda: _model(request, site, camera.fps))
    yield _tried("commissioned", lambda: _commissioned(request, site, node))
    yield _tried("machine", lambda: _machine(node.health.temperature_c))


def _tried(what: str, look: Callable[[], str]) -> Found:
    try:
        return Found(what, State.WORKS, look().rstrip("."))
    except _UntriedError as reason:
        return Found(what, State.NOT_TRIED, str(reason))
    except (_FailureError, StoplineError) as error:
        return Found(what, State.FAILS, _sentence(str(error)))


def _seen(what: str, words: str) -> Found:
    return Found(what, State.LOOKING, words)


def _sentence(words: str) -> str:
    """With a capital, unless it may begin with a name or a path, and a full stop."""
    begins = words.partition(" ")[0] in _BEGINNINGS
    return (words[:1].upper() + words[1:] if begins else words).rstrip(".") + "."


def _judged(finding: Finding) -> str:
    if finding.outcome is not Outcome.OK:
        raise _FailureError(finding.words)
    return finding.words


class _Camera:
    """The camera for a few seconds. ``fps`` is what it promises, or gave; None before it was looked at.

    The same pictures tell what the lamps in view show.
    """

    def __init__(self, request: DoctorRequest, site: Site) -> None:
        self._request = request
        self._site = site
        self.fps: float | None = None
        self._lamps: LampsInPicture | None = None

    def look(self) -> str:
        """Its size and rate. SourceError where it gives no pictures."""
        source = self._request.source
        assert source is not None
        with open_source(source, self._site.camera) as video:
            size_px, promised = video.size_px, video.average_fps
            self._lamps = LampsInPicture(self._site, video)
            times_s = list(_arrivals(video, self._request.watch_s, self._lamps))
            times_s = times_s if video.is_live else []
        self._check_aspect(size_px)
        given = (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 else None
        self.fps = promised or given
        if times_s and (given is None or (promised is not None and given < _LEAST_SHARE * promised)):
            raise _FailureError(
                f"it gives {given or 0:.1f} frames a second in place of {promised or 0:.1f}: look at its network "
                "and power, or ask it for less"
            )
        rate = f"{given:.1f} frames a second" if given else f"{promised or 0:.1f} frames a second, recorded"
        return f"{size_px[0]} x {size_px[1]}, {rate}"

    def lamps(self) -> str:
        """What the lamps show in the pictures that were looked at."""
        if self._lamps is None:
            raise _UntriedError("Name the camera with --source to read the lamps in the picture.")
        return _well(self._lamps.shown, "draw its lamps again in the site file, nearer or larger ones")

    def _check_aspect(self, size_px: Size) -> None:
        if not fits_grid(self._site, size_px):
            (width, height), (grid_width, grid_height) = size_px, self._site.camera.size_px
            raise _FailureError(
                f"it gives {width} x {height}, another aspect than the site's camera.size_px of {grid_width} x "
                f"{grid_height}: set the camera as it was when the lines were drawn, or draw them anew"
            )


def _arrivals(frames: Iterable[Frame], seconds: float, lamps: LampsInPicture) -> Iterator[float]:
    """When frames came, in s, for so long after the first; those that had gathered before it are dropped already."""
    end_s = None
    for frame in frames:
        now_s = time.monotonic()
        end_s = end_s or now_s + seconds
        lamps.look(frame)
        yield now_s
        if now_s >= end_s:
            return


def _lamps(site: Site, seconds: float, tell: Callable[[str], None]) -> str:
    """What every signal group shows now; the inputs are watched for a while, since mains chop lamps."""
    wired = {group.group for group in wiring(site)}
    needed = {lane.signal_group for lane in site.lanes}
    if not wired and needed <= {group.id for group in site.signal_groups if group.view is not None}:
        raise _UntriedError("No pins in the site file; the picture is to tell them (run --signal view).")
    if needed - wired:
        raise _FailureError(
            f"signal group {min(needed - wired)} has no pins in the site file: add [signal_groups.pins] to it"
        )
    shown = Shown(())
    with closing(lamps_on_wires(site, open_gpio)) as looks:
        for shown in islice(looks, max(1, round(seconds / EVERY_S))):
            tell(str(shown))
    return _well(shown, "look at its lamps, wires and pins, and at active_low in the site file")


def _well(shown: Shown, otherwise: str) -> str:
    if shown.wrong:
        raise _FailureError(f"{', '.join(shown.wrong)}: {otherwise}")
    return str(shown)


def _signing_key(file: Path) -> str:
    """The key's kid, and how long its certificate is valid where it has one."""
    key = load_signing_key(file)
    return f"{key.kid[:12]}…, {_certificates(file)}"


def _certificates(file: Path) -> str:
    """How long the first certificate in a file is valid; one that ends soon fails."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise _FailureError(f"{file} cannot be read ({error.strerror}): give a file this user may read") from None
    if b"-----BEGIN CERTIFICATE-----" not in raw:
        return "no certificate"
    end = load_chain(raw, file)[0].not_valid_after_utc
    left = end - datetime.now(UTC)
    if left < timedelta(days=RENEW_DAYS):
        how = "ended" if left < timedelta() else "ends"
        raise _FailureError(
            f"the certificate in {file} {how} on {end:%Y-%m-%d}: renew it with 'stopline keys request' "
            "and 'stopline ca sign'"
        )
    return f"certificate until {end:%Y-%m-%d}"


def _broker(node: Node, site: Site) -> str:
    """Connect as the node would, under another client id so that a node at work is not thrown out, and publish."""
    broker = node.broker
    if broker is None:
        raise _FailureError("no broker is named, so events stay on this disk: add [broker] to the node file")
    topics = Topics(broker.prefix, site.site.id, node.node.id)
    certificate = _certificates(broker.cert) if broker.cert is not None else "no client certificate"
    connection = Connection(broker, f"stopline-{site.site.id}-{node.node.id}-doctor")
    try:
        connection.open()
        _publish(connection, topics)
        if node.receiver is not None:
            _subscribe(connection, topics)
    finally:
        connection.close()
    return f"{broker.url} takes what this node publishes; {_security(broker)}, {certificate}"


def _security(broker: Broker) -> str:
    return "TLS" if broker.url.startswith("mqtts") else "no TLS"


def _publish(connection: Connection, topics: Topics) -> None:
    """A word on a topic of its own, which a broker's rights for the node cover as they cover the others."""
    connection.publish(try_out(topics))
    give_up_s = time.monotonic() + _ANSWER_S
    while not (acks := connection.take_acks()):
        if time.monotonic() > give_up_s:
            raise _FailureError("the broker does not answer a publication: look at its log")
        connection.pump(0.1)
    if acks[0].refusal is not None:
        raise _FailureError(
            f"the broker lets this node in but refuses messages on {topics.doctor} ({acks[0].refusal}): allow it "
            "to write below its own name, as the sample mosquitto.acl does"
        )


def try_out(topics: Topics) -> Publication:
    """What is published to see whether that is allowed."""
    return Publication(topics.doctor, b"{}", "application/json", expiry_s=1)


def _subscribe(connection: Connection, topics: Topics) -> None:
    try:
        connection.subscribe(topics.receipt("+"))
    except SubscriptionError as error:
        raise _FailureError(f"{error}, so no receipts can come: allow it to read them") from None


def _recipients(node: Node) -> str:
    if node.evidence is None or node.evidence.seal == "none":
        raise _FailureError(
            "nobody is named to seal the evidence to: give [evidence] the authority's age public key in recipients"
        )
    Seal(node.evidence.recipients)
    return f"sealed to {len(node.evidence.recipients)} recipients"


def _disk(state: Path, least_mb: float) -> str:
    """Room on the disk of the outbox, and whether this user may write there."""
    there = next(folder for folder in (state, *state.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise _FailureError(f"{there} cannot be written by this user: set node.state to a folder of this user")
    free = machine.disk_free_bytes(there)
    return _judged(judge_disk(None if free is None else free / 1e6, least_mb))


def _outbox(file: Path) -> str:
    if not file.exists():
        return "not made yet: 'stopline run' does that"
    counts, rows = list_outbox(file)
    if counts["refused"]:
        reason = next((row["reason"] for row in rows if row["reason"]), "")
        raise _FailureError(
            f"the broker refused {counts['refused']} messages ({reason}): correct its rights, then "
            f"'stopline outbox retry {file}'"
        )
    full = full_of(file)
    if full is not None:
        raise _FailureError(f"it {full}")
    return "{pending} wait, {open_cases} cases are open, {delivered} have been delivered".format_map(counts)


def _model(request: DoctorRequest, site: Site, fps: float | None) -> str:
    """How fast the model is on this machine, against the camera's rate."""
    detector = detector_for(site, request.model, request.threads)
    frame = Frame(0, 0, _Grey(site.camera.size_px))
    spent_s = []
    for _ in range(_TRIES):
        start_s = time.perf_counter()
        prepared = detector.prepare(frame)
        detector.decode(detector.infer(prepared), prepared.plan)
        detector.recycle(prepared)
        spent_s.append(time.perf_counter() - start_s)
    a_frame_s = median(spent_s)
    needed = fps or _SLOWEST_FPS
    if 1 / a_frame_s < needed:
        raise _FailureError(
            f"{1 / a_frame_s:.0f} frames a second ({detector.model.name}, {1000 * a_frame_s:.0f} ms each) are fewer "
            f"than the {needed:.0f} that come: ask the camera for fewer, or give --threads"
        )
    return f"{detector.model.name}: {1000 * a_frame_s:.0f} ms a frame, {1 / a_frame_s:.0f} frames a second"


@dataclass(frozen=True, slots=True)
class _Grey:
    """A picture of no interest; a network takes as long over it as over any other."""

    size_px: Size

    def scaled(self, size_px: Size, crop_px: tuple[int, int, int, int] | None = None) -> NDArray[uint8]:  # noqa: ARG002
        """All of it, or its part."""
        return np.full((size_px[1], size_px[0], 3), 114, np.uint8)


def _commissioned(request: DoctorRequest, site: Site, node: Node) -> str:
    """Whether somebody commissioned the node, and nothing was changed since."""
    key = load_signing_key(node.node.key)
    record = read_record(node.node.state, key)
    model = load_model(request.model or embedded_model())
    site_sha256 = sha256(request.site.read_bytes()).hexdigest()
    view = read_view(node.node.state)[1]
    now = Fitness(site_sha256, model.sha256, __version__, software_sha256(), view)
    return _judged(compare(record, site.site.id, node.node.id, now))


def _machine(most_celsius: float) -> str:
    """Temperature, and what the firmware says of power and heat."""
    told = _judged(judge_temperature(machine.temperature_c(), most_celsius))
    limits = machine.throttling()
    now = [limit.replace("_", " ") for limit in limits or () if not limit.startswith("had_")]
    if now:
        raise _FailureError(
            f"the firmware holds the machine back ({', '.join(now)}): give it a better power supply, shade and air"
        )
    before = [limit.removeprefix("had_").replace("_", " ") for limit in limits or ()]
    return f"{told} Since its start it had: {', '.join(before)}." if before else told
