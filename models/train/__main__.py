"""`python -m models.train`: from data to `models/stopline-s.onnx`."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time
from pathlib import Path

from models.train.export import Thresholds, export
from models.train.feed import Sources
from models.train.teacher import label_all
from models.train.train import train


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train the embedded detector.")
    parser.add_argument("--datasets", type=Path, default=Path("../shared/datasets"), help="folders of real pictures")
    parser.add_argument("--rendered", type=Path, default=Path("build/render/train"), help="rendered pictures, may grow")
    parser.add_argument("--teacher", type=Path, default=Path("../shared/models/yolox_nano.onnx"))
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="checkpoint and teacher's boxes")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where stopline-s.onnx and .toml go")
    parser.add_argument("--minutes", type=float, default=110.0, help="time budget of this run")
    parser.add_argument("--until", help="end of the budget as local time HH:MM, instead of --minutes")
    parser.add_argument("--fresh", action="store_true", help="start anew even if there is a checkpoint")
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights a fresh training begins with")
    parser.add_argument("--nice", type=int, default=19)
    return parser.parse_args()


def _seconds_left(until: str | None, minutes: float) -> float:
    if until is None:
        return minutes * 60
    now = dt.datetime.now().astimezone()
    hour, minute = map(int, until.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0)
    return (end - now).total_seconds()


def main() -> None:
    """Complete the labels, train, export."""
    given = _arguments()
    end_s = time.monotonic() + _seconds_left(given.until, given.minutes)
    os.nice(given.nice)
    cache = given.work / "teacher.jsonl"
    label_all(given.teacher, given.datasets, cache)
    sources = Sources(given.datasets, given.rendered, cache)
    checkpoint = train(sources, given.work, end_s, resume=not given.fresh, start=given.start)
    path = export(checkpoint, given.out, Thresholds())
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


main()
