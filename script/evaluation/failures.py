"""A strip of pictures of the gravest faults: the frame, the node's box, the true box and the lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.config import load_site
from edge.records import NS_PER_S
from edge.sources.video import open_video

from .true_boxes import true_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray

    from .recordings import Recording
    from .scoring import Fault

MOST = 6
_COLUMNS = 2
_WIDTH_PX = 480
_FOOT_PX = 36
_RED, _GREEN, _WHITE, _YELLOW = (60, 60, 235), (80, 200, 60), (255, 255, 255), (0, 210, 255)

Picture = "NDArray[uint8]"


def strip(faults: Sequence[Fault], path: Path) -> int:
    """Write the first few faults as one JPEG; gives how many it shows, 0 and no file where there are none."""
    shown = [_tile(fault) for fault in faults[:MOST]]
    if not shown:
        path.unlink(missing_ok=True)
        return 0
    blank = np.zeros_like(shown[0])
    rows = [shown[i : i + _COLUMNS] for i in range(0, len(shown), _COLUMNS)]
    picture = np.vstack([np.hstack([*row, *[blank] * (_COLUMNS - len(row))]) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 78])
    return len(shown)


def _tile(fault: Fault) -> NDArray[uint8]:
    """The frame at a fault with all that matters drawn in, and its name below."""
    index, picture = _frame(fault.recording, fault.t_s)
    scale = _WIDTH_PX / picture.shape[1]
    picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    lane = load_site(fault.recording.folder / "site.toml").lane(fault.lane)
    _line(picture, lane.stop_line_px, scale, _WHITE)
    _line(picture, lane.confirm_line_px, scale, _YELLOW)
    truths = true_boxes(fault.recording)
    for row in list(truths.frames())[index]:
        ident = truths.idents[int(row[0])]
        if fault.vehicle.endswith(f" {ident}"):
            _box(picture, tuple(row[3:].tolist()), scale, _GREEN)
    if fault.reported is not None:
        _box(picture, fault.reported.box_px, scale, _RED)
    return _named(picture, f"{fault.recording.name} {fault.t_s:.2f} s, {fault.vehicle}", fault.what.replace("`", ""))


def _frame(recording: Recording, t_s: float) -> tuple[int, NDArray[uint8]]:
    """The frame shown at an instant, and which it is; the last one where the recording ended before."""
    found = None
    with open_video(recording.folder / "video.mp4") as video:
        for index, frame in enumerate(video):
            if found is None or frame.t_ns <= round(t_s * NS_PER_S) + 1:
                found = index, frame
            else:
                break
    assert found is not None, recording.folder
    index, frame = found
    return index, np.ascontiguousarray(frame.picture.scaled(frame.picture.size_px))


def _line(picture: NDArray[uint8], ends: Sequence[Sequence[float]], scale: float, tone: tuple[int, int, int]) -> None:
    (x1, y1), (x2, y2) = ends
    first, second = (round(x1 * scale), round(y1 * scale)), (round(x2 * scale), round(y2 * scale))
    cv2.line(picture, first, second, tone, 1, cv2.LINE_AA)


def _box(picture: NDArray[uint8], box_px: Sequence[float], scale: float, tone: tuple[int, int, int]) -> None:
    x1, y1, x2, y2 = (round(value * scale) for value in box_px)
    cv2.rectangle(picture, (x1, y1), (x2, y2), tone, 1, cv2.LINE_AA)


def _named(picture: NDArray[uint8], *lines: str) -> NDArray[uint8]:
    foot = np.full((_FOOT_PX, picture.shape[1], 3), 24, np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(foot, line, (6, 14 + 15 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.38, _WHITE, 1, cv2.LINE_AA)
    return np.vstack([picture, foot])
