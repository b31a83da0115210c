"""Pictures as a poor camera might have taken them: crops, mosaics, weather of the sensor, compression."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

from models.train.classes import IGNORED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.train.boxes import Floats
    from models.train.data import Picture, Sample

Random = np.random.Generator
PAD = 114
RECORDED_SHARE = 0.45
"""Share of training pictures that went through a video encoder, as nearly all that a node sees have."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training picture `(h, w, 3)` BGR and its rows `(n, 5)`: class, x1, y1, x2, y2 in pixels."""

    bgr: Picture
    rows: Floats


def example(samples: list[Sample], size_px: tuple[int, int], rng: Random, *, mosaic: bool) -> Example:
    """One augmented picture of `size_px` (width, height): of the first sample, or with `mosaic` of four."""
    made = _mosaic(samples, size_px, rng) if mosaic else _crop(samples[0], size_px, rng, (0.7, 1.8))
    picture = _occluded(made.bgr, made.rows, rng)
    # The renderer has a poor camera of its own: half of its pictures stay as they come.
    if samples[0].dataset != "rendered" or rng.random() < 0.5:
        picture = degraded(picture, rng)
    if rng.random() < RECORDED_SHARE:
        picture = recorded(picture, int(rng.integers(22, 42)), rng)
    return Example(picture, made.rows)


def _crop(sample: Sample, size_px: tuple[int, int], rng: Random, zooms: tuple[float, float]) -> Example:
    """A random part of a picture at a random zoom and aspect, perhaps mirrored. Zoom 1 fits the width."""
    assert sample.bgr is not None
    height, width = sample.bgr.shape[:2]
    to_w, to_h = size_px
    zoom = np.exp(rng.uniform(*np.log(zooms))) * to_w / width
    squeeze = np.exp(rng.uniform(-0.2, 0.2)) * (rng.uniform(0.56, 0.8) if rng.random() < 0.3 else 1.0)
    sx, sy = zoom * squeeze, zoom
    left = rng.uniform(min(0, to_w - width * sx), max(0, to_w - width * sx))
    top = rng.uniform(min(0, to_h - height * sy), max(0, to_h - height * sy))
    if rng.random() < 0.5:
        sx, left = -sx, to_w - left
    picture = warped(sample.bgr, (sx, sy, left, top), size_px)
    return Example(picture, _moved(sample.rows, (width, height), (sx, sy, left, top), size_px))


def warped(picture: Picture, move: tuple[float, float, float, float], size_px: tuple[int, int]) -> Picture:
    """Scale (negative: mirrored) and shift; 0 is the picture's edge, as in the labels, not the first pixel's centre.

    What shrinks is averaged over areas, as in the node: plain sampling would show edges that no camera gives.
    """
    sx, sy, left, top = move
    height, width = picture.shape[:2]
    if min(abs(sx), sy) < 1:
        small = (max(1, round(width * min(1, abs(sx)))), max(1, round(height * min(1, sy))))
        sx, sy = sx * width / small[0], sy * height / small[1]
        picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
    matrix = np.array([[sx, 0, left + sx / 2 - 0.5], [0, sy, top + sy / 2 - 0.5]], np.float64)
    return np.asarray(cv2.warpAffine(picture, matrix, size_px, borderValue=(PAD, PAD, PAD)), np.uint8)


def _moved(
    rows: Floats, from_px: tuple[int, int], move: tuple[float, float, float, float], to_px: tuple[int, int]
) -> Floats:
    """Label rows (0-1) under scale and shift, cut at the new picture's edges.

    A vehicle of which less than a fifth is left becomes IGNORED, one of which nothing is left goes.
    """
    sx, sy, left, top = move
    xs = np.sort(rows[:, [1, 3]] * from_px[0] * sx + left, 1)
    ys = np.sort(rows[:, [2, 4]] * from_px[1] * sy + top, 1)
    before = np.ptp(xs, 1) * np.ptp(ys, 1)
    xs, ys = xs.clip(0, to_px[0]), ys.clip(0, to_px[1])
    wide, high = np.ptp(xs, 1), np.ptp(ys, 1)
    moved = np.stack([rows[:, 0], xs[:, 0], ys[:, 0], xs[:, 1], ys[:, 1]], 1).astype(np.float32)
    hardly = (wide * high < 0.2 * before) | (np.minimum(wide, high) < 4)
    moved[hardly, 0] = IGNORED
    return np.asarray(moved[(wide > 1) & (high > 1)], np.float32)


