"""The watch over a node: real pictures, files and outbox; the clock and the self test are put in."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge import __version__, event, verify
from edge import arming as arming_module
from edge.arming import Arming, StateEvents, Watched, fitness_now
from edge.commissioning import RECORD, Fitness, write_record
from edge.config import Health, load_site
from edge.errors import NodeError, OutboxError
from edge.health import Change, CheckName, Finding, Outcome, State
from edge.keys import create_key, trust
from edge.outbox import CASE_BYTES, Message, Outbox
from edge.records import NS_PER_S, Fault, Frame, Phase, PhaseInterval
from edge.view import features, hash_of
from tests.arming.looked_at import greys, warped
from tests.command import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.commissioning import Commissioned
    from edge.keys import FileKey

pytestmark = pytest.mark.alone

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
SITE = load_site(CASE / "site.toml")
PICTURES = greys(CASE / "video.mp4", 0.0, 10.0, 0.5)
GOOD = Finding(CheckName.SELF_TEST, Outcome.OK, "The self test was passed.")
G, A, R = Phase.GREEN, Phase.AMBER, Phase.RED


class Grey:
    """A picture that is grey already."""

    size_px = (320, 180)

    def __init__(self, level: NDArray[uint8]) -> None:
        self._level = level

    def scaled(self, size_px: tuple[int, int], crop_px: object = None) -> NDArray[uint8]:  # noqa: ARG002
        assert size_px == self.size_px
        return np.repeat(self._level[:, :, None], 3, axis=2)


@dataclass
class Shown:
    """A group's phases as far as the watch asks for them."""

    intervals: list[PhaseInterval] = field(default_factory=list)

    @property
    def current(self) -> PhaseInterval:
        return self.intervals[-1]

    def add(self, phase: Phase, fault: Fault | None = None) -> None:
        self.intervals.append(PhaseInterval(phase, len(self.intervals), None, onset_seen=True, fault=fault))


