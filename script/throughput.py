"""The whole chain's rate against the detector's own, in one run and on two cores; called by script/bench."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import av
import numpy as np
import pyrage

from edge.commands.chain import approach_for, desk_for, masker, ring_for
from edge.config import Evidence, load_site
from edge.detector import Detector, load_model
from edge.embedded import embedded_model
from edge.errors import StoplineError
from edge.evidence.keeper import CaseKeeper
from edge.keys import create_key
from edge.mqtt import Topics
from edge.node import EventsAlone, Identity, QueuedLamps, Recorder, judge_stream
from edge.outbox import Outbox
from edge.pipeline import StageTimes, detect_stream
from edge.results import ResultFolder
from edge.sources.timeline import read_timeline
from edge.sources.video import open_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.config import Site
    from edge.evidence.ring import PacketRing
    from edge.records import Size

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "bench"
FIXTURE = ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4"
CORES = 2
FPS = 25
PREPARED = 40
# A parent's own size counts in what wait4 tells of its child, so the child tells its peak itself.
REPLAY = """
import sys
from pathlib import Path
from edge.cli import main
try:
    main()
finally:
    sys.stderr.write(Path("/proc/self/status").read_text())
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of stream and the share of the detector's own rate that it must keep."""

    name: str
    size_px: Size
    bits_per_s: int
    bar: float
    most_memory_mb: int = 400
    with_evidence: bool = False
    longer: float = 1.0

    @property
    def label(self) -> str:
        """Its name in tables."""
        return f"{self.name}, evidence" if self.with_evidence else self.name


CASES = (
    Case("640x360", (640, 360), 1_000_000, 0.95),
    Case("1920x1080", (1920, 1080), 5_000_000, 0.80),
    # Long enough that evidence is made while the chain goes on: a violation every 26 s of video.
    Case("640x360", (640, 360), 1_000_000, 0.85, most_memory_mb=500, with_evidence=True, longer=6.0),
)


@dataclass(slots=True)
class Figures:
    """What was measured of one case; rates in frames a second, one of each a round."""

    case: str
    bar: float
    most_memory_mb: int
    detector_fps: list[float] = field(default_factory=list)
    chain_fps: list[float] = field(default_factory=list)
    stages_ms: dict[str, float] = field(default_factory=dict)
    passages: int = 0
    violations: int = 0
    bundles: int = 0
    peak_memory_mb: float = 0.0

    @property
    def ratio(self) -> float:
        """Median over the rounds of the chain's rate to the mean of the detector's just before and just after."""
        around = zip(self.detector_fps, self.detector_fps[1:], self.chain_fps, strict=False)
        return median(2 * chain / (before + after) for before, after, chain in around)

    @property
    def passes(self) -> bool:
        """Whether both bars are kept."""
        return self.ratio >= self.bar and self.peak_memory_mb <= self.most_memory_mb


def main() -> int:
    """Measure both cases and print them."""
    options = _options()
    _keep_to_two_cores()
    model = load_model(options.model or embedded_model())
    figures = []
    for case in CASES:
        video = make_video(case, options.seconds * case.longer)
        detector = Detector(model, case.size_px, threads=1)
        figures.append(measure(case, video, detector, options.rounds))
        figures[-1].peak_memory_mb = peak_memory_mb(case, video, options.model)
    if options.json:
        print(json.dumps({"model": model.name, "cases": [_plain(each) for each in figures]}, indent=2))
    else:
        _print(model.name, figures)
    return 0 if all(each.passes for each in figures) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--model", type=Path, help="the TOML file of another model than the embedded one")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of the recordings (default 12)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each side is measured (default 7)")
    parser.add_argument("--json", action="store_true", help="figures for a program to read")
    return parser.parse_args()


def _keep_to_two_cores() -> None:
    cores = sorted(os.sched_getaffinity(0))
    others = os.getloadavg()[0]
    if others > len(cores) / 4:
        print(f"This machine is busy (load {others:.1f}): the ratios come out lower than they are.", file=sys.stderr)
    if len(cores) < CORES:
        print("This machine has one core: the figures are not those of the product's target.", file=sys.stderr)
    os.sched_setaffinity(0, cores[:CORES])


