"""Keeps the training fed: holds the pictures in memory, takes in newly rendered ones, makes batches in threads."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from models.train.augment import example
from models.train.data import Sample, real_samples, rendered_samples, without_copies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EARLY_PX = ((352, 224), (416, 256), (416, 256), (320, 256))
LATE_PX = ((416, 256), (512, 288), (512, 288), (576, 320), (384, 384))
"""Width and height of training batches: one is drawn for each. Small ones first, since they cost half."""
RENDERED_SHARE = 0.65
RENDERED_ENOUGH = 600
"""The share of rendered pictures grows with their number up to this."""
LOOK_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures `(b, 3, h, w)` uint8 BGR, each one's label rows `(n, 5)` in pixels, whether those are exact `(b)`."""

    pictures: Tensor
    labels: list[Tensor]
    exact: Tensor


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the pictures are."""

    datasets: Path
    rendered: Path
    teacher_cache: Path


def real_for_training(sources: Sources) -> list[Sample]:
    """Loaded training pictures, less near copies of those that measure the result.

    `junctions` valid joins the training, because its test split measures.
    """
    cache = sources.teacher_cache
    chosen: list[Sample] = []
    for dataset, train, held_out in (
        ("road-views", ("train",), ("valid",)),
        ("road-night-day", ("train",), ("valid", "test")),
        ("junctions", ("train", "valid"), ("test",)),
    ):
        samples = [s.loaded() for s in real_samples(sources.datasets, train, cache, dataset)]
        kept = without_copies(samples, real_samples(sources.datasets, held_out, cache, dataset))
        print(f"{dataset}: {len(kept)} pictures, {len(samples) - len(kept)} near copies of held-out ones left out")
        chosen += kept
    return chosen


class Pool:
    """All pictures in memory; rendered ones join while training runs."""

    def __init__(self, sources: Sources) -> None:
        self._root = sources.rendered
        self._real = real_for_training(sources)
        self._rendered: list[Sample] = []
        self._known: set[Path] = set()
        self._looked_s = -LOOK_AGAIN_S
        self.look_again()

    def look_again(self) -> None:
        """Load pictures rendered since the last look, at most once a minute."""
        if time.monotonic() - self._looked_s < LOOK_AGAIN_S:
            return
        new = list(rendered_samples(self._root, self._known))
        self._known |= {s.path for s in new}
        self._rendered.extend(s.loaded() for s in new)
        self._looked_s = time.monotonic()
        if new:
            print(f"{len(self._rendered)} rendered pictures", flush=True)

    def draw(self, count: int, rng: np.random.Generator) -> list[Sample]:
        """Samples for one picture, all real or all rendered."""
        share = RENDERED_SHARE * min(1.0, len(self._rendered) / RENDERED_ENOUGH)
        source = self._rendered if rng.random() < share else self._real
        return [source[i] for i in rng.integers(0, len(source), count)]


class Feed:
    """Batches from threads; the caller closes it."""

    def __init__(self, pool: Pool, batch: int, seed: int, threads: int = 1) -> None:
        self._pool, self._batch = pool, batch
        self.mosaic = 0.5
        self.sizes_px: Sequence[tuple[int, int]] = EARLY_PX
        self._queue: queue.Queue[Batch] = queue.Queue(6)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(np.random.default_rng((seed, i)),), name=f"feed-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def take(self) -> Batch:
        """The next batch, waited for."""
        return self._queue.get(timeout=120)

    def close(self) -> None:
        """End the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def _work(self, rng: np.random.Generator) -> None:
        cv2.setRNGSeed(int(rng.integers(2**31)))
        while not self._stop.is_set():
            made = self._make(rng)
            while not self._stop.is_set():
                try:
                    self._queue.put(made, timeout=0.5)
                    break
                except queue.Full:
                    continue

    def _make(self, rng: np.random.Generator) -> Batch:
        size = self.sizes_px[int(rng.integers(0, len(self.sizes_px)))]
        pictures, labels, exact = [], [], []
        for _ in range(self._batch):
            mosaic = bool(rng.random() < self.mosaic)
            samples = self._pool.draw(4 if mosaic else 1, rng)
            made = example(samples, size, rng, mosaic=mosaic)
            pictures.append(made.bgr)
            labels.append(torch.from_numpy(made.rows))
            exact.append(samples[0].dataset == "rendered")
        stacked = np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))
        return Batch(torch.from_numpy(stacked), labels, torch.tensor(exact))
