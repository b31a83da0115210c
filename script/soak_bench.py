"""What a soak is made of: a looped camera, lamps that fail by a plan, a clock that steps, a node begun again."""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import av
import numpy as np
import pyrage

from edge.keys import create_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "sim_fixtures" / "plain_red_runner"
STOPLINE = Path(sys.executable).with_name("stopline")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FPS = Fraction(25, 2)
_KEY_EVERY = 12
CYCLE_S = 23.0
FAULT_EVERY_CYCLES = 10
FAULT_CYCLE = 7
FAULTS = ("dark", "conflict", "short_amber", "order")
UNIT = ROOT / "firmware-config" / "rootfs" / "etc" / "systemd" / "system" / "stopline.service"


def restart_s(unit: str) -> float:
    """How long systemd waits before it starts the node anew, by the unit that goes onto the device."""
    found = re.search(r"^RestartSec=([0-9.]+)(ms|s|)$", unit, re.MULTILINE)
    assert found is not None, "the unit does not say RestartSec in s or ms"
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


RESTART_S = restart_s(UNIT.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class LampFault:
    """A fault that the timeline holds: when it begins, in s from the node's first picture, and what it is."""

    t_s: float
    kind: str


def lamp_plan(duration_s: float) -> tuple[str, list[LampFault]]:
    """A timeline of whole cycles, every tenth of them with a fault in the group ``north``, as CSV; and those faults."""
    rows, faults = ["t_s,group,red,amber,green"], []
    for cycle in range(math.ceil(duration_s / CYCLE_S) + 1):
        start_s = cycle * CYCLE_S
        kind = FAULTS[cycle // FAULT_EVERY_CYCLES % 4] if cycle % FAULT_EVERY_CYCLES == FAULT_CYCLE else ""
        steps = [(0.0, "north", "0,0,1"), *_north(kind), (0.0, "cross", "1,0,0"), *_CROSS]
        rows += [f"{start_s + at_s:.3f},{group},{lit}" for at_s, group, lit in sorted(steps, key=lambda step: step[0])]
        if kind:
            faults.append(LampFault(start_s + _BEGINS_S[kind], kind))
    return "\n".join(rows) + "\n", faults


_CROSS = [(14.5, "cross", "0,0,1"), (18.5, "cross", "0,1,0"), (21.5, "cross", "1,0,0")]
_BEGINS_S = {"dark": 15.0, "conflict": 15.0, "short_amber": 12.0, "order": 9.0}


def _north(kind: str) -> list[tuple[float, str, str]]:
    """The group's steps after its green; it ends on red, from which the next cycle's green begins."""
    if kind == "order":
        return [(9.0, "north", "1,0,0")]
    if kind == "short_amber":
        return [(11.0, "north", "0,1,0"), (12.0, "north", "1,0,0")]
    usual = [(9.0, "north", "0,1,0"), (12.0, "north", "1,0,0")]
    broken = {"dark": "0,0,0", "conflict": "1,0,1"}.get(kind)
    return usual if broken is None else [*usual, (15.0, "north", broken), (17.0, "north", "1,0,0")]


def slower_video(target: Path) -> None:
    """Every second picture of the fixture, so that the soak takes little CPU."""
    with av.open(str(CASE / "video.mp4")) as recording:
        _encode(itertools.islice(recording.decode(video=0), 0, None, 2), target)


def covered_video(target: Path) -> None:
    """What a camera shows that somebody has put a bag over: one second of a dark picture, its noise alone moving."""
    noise = np.random.default_rng(1)
    dark = (noise.integers(0, 8, (360, 640, 3), np.uint8) for _ in range(_KEY_EVERY))
    _encode((av.VideoFrame.from_ndarray(pixels, format="rgb24") for pixels in dark), target)


def _encode(pictures: Iterable[av.VideoFrame], target: Path) -> None:
    """As a camera does, always with the same settings, so that one stream may go on as another."""
    with av.open(str(target), "w") as out:
        key_every = {"g": str(_KEY_EVERY), "keyint_min": str(_KEY_EVERY)}
        stream = out.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "crf": "23", "bf": "0", **key_every}
        )
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for index, frame in enumerate(pictures):
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base, picture.pict_type = index, 1 / FPS, 0
            out.mux(stream.encode(picture))
        out.mux(stream.encode())


