"""``stopline model``: the detectors at hand, a try-out of one, and known public ones to fetch."""

from __future__ import annotations

import hashlib
import urllib.request
from dataclasses import dataclass
from itertools import islice
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.error import URLError

from edge.detector import Detector, load_model, read_description
from edge.durable import write_whole
from edge.embedded import described_models, embedded_model
from edge.errors import ModelError
from edge.sources.video import open_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MAX_BYTES = 200_000_000
_TIMEOUT_S = 30.0
_CHECKED_FRAMES = 150


def list_models() -> list[dict[str, str]]:
    """The embedded model, and those that can be fetched."""
    rows = []
    for where, path in [("embedded", embedded_model()), *(("to fetch", path) for path in described_models().values())]:
        _, description = read_description(path)
        licence = description.release.licence if description.release else "Apache-2.0"
        rows.append({"name": description.name, "where": where, "head": description.head, "licence": licence})
    return rows


def pull(name: str, folder: Path) -> Path:
    """Fetch a known public model from its publisher; gives its TOML file. ModelError where that fails.

    What arrives is kept only if it has the SHA-256 that is pinned here.
    """
    known = described_models()
    if name not in known:
        raise ModelError(f'"{name}" is no model that is known here: name one of {", ".join(known)}')
    return fetch(known[name], folder)


def fetch(described: Path, folder: Path, get: Callable[[str], bytes] | None = None) -> Path:
    """Fetch what a model's TOML file describes into ``folder``, both files whole or neither."""
    raw, description = read_description(described)
    if description.release is None:
        raise ModelError(f"{described} names no release to fetch: it ships with the product or is your own")
    weights = (get or download)(description.release.url)
    if hashlib.sha256(weights).hexdigest() != description.sha256:
        raise ModelError(f"{description.release.url} gave another file than the one pinned here: nothing was kept")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / description.file, weights)
        write_whole(folder / described.name, raw)
    except OSError as error:
        raise ModelError(f"{folder} cannot be written ({error.strerror}): name a folder this user may write") from None
    return folder / described.name


def download(url: str) -> bytes:
    """The content at an address. ModelError where it cannot be had."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - https alone passes the model file
            content: bytes = answer.read(_MAX_BYTES + 1)
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise ModelError(f"{url} cannot be fetched ({reason}): check the network, or fetch it by hand") from None
    if len(content) > _MAX_BYTES:
        raise ModelError(f"{url} is larger than any model this program runs: nothing was kept")
    return content


@dataclass(frozen=True, slots=True)
class TryOut:
    """What a model did with a recording: ``found`` detections by class, medians of milliseconds a picture."""

    name: str
    input_px: tuple[int, int]
    frames: int
    found: dict[str, int]
    infer_ms: float
    total_ms: float


def try_out(model_file: Path | None, recording: str, threads: int) -> TryOut:
    """Run a model on the first frames of a recording, the whole picture as its region. ModelError or SourceError."""
    model = load_model(model_file or embedded_model())
    with open_video(recording) as video:
        detector = Detector(model, video.size_px, threads=threads)
        found: dict[str, int] = {}
        infer_s, total_s = [], []
        for frame in islice(video, _CHECKED_FRAMES):
            start = perf_counter()
            prepared = detector.prepare(frame)
            before = perf_counter()
            output = detector.infer(prepared)
            infer_s.append(perf_counter() - before)
            for detection in detector.decode(output, prepared.plan):
                if detection.score >= model.thresholds.high:
                    found[detection.vehicle_class] = found.get(detection.vehicle_class, 0) + 1
            total_s.append(perf_counter() - start)
        size = detector.plan(video.size_px).input_px
    return TryOut(model.name, size, len(total_s), found, 1000 * median(infer_s), 1000 * median(total_s))