def _mosaic(samples: list[Sample], size_px: tuple[int, int], rng: Random) -> Example:
    """Four crops around a random centre."""
    width, height = size_px
    x, y = (int(rng.uniform(0.3, 0.7) * side) for side in size_px)
    canvas = np.full((height, width, 3), PAD, np.uint8)
    rows = []
    corners = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
    for sample, (x1, y1, x2, y2) in zip(samples, corners, strict=True):
        part = _crop(sample, (x2 - x1, y2 - y1), rng, (0.9, 2.6))
        canvas[y1:y2, x1:x2] = part.bgr
        rows.append(part.rows + np.array([0, x1, y1, x1, y1], np.float32))
    return Example(canvas, np.concatenate(rows))


def _occluded(picture: Picture, rows: Floats, rng: Random) -> Picture:
    """Distractors that are no vehicles: shadows, poles, patches of pavement, glare."""
    picture = np.ascontiguousarray(picture)
    if rng.random() < 0.25:
        picture = _shadow(picture, rng)
    if rng.random() < 0.2:
        _pole(picture, rng)
    if rng.random() < 0.25:
        _patches(picture, rows, rng)
    if rng.random() < 0.12:
        picture = _glare(picture, rng)
    return picture


def _shadow(picture: Picture, rng: Random) -> Picture:
    height, width = picture.shape[:2]
    centre = rng.uniform((0, 0), (width, height))
    spread = rng.uniform(0.05, 0.4) * width
    corners = centre + rng.normal(0, 1, (rng.integers(3, 7), 2)) * (spread, spread * rng.uniform(0.2, 0.8))
    mask = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 1.0)
    mask = cv2.blur(mask, (5, 5))[..., None] * rng.uniform(0.3, 0.75)
    return np.asarray(picture * (1 - mask), np.uint8)


def _pole(picture: Picture, rng: Random) -> None:
    height, width = picture.shape[:2]
    thick = int(rng.uniform(0.004, 0.025) * width) + 1
    x = int(rng.uniform(0, width))
    lean = int(rng.normal(0, 0.03) * width)
    cv2.line(picture, (x, 0), (x + lean, height), tuple(int(c) for c in rng.integers(20, 200, 3)), thick)