class Packet(NamedTuple):
    """An encoded picture and whether it can be decoded alone."""

    data: bytes
    is_key: bool


class Camera:
    """Sends a recording over and over as a network camera does, each packet at its own time; fails when told to."""

    def __init__(self, video: Path, covered: Path, port: int) -> None:
        self._video = video
        self._covered = covered
        self._port = port
        self._fails = ""
        self._until_s = 0.0
        self._begun = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera")

    def fail(self, how: str, seconds: float) -> float:
        """For so long: ``silent`` sends nothing, ``frozen`` one picture over and over, ``covered`` a dark one.

        Says when it began: what is sent can become another at a key picture only.
        """
        self._begun.clear()
        self._until_s = time.monotonic() + seconds
        self._fails = how
        assert self._begun.wait(10), "the camera does not send"
        return time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        with av.open(str(self._video)) as recording:
            template = recording.streams.video[0]
            with av.open(f"udp://127.0.0.1:{self._port}?pkt_size=1316", "w", "mpegts") as out:
                self._send(self._shown(), out, out.add_stream_from_template(template))

    def _shown(self) -> Iterator[Packet | None]:
        """What is sent for each picture of the recording, for ever; None for nothing. Changes at key pictures alone."""
        usual, covered = _packets(self._video), _packets(self._covered)
        frozen = next(one for one in usual if one.is_key)
        how, since = "", 0
        for number in itertools.count():
            packet, failing = usual[number % len(usual)], self._failing
            if failing != how and (failing == "silent" or packet.is_key):
                how, since = failing, number
                self._begun.set()
            dark = covered[(number - since) % len(covered)]
            yield {"": packet, "silent": None, "frozen": frozen, "covered": dark}[how]

    @property
    def _failing(self) -> str:
        return self._fails if time.monotonic() < self._until_s else ""

    def _send(self, packets: Iterator[Packet | None], out: Any, stream: Any) -> None:
        start_s = time.monotonic()
        for number, shown in enumerate(packets):
            if self._over.wait(max(0.0, start_s + number / float(FPS) - time.monotonic())):
                return
            if shown is not None:
                packet = av.Packet(shown.data)
                packet.pts = packet.dts = number
                packet.time_base, packet.is_keyframe, packet.stream = 1 / FPS, shown.is_key, stream
                out.mux(packet)


def _packets(video: Path) -> list[Packet]:
    with av.open(str(video)) as recording:
        return [Packet(bytes(one), one.is_keyframe) for one in recording.demux(video=0) if one.size]