def measure(case: Case, video: Path, detector: Detector, rounds: int) -> Figures:
    """Detector and chain in turn, the detector last again: each run of the chain stands between two of the detector."""
    figures = Figures(case.label, case.bar, case.most_memory_mb)
    with open_video(video) as source:
        prepared = [detector.prepare(frame) for frame in islice(source, PREPARED)]
        frames = source.frame_count or PREPARED

    def alone() -> float:
        start = time.perf_counter()
        for each in islice(cycle(prepared), frames):
            detector.infer(each)
        return frames / (time.perf_counter() - start)

    alone()  # warm up
    for _ in range(rounds):
        figures.detector_fps.append(alone())
        run_chain(case, video, detector, figures)
    figures.detector_fps.append(alone())
    return figures


def run_chain(case: Case, video: Path, detector: Detector, figures: Figures) -> None:
    """Once through the whole chain, from opening the recording to the last verdict.

    Evidence is made meanwhile, by a thread of low priority as in the node; what of it is left at the end is a live
    node's next seconds, and is not timed.
    """
    times = StageTimes()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=FOLDER)))
        site = load_site(write_site(folder, case))
        lamps = read_timeline(write_lamps(folder))
        results = stack.enter_context(ResultFolder(folder))
        outbox = stack.enter_context(Outbox(folder / "outbox.sqlite"))
        identity = Identity("bench", create_key(folder / "node.key"), detector.model.sha256)
        ring, taker = _taker(case, site, (folder / "site.toml").read_bytes(), identity, outbox)
        recorder = Recorder(site, identity, taker, lambda: None)
        approach = approach_for(site, detector, trust_start=True)
        start = time.perf_counter()
        source = stack.enter_context(open_video(video, tap=ring))
        for _, judged in judge_stream(detect_stream(source, detector, times=times), QueuedLamps(lamps), approach):
            for passage in judged:
                results.record(passage)
                recorder.record(passage)
        seconds = time.perf_counter() - start
        figures.bundles = outbox.counts().pending
        figures.chain_fps.append(source.stats.decoded / seconds)
        if isinstance(taker, CaseKeeper):
            taker.close()
    figures.stages_ms = times.per_frame_ms()
    figures.passages = recorder.verdicts.total()
    figures.violations = sum(number for verdict, number in recorder.verdicts.items() if verdict == "violation")


def _taker(
    case: Case, site: Site, site_toml: bytes, identity: Identity, outbox: Outbox
) -> tuple[PacketRing | None, EventsAlone | CaseKeeper]:
    """What takes the violations, with the ring that its evidence comes from."""
    if not case.with_evidence:
        return None, EventsAlone(outbox, identity.key, "bench/violation", lambda _id, _raw: None)
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    evidence = Evidence(recipients=(recipient,))
    ring = ring_for(evidence, site)
    desk = desk_for(evidence, site, site_toml, identity.key, Topics("bench", site.site.id, "bench"))
    return ring, CaseKeeper(outbox, desk, ring, evidence, masker())


def peak_memory_mb(case: Case, video: Path, model: Path | None) -> float:
    """The largest resident size that the real command reaches on this recording."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        command = [sys.executable, "-c", REPLAY, "replay", str(video)]
        command += ["--site", str(write_site(folder, case))]
        command += ["--signal", str(write_lamps(folder)), "--out", str(folder / "out")]
        command += [] if case.with_evidence else ["--no-evidence"]
        command += ["--model", str(model)] if model else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    if done.returncode or peak is None:
        raise StoplineError(f"stopline replay ended with exit code {done.returncode}: {done.stderr.strip()}")
    return int(peak[1]) / 1024


def make_video(case: Case, seconds: float) -> Path:
    """A recording at the case's size: the committed fixture in a loop, with a camera's noise and bit rate."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kind = "fixture" if FIXTURE.exists() else "drawn"
    path = FOLDER / f"{kind}-{case.name}-{seconds:g}s.mp4"
    if path.exists():
        return path
    print(f"making {path.relative_to(ROOT)} once", file=sys.stderr)
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "bf": "0", "g": "50"})
        stream.width, stream.height = case.size_px
        stream.pix_fmt, stream.bit_rate = "yuv420p", case.bits_per_s
        pictures = recorded(case.size_px) if FIXTURE.exists() else drawn(case.size_px)
        for index, picture in enumerate(islice(noisy(pictures), round(seconds * FPS))):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    shutil.move(part, path)
    return path


