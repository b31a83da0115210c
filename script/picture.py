"""Draws a picture of a replay's result for the README: the frame of a violation, what was measured, all passages below.

Usage: python script/picture.py CASE OUT.jpg [RESULTS]    (needs Pillow: script/bootstrap sim)

CASE is a folder of sim_fixtures/; RESULTS the --out folder of its replay, made for the occasion if left out.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
SCALE = 2
AFTER_S = 0.2
STRIP_PX = 128
INK, PAPER, QUIET = "#1b1f24", "#ffffff", "#6b7480"
RED, AMBER, GREEN = "#d7263d", "#f2a900", "#1f9d55"
LAMP_COLOURS = {(1, 0, 0): RED, (0, 1, 0): AMBER, (0, 0, 1): GREEN}


def results_of(case: Path, folder: Path) -> Path:
    """Replay a case with the embedded model."""
    stopline = Path(sys.executable).with_name("stopline")
    words = [case / "video.mp4", "--site", case / "site.toml", "--signal", case / "lamps.csv", "--out", folder]
    subprocess.run([stopline, "replay", *map(str, words)], check=True)
    return folder


def frame_at(video: Path, t_s: float) -> Image.Image:
    """The first picture at or after an instant."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            if frame.time >= t_s:
                image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
                return image.resize((frame.width * SCALE, frame.height * SCALE), Image.Resampling.LANCZOS)
    raise SystemExit(f"{video} has no picture at {t_s} s")


def label(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: str, size: int = 22) -> None:
    """Text on a patch of colour, its lower right corner at a point."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox((at[0], at[1]), text, font=font, anchor="rb")
    draw.rounded_rectangle((left - 8, top - 6, right + 8, bottom + 6), 5, fill=fill)
    draw.text(at, text, fill=PAPER, font=font, anchor="rb")


def draw_lines(draw: ImageDraw.ImageDraw, site: dict[str, Any]) -> None:
    """Every lane's stop line, solid, and confirm line, thin."""
    for lane in site["lanes"]:
        for key, width, colour in (("stop_line_px", 5, "#ff2fd0"), ("confirm_line_px", 2, "#37d0ff")):
            draw.line([(x * SCALE, y * SCALE) for x, y in lane[key]], fill=colour, width=width)


def draw_vehicle(draw: ImageDraw.ImageDraw, data: dict[str, Any], t_s: float) -> None:
    """The track's contact points up to an instant, and its box at it."""
    rows = [row for row in data["track"] if row[0] <= t_s + 1e-6]
    for _, x1, _, x2, y2, _ in rows:
        x, y = (x1 + x2) / 2 * SCALE, y2 * SCALE
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill="#ffe14d")
    box = [value * SCALE for value in rows[-1][1:5]]
    draw.rectangle(box, outline=RED, width=4)
    red = data["red_time"]
    words = f"{data['vehicle_class']}, {data['lane']}: red for at least {red['at_least_s']:.2f} s"
    label(draw, (box[2] - 6, box[1] - 12), words, RED)


def draw_strip(draw: ImageDraw.ImageDraw, top: int, width: int, case: Path, results: Path, duration_s: float) -> None:
    """The lamps over time, and every passage with its verdict."""
    left, right, bar = 120, width - 30, top + 68
    small = ImageFont.load_default(18)

    def at(t_s: float) -> float:
        return left + (right - left) * min(max(t_s, 0), duration_s) / duration_s

    rows = list(csv.DictReader((case / "lamps.csv").open(encoding="utf-8")))
    group = tomllib.loads((case / "site.toml").read_text(encoding="utf-8"))["lanes"][0]["signal_group"]
    rows = [row for row in rows if row["group"] == group]
    ends = [float(row["t_s"]) for row in rows[1:]] + [duration_s]
    for row, end_s in zip(rows, ends, strict=True):
        colour = LAMP_COLOURS.get((int(row["red"]), int(row["amber"]), int(row["green"])), INK)
        if end_s > 0:
            draw.rectangle((at(float(row["t_s"])), bar, at(end_s), bar + 16), fill=colour)
    draw.text((left - 12, bar + 8), "signal", fill=QUIET, font=small, anchor="rm")
    draw.text((left - 12, bar - 36), "passages", fill=QUIET, font=small, anchor="rm")
    for number, row in enumerate(csv.DictReader((results / "passages.csv").open(encoding="utf-8"))):
        x, violation = at(float(row["t_cross_s"])), row["verdict"] == "violation"
        height = (24, 48)[number % 2]  # neighbours would run into each other
        draw.line((x, bar - height + 12, x, bar + 16), fill=INK, width=2)
        draw.text((x, bar - height), row["verdict"], fill=RED if violation else INK, font=small, anchor="mm")
    for t_s in range(0, int(duration_s) + 1, 5):
        draw.text((at(t_s), bar + 32), f"{t_s} s", fill=QUIET, font=small, anchor="mm")


def drawn(case: Path, results: Path) -> Image.Image:
    """The picture of the first violation."""
    data = json.loads((results / "events.jsonl").read_text(encoding="utf-8").splitlines()[0])["data"]
    site = tomllib.loads((case / "site.toml").read_text(encoding="utf-8"))
    truth = json.loads((case / "truth.json").read_text(encoding="utf-8"))
    t_s = next(row[0] for row in data["track"] if row[0] >= data["crossing"]["t_cross_s"] + AFTER_S)
    frame = frame_at(case / "video.mp4", t_s)
    picture = Image.new("RGB", (frame.width, frame.height + STRIP_PX), PAPER)
    picture.paste(frame, (0, 0))
    draw = ImageDraw.Draw(picture)
    draw_lines(draw, site)
    draw_vehicle(draw, data, t_s)
    draw_strip(draw, frame.height, frame.width, case, results, truth["duration_s"])
    return picture


def main() -> None:
    case, out = ROOT / "sim_fixtures" / sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        results = Path(sys.argv[3]) if len(sys.argv) > 3 else results_of(case, Path(folder))
        picture = drawn(case, results)
    picture.save(out, quality=88, optimize=True)
    print(f"{out} is {picture.width} x {picture.height}, {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
