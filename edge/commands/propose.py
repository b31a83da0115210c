"""``stopline propose``: a site file proposed from a recording, to be checked by a person."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands.chain import check_writable
from edge.commands.progress import replay_progress
from edge.config import NAME, load_site
from edge.detector import Detector, load_model
from edge.durable import write_whole
from edge.embedded import embedded_model
from edge.errors import ConfigError, SourceError
from edge.pipeline import detect_stream
from edge.proposals.site_text import Recording, site_name
from edge.proposals.watching import Watching
from edge.records import NS_PER_S
from edge.sources.video import open_video
from edge.tracker import TrackerSettings

if TYPE_CHECKING:
    from rich.console import Console

    from edge.proposals.approach import ApproachProposal
    from edge.sources.video import VideoSource


@dataclass(frozen=True, slots=True)
class ProposeRequest:
    """What the command line asked for; ``out`` is None where the file goes to standard output."""

    video: str
    out: Path | None
    site: str | None = None
    group: str = "signal-1"
    model: Path | None = None
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Proposed:
    """The file's text and what was found."""

    text: str
    approach: ApproachProposal
    heads: int


def propose(request: ProposeRequest, console: Console) -> Proposed:
    """Watch the recording and propose a site; written to ``request.out`` if one is named. Raises StoplineError."""
    for option, name in (("--id", request.site), ("--group", request.group)):
        if name is not None and not re.fullmatch(NAME, name):
            raise ConfigError(f"{option} {name!r} is no name: take letters, digits, '.', '_' and '-', at most 64")
    if request.out is not None:
        _check_free(request.out)
        check_writable(request.out, "--out")
    with open_video(request.video, live=False) as video:
        proposed = _watch(request, video, console)
    _check(request.video, proposed.text)
    if request.out is not None:
        _write(request.out, proposed.text)
    return proposed


def _watch(request: ProposeRequest, video: VideoSource, console: Console) -> Proposed:
    model = load_model(request.model or embedded_model())
    scores = TrackerSettings(high=model.thresholds.high, low=model.thresholds.low)
    watching = Watching(scores, video.size_px)
    detector = Detector(model, video.size_px, None, threads=request.threads)
    frames, end_ns = 0, 0
    with replay_progress(console, video.name, video.frame_count) as advance:
        for frame, detections in detect_stream(video, detector):
            watching.frame(frame, detections)
            frames, end_ns = frames + 1, frame.t_ns
            advance()
    if not frames:
        raise SourceError(f"{video.name} holds no picture: give a minute of the camera's video")
    found = watching.propose()
    if found is None:
        raise SourceError(
            f"No vehicle drives along the road in {video.name}: give a minute with traffic, or draw the lines by hand"
        )
    file = Path(request.video)
    site = request.site or site_name(file.stem)
    text = found.text(site, request.group, Recording(file.name, video.size_px, end_ns / NS_PER_S, frames))
    return Proposed(text, found.approach, len(found.heads))


def _check(video: str, text: str) -> None:
    """Read the file as every other command will: paths may lead to lines that no site can have."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "site.toml"
        file.write_text(text)
        try:
            load_site(file)
        except ConfigError as error:
            raise SourceError(
                f"What {video} shows makes no site ({str(error).removeprefix(str(file))}): draw the lines by hand"
            ) from None


def _check_free(file: Path) -> None:
    if file.exists():
        raise ConfigError(f"{file} is there already: name another file with --out, or remove it")


def _write(file: Path, text: str) -> None:
    try:
        write_whole(file, text.encode(), replace=False)
    except FileExistsError:
        raise ConfigError(f"{file} is there already: name another file with --out, or remove it") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written ({error.strerror}): name another with --out") from None
