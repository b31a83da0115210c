"""Renders a scene into a folder: video.mp4, lamps.csv, site.toml, truth.json, README.md."""

from __future__ import annotations

import csv
import gzip
import io
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

from .boxes import boxes
from .camera import Camera
from .gl import Renderer
from .post import Sensor
from .scene import MARGIN, Scene
from .signals import lamps_csv
from .site import site_toml
from .truth import as_text, truth, with_seen
from .world import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .pose import Picture

MOST_BYTES = 700_000
BOXES_EVERY = 3  # frames; visible boxes cost half as much as a frame
BOX_HEADER = ("t_s", "id", "class", "x1", "y1", "x2", "y2", "inside", "visible")


class Studio:
    """Keeps renderers, one a size; without `samples` edges are smoothed in the picture, at half the cost."""

    def __init__(self, samples: int = 4) -> None:
        self._samples = samples
        self._renderers: dict[tuple[int, int], Renderer] = {}

    def renderer(self, width_px: int, height_px: int) -> Renderer:
        """A renderer of that size."""
        key = (width_px, height_px)
        if key not in self._renderers:
            self._renderers[key] = Renderer(width_px, height_px, samples=self._samples)
        self._renderers[key].activate()
        return self._renderers[key]


def widened(camera: Camera) -> Camera:
    """The same camera with a margin on all sides, so that a shaken picture can be cut from it."""
    width, height = round(camera.width_px * MARGIN / 2) * 2, round(camera.height_px * MARGIN / 2) * 2
    return Camera(
        camera.eye_m, camera.target_m, camera.focal_mm * camera.width_px / width, width, height, camera.roll_rad
    )


def frames(scene: Scene, studio: Studio, box_rows: list[tuple[object, ...]] | None = None) -> Iterator[Picture]:
    """The recording's pictures in order; with `box_rows` the visible boxes are appended to it."""
    size = (scene.camera.width_px, scene.camera.height_px)
    sensor = Sensor(scene.light, scene.seed, (size[1], size[0]))
    world, current, renderer = build(scene.layout), None, None
    for index in range(round(scene.duration_s * scene.fps)):
        t = index / scene.fps
        camera = scene.camera_at(t)
        if camera is not current:
            used = widened(camera) if scene.shake else camera
            renderer = studio.renderer(used.width_px, used.height_px)
            if current is None:
                renderer.set_world(world)
            renderer.set_view(used, scene.light, scene.swaying)
            current = camera
        assert renderer is not None
        actors = scene.actors(t)
        picture = renderer.frame(actors, scene.look(t))
        if box_rows is not None and index % BOXES_EVERY == 0:
            seen = boxes(actors, renderer.camera, renderer.mask(actors))
            box_rows += [
                (f"{t:.4f}", b.ident, b.label, *(f"{v:.1f}" for v in b.box_px), f"{b.inside:.2f}", f"{b.visible:.2f}")
                for b in seen
            ]
        if scene.shake:
            picture = _shaken(picture, scene.shake.offset(t), size)
        yield sensor.expose(picture)


def _shaken(picture: Picture, offset: tuple[float, float], size: tuple[int, int]) -> Picture:
    height, width = picture.shape[:2]
    matrix = np.array(
        [[1, 0, offset[0] - (width - size[0]) / 2], [0, 1, offset[1] - (height - size[1]) / 2]], np.float64
    )
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(picture), matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def encode(
    pictures: Iterable[Picture], size: tuple[int, int], fps: float, quality: int, preset: str = "medium"
) -> bytes:
    """H.264 in MP4; `quality` is x264's CRF. One thread, so that the bytes are always the same."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": str(quality), "preset": preset, "g": "125", "tune": "animation"}
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return out.getvalue()


def record(
    scene: Scene, folder: Path, studio: Studio, *, most_bytes: int | None = MOST_BYTES, with_boxes: bool = False
) -> None:
    """Write a case's whole folder; the video is made coarser until it fits."""
    folder.mkdir(parents=True, exist_ok=True)
    box_rows: list[tuple[object, ...]] | None = [] if with_boxes else None
    size = (scene.camera.width_px, scene.camera.height_px)
    if most_bytes is None:
        data = encode(frames(scene, studio, box_rows), size, scene.fps, 24, "veryfast")
    else:
        data = _fitted(list(frames(scene, studio, box_rows)), size, scene.fps, most_bytes)
    (folder / "lamps.csv").write_text(lamps_csv(scene.timelines))
    (folder / "site.toml").write_text(site_toml(scene))
    right = truth(scene)
    (folder / "truth.json").write_text(as_text(with_seen(right, box_rows) if box_rows is not None else right))
    if box_rows is not None:
        _write_boxes(folder / "boxes.csv.gz", box_rows)
    (folder / "video.mp4").write_bytes(data)


def _fitted(pictures: list[Picture], size: tuple[int, int], fps: float, most_bytes: int) -> bytes:
    quality = 23
    data = encode(pictures, size, fps, quality)
    while len(data) > most_bytes and quality < 40:
        quality += 2
        data = encode(pictures, size, fps, quality)
    return data


def _write_boxes(path: Path, rows: list[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(BOX_HEADER)
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
