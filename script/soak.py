"""A node for hours, with faults put into it, and what must hold all the while; called by script/soak."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from soak_bench import FAULTS, ROOT, Camera, Clock, LampFault, Node, fresh_folder, prepare

sys.path.insert(0, str(ROOT))

from tests.broker import Mosquitto
from tests.live import free_udp_port

if TYPE_CHECKING:
    from collections.abc import Callable

NAMED_WITHIN_S = 5.0
BACK_WITHIN_S = 5.0
MOST_SLOPE_MB_H = 1.0
WARM_S = 600.0
JUDGED_FROM_S = 1200.0  # of samples, so that a slope means something
ARMED_WITHIN_S = 240.0
SAMPLE_S = 5.0
MOST_LOAD = 2.0 * (os.cpu_count() or 1)
COMMISSIONED_OVER_S = 10.0
FAULT_EVERY_S = 75.0
LAMPS_FAIL_S = 2.0
ALL_KINDS_FROM_MIN = 60.0
MOST_NOT_JUDGED = 0.1
KINDS = (
    *("killed", "camera silent for 4 s", "camera silent for 12 s", "camera away for 45 s", "camera frozen"),
    *("camera covered", "clock off by 250 ms", "broker killed", *(f"lamps: {kind}" for kind in FAULTS)),
)
LAMPS_FIRST_SEEN_S = 9.0  # the first phase that begins in the timeline: an amber


@dataclass(slots=True)
class Timed:
    """A fault that was put in, or a kill: how long until telemetry named it or a frame was judged, None where never.

    ``load`` is the machine's load average then, which says whether a late one means anything.
    """

    what: str
    at_s: float
    after_s: float | None = None
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))

    @property
    def is_judged(self) -> bool:
        """Whether the figure says something of the node: a busy machine makes it late, never early."""
        in_time = self.after_s is not None and self.after_s <= min(NAMED_WITHIN_S, BACK_WITHIN_S)
        return in_time or self.load <= MOST_LOAD


@dataclass(slots=True)
class Report:
    """What came of it."""

    minutes: float = 0.0
    load_average: float = 0.0
    frames: int = 0
    restarts: list[Timed] = field(default_factory=list)
    crashes: int = 0
    last_code: int | None = None
    faults: list[Timed] = field(default_factory=list)
    not_judged: int = 0
    unseen: int = 0
    lives_unplaced: int = 0
    memory_mb: float = 0.0
    slope_mb_h: float | None = None
    slope_over_s: float = 0.0
    events: int = 0
    violations: int = 0
    events_doubled: int = 0
    copies: int = 0
    events_missing: int = 0
    left_in_outbox: int = 0
    disarmed: dict[str, float] = field(default_factory=dict)
    armed_share: float | None = None
    late_to_arm: int = 0
    problems: list[str] = field(default_factory=list)


class Watcher:
    """Hears all that the node says, over a session that the broker keeps; payloads of evidence are not kept."""

    def __init__(self, port: int) -> None:
        self.health: list[tuple[float, dict[str, Any]]] = []
        self.signals: list[tuple[float, dict[str, Any]]] = []
        self.events: dict[str, int] = {}
        self.violations = 0
        self.copies = 0
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "soak", protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe([("stopline/#", 1)])
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 86_400
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        now_s, (kind, *rest) = time.monotonic(), message.topic.split("/")[4:]
        with self._lock:
            if kind == "health":
                self.health.append((now_s, json.loads(message.payload)))
            elif kind == "signal":
                self.signals.append((now_s, json.loads(message.payload)))
            elif kind == "event":
                document = json.loads(message.payload)
                is_new = document["id"] not in self.events
                self.copies += not is_new
                self.violations += is_new and rest == ["violation"]
                self.events[document["id"]] = int(document["sequence"])

    def first(self, since_s: float, true: Callable[[dict[str, Any]], bool]) -> float | None:
        """How long after an instant a health message first said so."""
        with self._lock:
            return next((at_s - since_s for at_s, health in self.health if at_s >= since_s and true(health)), None)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Soak:
    """The run itself: a plan of faults, each put in, awaited and noted."""

    def __init__(self, node: Node, camera: Camera, clock: Clock, broker: Mosquitto, watcher: Watcher) -> None:
        self._node = node
        self._camera = camera
        self._clock = clock
        self._broker = broker
        self._watcher = watcher
        self._began_s = time.monotonic()
        self._loads = [(self._began_s, os.getloadavg()[0])]
        self._silences_s: list[tuple[float, float]] = []
        self._unheard_s: list[tuple[float, float]] = []  # while there was no broker to hear of a fault by
        self.report = Report()

    def run(self, duration_s: float) -> None:
        """Faults one after the other; what ends the node comes at first and at last, and it lives long in between."""
        end_s = self._began_s + duration_s
        ends_s = min(WARM_S / 2, duration_s / 8)
        self._rest(min(20.0, duration_s / 10))
        survived = itertools.cycle(
            [self._short_stall, self._clock_step, self._frozen, self._long_stall, self._broker_loss, self._covered]
        )
        fatal = itertools.cycle([self._kill, self._away])
        self._kill()
        while (now_s := time.monotonic()) < end_s - 30:
            self._rest(min(FAULT_EVERY_S, duration_s / 12))
            at_edge = now_s < self._began_s + ends_s or now_s > end_s - ends_s
            next(fatal if at_edge else survived)()
        self._kill()
        self._rest(20.0)

    def _rest(self, seconds: float) -> None:
        """Let time pass, and look after the node meanwhile."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(SAMPLE_S, left_s))
            self._node.watch()
            self._loads.append((time.monotonic(), os.getloadavg()[0]))

    def _note(self, what: str, at_s: float, seen: Callable[[], float | None]) -> None:
        """Wait until a fault is named, for longer than it may take, so that the report can tell by how much."""
        named = Timed(what, round(at_s - self._began_s, 1))
        while named.after_s is None and time.monotonic() < at_s + 4 * NAMED_WITHIN_S:
            after_s = seen()
            named.after_s = None if after_s is None else round(after_s, 2)
            time.sleep(0.05)
        self.report.faults.append(named)
        print(f"{named.at_s:8.1f} s  {what}: named after {named.after_s}", flush=True)

    def _short_stall(self) -> None:
        self._stall("camera silent for 4 s", 4.0)

    def _long_stall(self) -> None:
        self._stall("camera silent for 12 s", 12.0)

    def _away(self) -> None:
        """For longer than the node has patience: it ends, is started anew, and waits for the camera."""
        self._node.expect_end(1)
        self._stall("camera away for 45 s", 45.0)
        self._rest(10.0)

    def _frozen(self) -> None:
        self._spoil("frozen")

    def _covered(self) -> None:
        self._spoil("covered")

    def _spoil(self, how: str) -> None:
        at_s = self._camera.fail(how, 10.0)
        self._note(f"camera {how}", at_s, lambda: self._watcher.first(at_s, _picture_is_bad))
        self._rest(max(0.0, at_s + 12.0 - time.monotonic()))

    def _stall(self, what: str, seconds: float) -> None:
        at_s = self._camera.fail("silent", seconds)
        self._silences_s.append((at_s, at_s + seconds))
        self._note(what, at_s, lambda: self._watcher.first(at_s, _is_silent))
        self._rest(max(0.0, at_s + seconds - time.monotonic()) + 5.0)

    def _clock_step(self) -> None:
        at_s = time.monotonic()
        self._clock.step(0.25)
        self._note("clock off by 250 ms", at_s, lambda: self._watcher.first(at_s, _clock_is_bad))
        self._rest(10.0)
        self._clock.step(0.0005)

    def _broker_loss(self) -> None:
        at_s = time.monotonic()
        self._broker.kill()
        self._note("broker killed", at_s, lambda: self._told_locally(at_s, "stopline_broker_connected", 0.0))
        self._rest(6.0)
        self._broker.start()
        self._unheard_s.append((at_s, time.monotonic()))
        self._rest(10.0)

    def _told_locally(self, since_s: float, name: str, value: float) -> float | None:
        written_s, told = self._node.told()
        return written_s - since_s if written_s >= since_s and told.get(name) == value else None

    def _kill(self) -> None:
        killed_s = self._node.kill()
        judged = None
        while judged is None and time.monotonic() < killed_s + 60:
            time.sleep(0.02)
            written_s, told = self._node.told()
            if written_s > killed_s and told.get("stopline_frames_judged_total", 0) > 0:
                judged = round(time.monotonic() - killed_s, 2)
        self.report.restarts.append(Timed("killed", round(killed_s - self._began_s, 1), judged))
        print(f"{killed_s - self._began_s:8.1f} s  killed; judging again after {judged}", flush=True)

    def conclude(self, folder: Path, lamp_faults: list[LampFault]) -> Report:
        """Weigh what was seen, the node having ended."""
        report = self.report
        report.minutes = round((time.monotonic() - self._began_s) / 60, 1)
        report.load_average = round(sum(load for _, load in self._loads) / len(self._loads), 1)
        lives = self._node.lives
        report.crashes = sum(life.code != life.meant for life in lives[:-1])
        report.last_code = lives[-1].code
        report.faults += self._lamp_faults(lamp_faults)
        self._weigh_memory()
        self._keep_memory(folder / "memory.csv")
        self._weigh_events(folder)
        self._weigh_arming()
        report.not_judged = sum(not one.is_judged for one in (*report.faults, *report.restarts))
        report.problems = problems(report)
        return report

    def _lamp_faults(self, planned: list[LampFault]) -> list[Timed]:
        """Each planned fault of every life that the node lived to see."""
        named = []
        begun = [life.began_s for life in self._node.lives]
        for began_s, ended_s in zip(begun, [*begun[1:], time.monotonic()], strict=True):
            heard = [(at_s, one) for at_s, one in self._watcher.signals if began_s <= at_s < ended_s]
            north = [(at_s, one) for at_s, one in heard if one["group"] == "north"]
            if not north or north[0][1]["phase"] != "amber":
                self.report.lives_unplaced += 1
                continue
            zero_s = north[0][1]["t_s"] - LAMPS_FIRST_SEEN_S
            for fault in planned:
                at_s = zero_s + fault.t_s
                if any(first <= at_s and at_s + LAMPS_FAIL_S <= last for first, last in self._silences_s):
                    self.report.unseen += 1  # lamps are judged with pictures: what passes between two is in no message
                elif at_s + NAMED_WITHIN_S < ended_s - 5:
                    named.append(self._lamp_fault(fault, at_s))
        return named

    def _lamp_fault(self, fault: LampFault, at_s: float) -> Timed:
        heard_s = next((until_s for since_s, until_s in self._unheard_s if since_s <= at_s < until_s), at_s)
        said = self._watcher.first(heard_s - 0.1, lambda health: health["lamps"]["north"]["fault"] == fault.kind)
        after_s = None if said is None or said > 4 * NAMED_WITHIN_S else round(said - 0.1, 2)
        load = min(self._loads, key=lambda one: abs(one[0] - at_s))[1]
        return Timed(f"lamps: {fault.kind}", round(at_s - self._began_s, 1), after_s, round(load, 1))

    def _weigh_memory(self) -> None:
        life = max(self._node.lives, key=lambda one: len(one.memory))
        samples = [(at_s, mb) for at_s, mb in life.memory if mb == mb]  # noqa: PLR0124 - leaves NaN out
        warm = [(at_s, mb) for at_s, mb in samples if at_s >= WARM_S] or samples[len(samples) // 2 :]
        self.report.memory_mb = round(max((mb for _, mb in samples), default=0.0), 1)
        if len(warm) > 2:
            self.report.slope_over_s = round(warm[-1][0] - warm[0][0], 1)
            self.report.slope_mb_h = round(_slope(warm) * 3600, 3)

    def _keep_memory(self, file: Path) -> None:
        """All samples, so that what grew can be told from what came and went."""
        lives = enumerate(self._node.lives, 1)
        rows = [f"{number},{at_s:.0f},{mb:.1f}" for number, life in lives for at_s, mb in life.memory]
        file.write_text("\n".join(["life,t_s,rss_mb", *rows]) + "\n", encoding="utf-8")

    def _weigh_events(self, folder: Path) -> None:
        report, heard = self.report, self._watcher.events
        with sqlite3.connect(folder / "state" / "outbox.sqlite") as outbox:
            (made,) = outbox.execute("SELECT sequence FROM tally").fetchone()
            (messages,) = outbox.execute("SELECT count(*) FROM message").fetchone()
            (cases,) = outbox.execute("SELECT count(*) FROM open_case").fetchone()
        sequences = Counter(heard.values())
        report.events = len(heard)
        report.violations = self._watcher.violations
        report.copies = self._watcher.copies
        report.events_doubled = sum(number - 1 for number in sequences.values())
        report.events_missing = len(set(range(1, made + 1)) - set(sequences))
        report.left_in_outbox = messages + cases

    def _weigh_arming(self) -> None:
        """How long the node was disarmed at a stretch, and whether it armed again in good time."""
        told = [(at_s, one["arming"]) for at_s, one in self._watcher.health if one["arming"] is not None]
        if not told:
            return
        armed = sum(one["state"] == "armed" for _, one in told)
        self.report.armed_share = round(armed / len(told), 3)
        since_s: float | None = None
        spells = []
        for at_s, one in told:
            if one["state"] == "armed":
                if since_s is not None:
                    spells.append(at_s - since_s)
                since_s = None
            elif since_s is None:
                since_s = at_s
            for check in one["checks"]:
                if check["outcome"] != "ok":
                    self.report.disarmed[check["check"]] = self.report.disarmed.get(check["check"], 0) + 1
        self.report.late_to_arm = sum(spell > ARMED_WITHIN_S for spell in spells)


def _is_silent(health: dict[str, Any]) -> bool:
    return (health["frames"]["silent_s"] or 0) > 2


def _clock_is_bad(health: dict[str, Any]) -> bool:
    return _is_bad("clock", health) or bool((health["machine"]["clock_bound_ms"] or 0) > 100)


def _picture_is_bad(health: dict[str, Any]) -> bool:
    return _is_bad("picture", health)


def _is_bad(check: str, health: dict[str, Any]) -> bool:
    found = (health["arming"] or {}).get("checks", [])
    return any(one["check"] == check and one["outcome"] == "not_ok" for one in found)


def _slope(points: list[tuple[float, float]]) -> float:
    """Of the line through the points by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    under = sum((x - mean_x) ** 2 for x, _ in points)
    return over / under if under else 0.0


def problems(report: Report) -> list[str]:
    """What must not be."""
    found = []
    if report.crashes or report.last_code:
        found.append(f"the node ended by itself {report.crashes} times; at the end with {report.last_code}")
    limits = [(one, NAMED_WITHIN_S) for one in report.faults] + [(one, BACK_WITHIN_S) for one in report.restarts]
    found += _too_little(report)
    found += [
        f"{one.what} at {one.at_s} s: named, or judging again, after {one.after_s} s in place of {most_s:g}"
        for one, most_s in limits
        if one.is_judged and (one.after_s is None or one.after_s > most_s)
    ]
    slope = report.slope_mb_h
    if slope is not None and report.slope_over_s >= JUDGED_FROM_S and slope > MOST_SLOPE_MB_H:
        found.append(f"memory grows by {slope} MB an hour")
    if report.events_missing or report.events_doubled or report.left_in_outbox:
        found.append(
            f"of the events {report.events_missing} are missing, {report.events_doubled} doubled; "
            f"{report.left_in_outbox} messages and cases are left"
        )
    if not report.violations:
        found.append("no violation was recorded at all")
    if report.armed_share == 0.0 or report.late_to_arm:
        found.append(f"it was armed in {report.armed_share} of its messages and late to arm {report.late_to_arm} times")
    return found


def _too_little(report: Report) -> list[str]:
    """What was not shown, of a run that was long enough to show all of it."""
    if report.minutes < ALL_KINDS_FROM_MIN:
        return []
    judged = {one.what for one in (*report.faults, *report.restarts) if one.is_judged}
    found = [f"{kind} was never judged" for kind in KINDS if kind not in judged]
    if report.not_judged > MOST_NOT_JUDGED * (len(report.faults) + len(report.restarts)):
        found.append(f"{report.not_judged} times were late while the machine was too busy to judge them")
    if report.slope_over_s < JUDGED_FROM_S:
        found.append(f"memory was watched for {report.slope_over_s} s only")
    return found


def soak(folder: Path, duration_s: float) -> Report:
    """Run it all in a folder."""
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        port = free_udp_port()
        lamp_faults = prepare(folder, broker.url, duration_s + 600)
        watcher = Watcher(broker.port)
        stack.callback(watcher.close)
        camera = stack.enter_context(Camera(folder / "video.mp4", folder / "covered.mp4", port))
        clock = Clock(folder / "clock")
        node = Node(folder, port, clock.path)
        node.commission(COMMISSIONED_OVER_S)
        node.begin()
        run = Soak(node, camera, clock, broker, watcher)
        try:
            run.run(duration_s)
        finally:
            node.end()
        time.sleep(3.0)  # for what the broker still hands on
        return run.conclude(folder, lamp_faults)


def show(report: Report) -> None:
    """The report in lines."""
    named = [one.after_s for one in report.faults if one.after_s is not None]
    print(f"{report.minutes} minutes, {report.events} events, {report.violations} of them violations")
    print(f"{report.events_missing} missing, {report.events_doubled} under two ids, {report.copies} came again by MQTT")
    print(f"the machine's load was {report.load_average} on {os.cpu_count()} cores: a busy one is late by itself")
    print(f"faults named: {len(named)} of {len(report.faults)}, at most {max(named, default=0):.1f} s after they began")
    if report.unseen:
        print(f"lamp faults that came and went while the camera was silent, and so are not named: {report.unseen}")
    print(f"killed {len(report.restarts)} times; judged again after {[one.after_s for one in report.restarts]} s")
    print(f"late under a load over {MOST_LOAD:g}, and so not judged: {report.not_judged} of these")
    print(f"memory at most {report.memory_mb} MB; slope {report.slope_mb_h} MB/h over {report.slope_over_s} s")
    print(f"armed in {report.armed_share} of all health messages; what kept it from that: {report.disarmed}")
    for problem in report.problems:
        print(f"NOT WELL: {problem}")
    print("well" if not report.problems else f"{len(report.problems)} problems", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--hours", type=float, default=2.0)
    span.add_argument("--minutes", type=float)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "soak")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that broker and node end too
    duration_s = 60 * asked.minutes if asked.minutes is not None else 3600 * asked.hours
    folder = fresh_folder(asked.out.resolve())
    report = soak(folder, duration_s)
    text = json.dumps(asdict(report), indent=2)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    if asked.json:
        print(text)
    else:
        show(report)
    sys.exit(bool(report.problems))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