def recorded(size_px: Size) -> Iterator[NDArray[uint8]]:
    """The committed fixture, over and over."""
    while True:
        with open_video(FIXTURE) as source:
            for frame in source:
                yield frame.picture.scaled(size_px)


def drawn(size_px: Size) -> Iterator[NDArray[uint8]]:
    """A grey road with darker and lighter boxes that drive up it, where no fixture is committed."""
    width, height = size_px
    road = np.tile(np.linspace(90, 140, height).astype(np.uint8)[:, None, None], (1, width, 3))
    for index in count():
        picture = road.copy()
        for car in range(6):
            y = (height - (index * (2 + car) + car * 97) * height // 360) % height
            x = width * (car + 1) // 8
            picture[y : y + height // 6, x : x + width // 10] = (40 * car, 250 - 40 * car, 60 + 20 * car)
        yield picture


def noisy(pictures: Iterator[NDArray[uint8]]) -> Iterator[NDArray[uint8]]:
    """Sensor noise of 3 grey levels: without it an enlarged picture is too easy to decode."""
    random = np.random.default_rng(1)
    first = next(pictures)
    planes = [np.rint(random.normal(0, 3, first.shape)).astype(np.int8) for _ in range(5)]
    yield first
    for picture, plane in zip(pictures, cycle(planes), strict=False):
        yield np.clip(picture.astype(np.int16) + plane, 0, 255).astype(np.uint8)


def write_site(folder: Path, case: Case) -> Path:
    """One lane over the whole width, so that whatever drives up the picture is judged."""
    width, height = case.size_px
    path = folder / "site.toml"
    path.write_text(f"""schema = 1
[site]
id = "bench"
[camera]
size_px = [{width}, {height}]
[[signal_groups]]
id = "approach"
[[lanes]]
id = "lane"
signal_group = "approach"
stop_line_px = [[0, {height * 0.6}], [{width}, {height * 0.6}]]
confirm_line_px = [[0, {height * 0.4}], [{width}, {height * 0.4}]]
direction = [0.0, -1.0]
contact = "rear"
""")
    return path


def write_lamps(folder: Path) -> Path:
    """Green, then amber at 1 s and red from 4 s on."""
    path = folder / "lamps.csv"
    path.write_text("t_s,group,red,amber,green\n-9,approach,0,0,1\n1,approach,0,1,0\n4,approach,1,0,0\n")
    return path


def _plain(figures: Figures) -> dict[str, object]:
    return {**asdict(figures), "ratio": figures.ratio, "passes": figures.passes}


def _print(model: str, figures: list[Figures]) -> None:
    print(
        f"{model}, one inference thread, {CORES} cores; the detector alone is fed frames decoded and prepared before\n"
    )
    print(f"{'':19}{'detector':>10}{'chain':>10}{'ratio':>8}{'bar':>7}{'memory':>9}   passages (violations)")
    for each in figures:
        detector, chain = median(each.detector_fps), median(each.chain_fps)
        print(
            f"{each.case:19}{detector:>6.1f} fps{chain:>6.1f} fps{each.ratio:>8.3f}{each.bar:>7.2f}"
            f"{each.peak_memory_mb:>6.0f} MB   {each.passages} ({each.violations})"
            f"{'' if each.passes else '   BELOW THE BAR'}"
        )
    print("\nwhere the time goes, in ms a frame (decode and prepare share a thread, so do head and judge)")
    print(f"{'':19}" + "".join(f"{stage:>10}" for stage in figures[0].stages_ms))
    for each in figures:
        print(f"{each.case:19}" + "".join(f"{ms:>10.2f}" for ms in each.stages_ms.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StoplineError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