@dataclass
class Bench:
    """A commissioned node with a camera that can be turned, and what it has told."""

    folder: Path
    key: FileKey
    clock: Callable[[], float | None] = lambda: 1.0
    outbox_full: Callable[[], str | None] = lambda: None
    site_sha256: str = SITE.sha256
    told: list[Change] = field(default_factory=list)
    shown: Shown = field(default_factory=Shown)
    camera: Callable[[NDArray[uint8]], NDArray[uint8]] = lambda picture: picture
    frames: int = 0

    def arming(self, **patience: float) -> Arming:
        watched = Watched(
            SITE,
            "n",
            self.folder,
            self.key,
            Health(disk_free_mb=10, temperature_c=120),
            fitness_now(lambda: self.site_sha256, "b" * 64),
            lambda: GOOD,
            clock_bound_ms=lambda: self.clock(),  # noqa: PLW0108 - it changes while it is asked
            outbox_full=lambda: self.outbox_full(),  # noqa: PLW0108 - likewise
        )
        return Arming(watched, self._tell, **patience)

    def commission(self) -> None:
        """A record of what lies on the disk now."""
        view = features(PICTURES).packed()
        fitness = Fitness(self.site_sha256, "b" * 64, __version__, arming_module.software_sha256(), hash_of(view))
        told = {"site": SITE.site.id, "node": "n", "by": "Ada", "at": "2026-05-04T08:00:00Z"}
        write_record(self.folder, told, fitness, view, self.key)

    def _tell(self, change: Change, _: Commissioned | None) -> None:
        self.told.append(change)

    def play(self, arming: Arming, until: Callable[[], bool], within_s: float = 8.0) -> None:
        """Frames at 20 a second until something is so."""
        give_up_s = time.monotonic() + within_s
        while not until():
            assert time.monotonic() < give_up_s, arming.status
            picture = self.camera(PICTURES[self.frames // 3 % len(PICTURES)])
            arming.frame(Frame(time.monotonic_ns(), self.frames, Grey(picture)), {"north": self.shown})  # type: ignore[dict-item]
            self.frames += 1
            time.sleep(0.05)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    key = create_key(tmp_path / "node.key")
    one = Bench(tmp_path, key)
    one.commission()
    for phase in (G, A, R, G, A, R, G):
        one.shown.add(phase)
    return one


def test_a_commissioned_node_arms_and_a_lamp_fault_disarms_at_once(bench: Bench) -> None:
    with bench.arming() as arming:
        assert bench.told[0].state is State.DISARMED
        bench.play(arming, lambda: arming.status.state is State.ARMED)
        crossed_ns = time.monotonic_ns()
        assert arming.may_record(crossed_ns)
        bench.shown.add(Phase.FAULT, Fault.DARK)
        bench.play(arming, lambda: arming.status.state is State.DISARMED, within_s=0.2)
        assert not arming.may_record(crossed_ns)
        assert "dark" in bench.told[-1].words
        for phase in (G, A, R, G, A, R, G):
            bench.shown.add(phase)
        bench.play(arming, lambda: arming.status.state is State.ARMED, within_s=0.5)
        assert not arming.may_record(crossed_ns)
    assert [change.state.value for change in bench.told] == ["disarmed", "armed", "disarmed", "armed"]


def test_a_turned_camera_disarms(bench: Bench) -> None:
    with bench.arming() as arming:
        bench.play(arming, lambda: arming.status.state is State.ARMED)
        bench.camera = lambda picture: warped(picture, (12.0, 5.0))
        bench.play(arming, lambda: arming.status.state is State.DISARMED, within_s=12.0)
    (reason,) = bench.told[-1].reasons
    assert reason.check is CheckName.VIEW
    assert reason.value == pytest.approx(13.0, abs=1.5)


def test_a_silent_camera_disarms(bench: Bench) -> None:
    with bench.arming() as arming:
        bench.play(arming, lambda: arming.status.state is State.ARMED)
        time.sleep(4.0)
        assert [reason.check for reason in arming.status.reasons] == [CheckName.PICTURE]


def checked(arming: Arming) -> bool:
    arming.check()
    return False


@pytest.mark.parametrize("failing", ["raises", "hangs"])
def test_checks_that_fail_or_hang_record_nothing_and_end_the_node(bench: Bench, failing: str) -> None:
    """Nobody knows then whether the camera still looks where it did: that must not count as armed for ever."""
    hang = threading.Event()

    def broken() -> float:
        if failing == "hangs":
            hang.wait(20)
        raise ValueError("nobody thought of this")

    with bench.arming(stale_s=1.0, stuck_s=2.0) as arming:
        bench.play(arming, lambda: arming.status.state is State.ARMED)
        crossed_ns = time.monotonic_ns()
        assert arming.may_record(crossed_ns)
        bench.clock = broken
        bench.play(arming, lambda: not arming.may_record(crossed_ns))
        with pytest.raises(NodeError, match=r"arming thread failed|checks have not been made"):
            bench.play(arming, lambda: checked(arming))
        hang.set()


def test_a_clock_that_is_not_known_never_arms(bench: Bench) -> None:
    bench.clock = lambda: None
    with bench.arming() as arming:
        bench.play(arming, lambda: [reason.check for reason in arming.status.reasons] == [CheckName.CLOCK])
    assert len(bench.told) == 1
    assert "chrony" in bench.told[0].words


@pytest.mark.parametrize("touched", ["record", "site"])
def test_what_was_changed_since_disarms_until_it_is_commissioned_again(bench: Bench, touched: str) -> None:
    if touched == "site":
        bench.site_sha256 = "e" * 64
    else:
        document = json.loads((bench.folder / RECORD).read_bytes())
        (bench.folder / RECORD).write_text(json.dumps(document | {"by": "Eve"}))
    with bench.arming() as arming:
        picture = lambda: CheckName.PICTURE in {one.check for one in arming.status.reasons}  # noqa: E731
        bench.play(arming, lambda: not picture())
        reasons = {reason.check: reason.words for reason in arming.status.reasons}
    assert "stopline commission" in reasons[CheckName.COMMISSIONING]
    assert len(bench.told) == 1


def test_a_full_outbox_disarms_and_still_takes_that_change_of_state(bench: Bench, tmp_path: Path) -> None:
    origin = {"software": __version__, "model_sha256": "b" * 64, "site_sha256": SITE.sha256}
    most_bytes = CASE_BYTES + 1_000_000
    with Outbox(tmp_path / "outbox.sqlite", max_bytes=most_bytes) as outbox:
        events = StateEvents(outbox, bench.key, "stopline/v1/s/n/event/state", "stopline://s/n", origin)
        bench.outbox_full = outbox.full
        with bench.arming() as arming:
            bench.play(arming, lambda: arming.status.state is State.ARMED)
            outbox.append(Message("e", "t", "c", bytes(most_bytes - most_bytes // 100)))
            with pytest.raises(OutboxError, match="is full"):
                outbox.append(Message("f", "t", "c", b"f"))
            bench.play(arming, lambda: arming.status.state is State.DISARMED)
            (reason,) = bench.told[-1].reasons
            events.tell(bench.told[-1], None)
        assert reason.check is CheckName.DISK
        assert reason.words.startswith("The outbox is full with 1 unsent messages")
        assert outbox.counts().pending == 2
        assert outbox.ledger().size == 1


def test_an_outbox_that_cannot_be_asked_disarms(bench: Bench) -> None:
    def broken() -> str | None:
        raise OutboxError("outbox.sqlite failed (disk I/O error): check the disk it lies on")

    bench.outbox_full = broken
    with bench.arming() as arming:
        bench.play(arming, lambda: [reason.check for reason in arming.status.reasons] == [CheckName.DISK])
        arming.check()
    assert "check the disk it lies on" in arming.status.reasons[0].words


@pytest.mark.parametrize("touched", ["site", "software"])
def test_what_was_commissioned_beside_a_node_at_work_counts_once_it_is_restarted(
    bench: Bench, touched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and disk agree then, and the node still judges by the lines that it read when it was started."""
    monkeypatch.setattr(arming_module, "_FILES_EVERY_S", 0.3)
    with bench.arming() as arming:
        bench.play(arming, lambda: arming.status.state is State.ARMED)
        if touched == "site":
            bench.site_sha256 = "e" * 64
        else:
            monkeypatch.setattr(arming_module, "software_sha256", lambda: "e" * 64)
        bench.play(arming, lambda: arming.status.state is State.DISARMED)
        assert "stopline commission" in arming.status.reasons[0].words
        bench.commission()
        bench.play(arming, lambda: "stopline commission" not in arming.status.reasons[0].words)
        crossed_ns = time.monotonic_ns()
        time.sleep(1.0)
        (reason,) = arming.status.reasons
        assert (reason.check, reason.outcome) == (CheckName.COMMISSIONING, Outcome.NOT_OK)
        named = {"site": "the site file", "software": "the software's files"}[touched]
        assert reason.words == f"Changed since the node was started: {named}; restart it."
        assert not arming.may_record(crossed_ns)


def test_a_node_started_without_a_record_is_held_to_what_it_has_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arming_module, "_FILES_EVERY_S", 0.3)
    (bench.folder / RECORD).unlink()
    with bench.arming() as arming:
        monkeypatch.setattr(arming_module, "software_sha256", lambda: "e" * 64)
        bench.commission()
        words = lambda: {one.check: one.words for one in arming.status.reasons}.get(CheckName.COMMISSIONING, "")  # noqa: E731
        bench.play(arming, lambda: "not commissioned" not in words())
        assert words() == "Changed since the node was started: the software's files; restart it."


def test_a_change_is_a_signed_event_with_a_place_in_the_ledger(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    origin = {"software": __version__, "model_sha256": "b" * 64, "site_sha256": "a" * 64}
    finding = Finding(CheckName.CLOCK, Outcome.NOT_OK, "The clock is known to 250.0 ms.", 250.0)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        events = StateEvents(outbox, key, "stopline/v1/s/n/event/state", "stopline://s/n", origin)
        events.tell(Change(5 * NS_PER_S, State.DISARMED, State.ARMED, (finding,)), None)
        (row,) = outbox.pending(10)
        assert outbox.ledger().size == 1
    found = event.verify(row.message.payload, trust(key.public))
    assert (found.is_violation, found.sequence, found.lane, found.vehicle_class) == (False, 1, "arming", None)
    assert found.document["data"]["reason"] == "The clock is known to 250.0 ms."
    assert found.document["data"]["clock"] == {"utc_bound_ms": 250.0}
    assert row.message.topic == "stopline/v1/s/n/event/state"
    name, native = verify.load_key(key.public.pem)
    report = verify.check(row.message.payload, {name: native})
    assert (report.outcome, report.intact) == (verify.Outcome.STATED, True)
    assert verify.check(row.message.payload, {}).outcome is verify.Outcome.UNTRUSTED
    touched = verify.check(row.message.payload.replace(b"250.0 ms", b"50.0 ms"), {name: native})
    assert touched.outcome is verify.Outcome.CHANGED