def _patches(picture: Picture, rows: Floats, rng: Random) -> None:
    """Boxes of flat or striped colour that hide no labelled object by more than a little."""
    height, width = picture.shape[:2]
    for _ in range(rng.integers(1, 5)):
        w, h = (rng.uniform(0.02, 0.14, 2) * width).astype(int) + 2
        x, y = int(rng.uniform(0, width - w)), int(rng.uniform(0, height - h))
        wide = np.minimum(rows[:, 3], x + w) - np.maximum(rows[:, 1], x)
        high = np.minimum(rows[:, 4], y + h) - np.maximum(rows[:, 2], y)
        size = (rows[:, 3] - rows[:, 1]) * (rows[:, 4] - rows[:, 2]) + 1e-6
        if (wide.clip(0) * high.clip(0) / size).max(initial=0) > 0.25:
            continue
        colour = rng.integers(10, 245, 3)
        if rng.random() < 0.5:  # a board, a bin, a hatch
            noise = rng.normal(0, rng.uniform(2, 25), (int(h), 1, 1))
            picture[y : y + h, x : x + w] = (colour + noise).clip(0, 255)
        else:
            axes = (max(int(w) // 2, 1), max(int(h) // 2, 1))
            cv2.ellipse(picture, (x + axes[0], y + axes[1]), axes, 0, 0, 360, tuple(int(c) for c in colour), -1)


def _glare(picture: Picture, rng: Random) -> Picture:
    """Lights and their streaks on a wet road."""
    height, width = picture.shape[:2]
    light = np.zeros((height // 4, width // 4), np.float32)
    for _ in range(rng.integers(1, 6)):
        at = (int(rng.uniform(0, width // 4)), int(rng.uniform(0, height // 4)))
        cv2.ellipse(light, at, (int(rng.integers(1, 5)), int(rng.integers(1, 18))), 0, 0, 360, 1.0, -1)
    light = cv2.GaussianBlur(light, (0, 0), rng.uniform(1, 4))
    tint = np.array([rng.uniform(0.7, 1.0), 0.95, 1.0], np.float32) * rng.uniform(80, 255)
    glow = cv2.resize(light, (width, height))[..., None] * tint
    return np.asarray((picture + glow).clip(0, 255), np.uint8)


def degraded(picture: Picture, rng: Random) -> Picture:
    """Exposure, colour, blur, noise and compression of a cheap camera."""
    picture = _toned(picture, rng)
    if rng.random() < 0.25:
        picture = _blurred(picture, rng)
    if rng.random() < 0.3:
        picture = _grainy(picture, rng.uniform(2, 18))
    if rng.random() < 0.3:
        picture = _compressed(picture, rng)
    return picture


def _grainy(picture: Picture, spread: float) -> Picture:
    """Noise of the given standard deviation, drawn by OpenCV's own generator, which is several times quicker."""
    grain: NDArray[np.int16] = np.zeros(picture.shape, np.int16)
    cv2.randn(grain, 0, spread)  # type: ignore[call-overload]
    return np.asarray((picture.astype(np.int16) + grain).clip(0, 255), np.uint8)


def _toned(picture: Picture, rng: Random) -> Picture:
    """Gain, gamma and colour cast by one table per channel; saturation by mixing with grey."""
    levels = np.linspace(0, 1, 256)
    cast = rng.uniform(0.88, 1.12, 3)
    gain, gamma = np.exp(rng.uniform(-0.45, 0.35)), np.exp(rng.uniform(-0.4, 0.4))
    lift = rng.uniform(0, 0.25) if rng.random() < 0.15 else 0.0  # fog
    curve = lift + (1 - lift) * gain * levels[:, None] ** gamma * cast
    table = (255 * curve).clip(0, 255).astype(np.uint8)[None]
    picture = np.asarray(cv2.LUT(picture, table), np.uint8)
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        share = rng.uniform(-0.3, 1.0)
        picture = np.asarray(cv2.addWeighted(picture, 1 - share, grey, share, 0), np.uint8)
    return picture


def _blurred(picture: Picture, rng: Random) -> Picture:
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6)), np.uint8)
    length = int(rng.integers(3, 9))  # motion
    kernel = np.zeros((length, length), np.float32)
    end = rng.integers(0, length)
    cv2.line(kernel, (0, int(end)), (length - 1, int(length - 1 - end)), 1.0)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def _compressed(picture: Picture, rng: Random) -> Picture:
    """JPEG at a low quality."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 70))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def recorded(picture: Picture, crf: int, rng: Random) -> Picture:
    """The picture as the second of an H.264 video (x264 at the given CRF), the first of which lies a little beside it.

    Its sides must be even. What the second picture does not send anew is what is left of the first one's errors.
    """
    height, width = picture.shape[:2]
    coder = av.CodecContext.create("libx264", "w")
    assert isinstance(coder, av.VideoCodecContext)
    coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, "yuv420p", Fraction(1, 25)
    coder.thread_count, coder.options = 1, {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
    aside = np.roll(picture, tuple(rng.integers(-2, 3, 2)), (0, 1))
    packets = [p for part in (aside, picture) for p in coder.encode(av.VideoFrame.from_ndarray(part, format="bgr24"))]
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    frames = [f for packet in [*packets, *coder.encode(None), None] for f in decoder.decode(packet)]
    return np.asarray(frames[-1].to_ndarray(format="bgr24"), np.uint8)
