"""What every bundle that a replay leaves must hold, whatever the recording."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import av
from PIL import Image

from edge.evidence.stills import BEFORE, PAST

if TYPE_CHECKING:
    from pathlib import Path

BEFORE_S = AFTER_S = 6.0


def opened(file: Path) -> dict[str, bytes]:
    """The files of an open bundle."""
    with tarfile.open(file) as tar:
        return {name: held.read() for name in tar.getnames() if (held := tar.extractfile(name)) is not None}


def side_of(line: list[list[float]], direction: list[float], box: list[float]) -> float:
    """Pixels of a box's bottom-centre beyond a line, in the direction of travel; negative before it."""
    (x1, y1), (x2, y2) = line
    nx, ny = y1 - y2, x2 - x1
    if nx * direction[0] + ny * direction[1] < 0:
        nx, ny = -nx, -ny
    x, y = (box[0] + box[2]) / 2, box[3]
    return float(((x - x1) * nx + (y - y1) * ny) / (nx * nx + ny * ny) ** 0.5)


def check(event: dict[str, Any], folder: Path, video_s: tuple[float, float]) -> None:
    """An event's bundle is the one that it names, its stills show what they claim, its clip is whole and can be played.

    ``video_s`` is the first and the last instant of the recording: a clip can be no longer than it.
    """
    data = event["data"]
    file = folder / "evidence" / f"{event['id']}.tar"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == data["evidence"]["bundle_sha256"]
    files = opened(file)
    manifest = json.loads(files["manifest.json"])
    assert all(hashlib.sha256(files[one["name"]]).hexdigest() == one["sha256"] for one in manifest["files"])
    _check_stills(data, manifest["stills"], files)
    _check_clip(data, manifest["clip"], files["clip.mp4"], video_s)
    assert all("the clip" in sentence.lower() for sentence in manifest["missing"]), manifest["missing"]


def _check_stills(data: dict[str, Any], stills: list[dict[str, Any]], files: dict[str, bytes]) -> None:
    geometry, red_s = data["geometry"], _red_since(data)
    assert [still["claim"] for still in stills] == [BEFORE, PAST]
    before, past = stills
    assert side_of(geometry["stop_line_px"], geometry["direction"], before["box_px"]) < 0
    assert side_of(geometry["confirm_line_px"], geometry["direction"], past["box_px"]) > 0
    for still in stills:
        assert red_s < still["t_s"]
        assert [row for row in data["track"] if row[0] == still["t_s"] and row[1:5] == still["box_px"]]
        plain, with_data = (Image.open(io.BytesIO(files[name])) for name in (still["name"], _data_name(still["name"])))
        assert plain.width == with_data.width
        assert plain.height < with_data.height  # the data block lies below the picture, not on it


def _data_name(name: str) -> str:
    return name.replace(".jpg", "-data.jpg")


def _red_since(data: dict[str, Any]) -> float:
    """When the red that was crossed began, by the raw lamp edges."""
    return max(t_s for t_s, lamp, lit in data["lamps"] if lamp == "red" and lit and t_s < data["crossing"]["t_cross_s"])


def _check_clip(data: dict[str, Any], clip: dict[str, Any], content: bytes, video_s: tuple[float, float]) -> None:
    crossing = data["crossing"]
    from_s = max(video_s[0], crossing["t_cross_s"] - BEFORE_S)
    to_s = min(video_s[1], crossing["t_confirm_s"] + AFTER_S)
    assert abs(clip["from_s"] - from_s) < 1
    assert abs(clip["to_s"] - to_s) < 1
    with av.open(io.BytesIO(content)) as container:
        times_s = [frame.time for frame in container.decode(video=0) if frame.time is not None]
    assert abs((times_s[-1] - times_s[0]) - (clip["to_s"] - clip["from_s"])) < 0.1
    assert len(times_s) > 4 * (to_s - from_s)