class Clock:
    """A ``chronyc`` of our own on the node's path; the machine's clock is not touched."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._tracking = folder / "tracking"
        self.path = f"{folder}:{os.environ['PATH']}"
        program = folder / "chronyc"
        program.write_text(f'#!/bin/sh\ncat "{self._tracking}"\n', encoding="utf-8")
        program.chmod(0o755)
        self.step(0.0005)

    def step(self, offset_s: float) -> None:
        """Let chrony say that the clock is off by so much."""
        fields = ["7F000001", "test", "2", "0", f"{offset_s:.9f}", *["0"] * 5, "0.001", "0.0005", "64.0", "Normal"]
        passing = self._tracking.with_suffix(".new")
        passing.write_text(",".join(fields) + "\n", encoding="ascii")
        passing.replace(self._tracking)


@dataclass(slots=True)
class Life:
    """One process of the node: when it began, its memory over time in (s since then, MB), and how it ended.

    ``meant`` is the exit code that it was to end by: 0, or that of a kill, or of a camera that stayed away.
    """

    began_s: float
    memory: list[tuple[float, float]] = field(default_factory=list)
    code: int | None = None
    meant: int = 0


class Node:
    """``stopline run``, begun again whenever it ends, as systemd would."""

    def __init__(self, folder: Path, camera_port: int, path: str) -> None:
        self.folder = folder
        self.prometheus = folder / "stopline.prom"
        self.lives: list[Life] = []
        self._camera = f"udp://127.0.0.1:{camera_port}?overrun_nonfatal=1&fifo_size=1000"
        self._environment = {**os.environ, "PATH": path}
        self._log = (folder / "node.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it."""
        words = ["--site", "site.toml", "--node", "node.toml", "--signal", "lamps.csv"]
        self.lives.append(Life(time.monotonic()))
        self._process = subprocess.Popen(
            [STOPLINE, "run", self._camera, *words],
            cwd=self.folder,
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def commission(self, seconds: float) -> None:
        """Have the node commissioned, so that it may arm itself."""
        words = ["--site", "site.toml", "--node", "node.toml", "--by", "soak", "--for", f"{seconds:g}"]
        subprocess.run(
            [STOPLINE, "commission", self._camera, *words],
            cwd=self.folder,
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
            check=True,
            timeout=300,
        )

    def watch(self) -> None:
        """Note its memory; begin it again where it has ended by itself, which is a crash."""
        assert self._process is not None
        life = self.lives[-1]
        code = self._process.poll()
        if code is None:
            life.memory.append((time.monotonic() - life.began_s, _rss_mb(self._process.pid)))
            return
        life.code = code
        time.sleep(RESTART_S)
        self.begin()

    def expect_end(self, code: int) -> None:
        """It is to end by itself now."""
        self.lives[-1].meant = code

    def kill(self) -> float:
        """SIGKILL, and begin again; says when it was killed."""
        assert self._process is not None
        killed_s = time.monotonic()
        self._process.kill()
        self.lives[-1].code = self.lives[-1].meant = self._process.wait()
        time.sleep(RESTART_S)
        self.begin()
        return killed_s

    def end(self) -> int:
        """SIGTERM; says its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self.lives[-1].code = code
        self._log.close()
        return code

    def told(self) -> tuple[float, dict[str, float]]:
        """When the file for Prometheus was written, on the monotonic clock, and what stands in it by name."""
        try:
            text = self.prometheus.read_text(encoding="ascii")
            written_s = time.monotonic() - (time.time() - self.prometheus.stat().st_mtime)
        except OSError:
            return 0.0, {}
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return written_s, {name.partition("{")[0]: float(value) for name, _, value in lines}


def _rss_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6
    except OSError:
        return math.nan


def prepare(folder: Path, broker_url: str, duration_s: float) -> list[LampFault]:
    """All the files a node needs; gives the faults that its lamps will have."""
    slower_video(folder / "video.mp4")
    covered_video(folder / "covered.mp4")
    timeline, faults = lamp_plan(duration_s)
    (folder / "lamps.csv").write_text(timeline, encoding="utf-8")
    _write_site(folder / "site.toml")
    create_key(folder / "node.key")
    recipient = pyrage.x25519.Identity.generate().to_public()
    (folder / "node.toml").write_text(
        f'schema = 1\n\n[node]\nid = "soak"\nkey = "node.key"\nstate = "state"\n\n'
        f'[broker]\nurl = "{broker_url}"\n\n'
        f'[evidence]\nrecipients = ["{recipient}"]\nbefore_s = 3.0\nafter_s = 2.0\n\n'
        f'[telemetry]\nprometheus = "stopline.prom"\n',
        encoding="utf-8",
    )
    return faults


def _write_site(target: Path) -> None:
    """The fixture's site without the lamps' places in the picture: the picture's lamps keep their own time."""
    kept, skipping = [], False
    for line in (CASE / "site.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            skipping = line.startswith("[signal_groups.view]")
        if not skipping:
            kept.append(line)
    target.write_text("\n".join(kept) + "\n", encoding="utf-8")


def fresh_folder(folder: Path) -> Path:
    """An empty folder that a broker's own user may enter."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    return folder
