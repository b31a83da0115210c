"""The training loop: a time budget, a cosine schedule over it, an averaged copy of the weights, checkpoints."""

from __future__ import annotations

import copy
import math
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import torch
from torch import Tensor, nn

from models.train.feed import EARLY_PX, LATE_PX, Batch, Feed, Pool, Sources
from models.train.loss import Cells, Costs, costs
from models.train.net import Detector

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20240607
BATCH = 8
WORKERS = 2
MOSAICS = 0.2
PEAK_RATE, FLOOR_SHARE = 1.7e-3, 0.01
FURTHER_SHARE = 0.6
"""Of the peak rate, where training begins with trained weights."""
WARM_UP_STEPS = 300
WEIGHT_DECAY = 0.03
EMA_DECAY = 0.999
LARGE_FROM = 0.8
CALM_FROM = 0.88
"""From this share of the budget on there are no mosaics: the last weights are fitted to pictures as they come."""
SAVE_EVERY_S = 120.0
LOG_EVERY = 100


@dataclass
class State:
    """What a checkpoint holds."""

    net: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    spent_s: float = 0.0
    trained: bool = False

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        parts: dict[str, Any] = {"net": self.net, "average": self.average, "optimiser": self.optimiser}
        content = {name: part.state_dict() for name, part in parts.items()}
        partial = path.with_suffix(".part")
        torch.save({**content, "step": self.step, "spent_s": self.spent_s, "trained": self.trained}, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Take up a checkpoint."""
        content = torch.load(path, weights_only=True)
        self.net.load_state_dict(content["net"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.spent_s = content["step"], content["spent_s"]
        self.trained = content.get("trained", False)

    def begin_with(self, path: Path) -> None:
        """Take the averaged weights of another training's checkpoint, nothing else."""
        weights = torch.load(path, weights_only=True)["average"]
        self.net.load_state_dict(weights)
        self.average.load_state_dict(weights)
        self.trained = True


def fresh_state() -> State:
    """An untrained net with its optimiser; batch norm and biases are not decayed."""
    net = Detector().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    matrices = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return State(net, copy.deepcopy(net).eval(), torch.optim.AdamW(groups, PEAK_RATE))


def rate(progress: float, step: int) -> float:
    """Learning rate of a fresh net at a share of the budget: a short warm-up, then half a cosine down to a floor."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return PEAK_RATE * min(1.0, (step + 1) / WARM_UP_STEPS) * (FLOOR_SHARE + (1 - FLOOR_SHARE) * cosine)


@torch.no_grad()
def average_in(average: nn.Module, net: nn.Module, step: int) -> None:
    """Move the average a little towards the net; early on faster."""
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    for kept, now in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(now, 1 - decay)
        else:
            kept.copy_(now)


@dataclass
class Clock:
    """The time budget: training ends at `end_s` (monotonic); earlier runs of the same training count."""

    end_s: float
    before_s: float
    began_s: float

    def spent_s(self) -> float:
        """Seconds trained so far, earlier runs included."""
        return self.before_s + time.monotonic() - self.began_s

    def progress(self) -> float:
        """Share of the whole budget that is used."""
        return self.spent_s() / (self.before_s + self.end_s - self.began_s)


class Crew:
    """Workers that train one net together, each on one thread with its own copy and its own batches.

    A worker takes the newest weights, finds the gradients of a batch and applies them; it does not wait for the others,
    whose steps in between make its gradients at most a step or two old. On shared cores this is many times faster than
    threads inside each operation, which wait for the slowest at every layer.
    """

    def __init__(self, state: State, feed: Feed, clock: Clock, workers: int) -> None:
        self._state, self._feed, self._clock = state, feed, clock
        self._lock = threading.Lock()
        self.costs: queue.SimpleQueue[Tensor | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"train-{i}", daemon=True) for i in range(workers)]
        for thread in self._threads:
            thread.start()

    def save(self, path: Path) -> None:
        """Checkpoint between two steps."""
        with self._lock:
            self._state.spent_s = self._clock.spent_s()
            self._state.save(path)

    def _work(self) -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        mine = copy.deepcopy(self._state.net)
        try:
            while (progress := self._clock.progress()) < 1:
                self._feed.mosaic = MOSAICS if progress < CALM_FROM else 0.0
                small = progress < LARGE_FROM and not self._state.trained
                self._feed.sizes_px = EARLY_PX if small else LATE_PX
                with self._lock:
                    mine.load_state_dict(self._state.net.state_dict())
                found = gradients(mine, self._feed.take())
                with self._lock:
                    apply(self._state, mine, progress)
                self.costs.put(torch.stack([found.kind, found.box, found.bins, found.ground]).detach())
        finally:
            self.costs.put(None)


def gradients(net: nn.Module, batch: Batch) -> Costs:
    """Costs of a batch, their gradients left in the net's parameters."""
    pictures = batch.pictures.float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        maps = net(pictures)
    found = costs(maps, batch.labels, batch.exact, Cells.of(*pictures.shape[2:]))
    net.zero_grad()
    found.total().backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(net.parameters(), 10.0)
    return found


@torch.no_grad()
def apply(state: State, worker: nn.Module, progress: float) -> None:
    """One optimiser step with a worker's gradients; its batch norm statistics are taken over."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate(progress, state.step) * (FURTHER_SHARE if state.trained else 1.0)
    for ours, theirs in zip(state.net.parameters(), worker.parameters(), strict=True):
        ours.grad = theirs.grad
    for kept, new in zip(state.net.buffers(), worker.buffers(), strict=True):
        kept.copy_(new)
    state.optimiser.step()
    average_in(state.average, state.net, state.step)
    state.step += 1


def train(sources: Sources, work: Path, end_s: float, *, resume: bool, start: Path | None = None) -> Path:
    """Train until the monotonic instant `end_s`, from `start`'s weights if given; returns the last checkpoint."""
    cv2.setNumThreads(0)
    torch.manual_seed(SEED)
    work.mkdir(parents=True, exist_ok=True)
    checkpoint = work / "checkpoint.pt"
    state = fresh_state()
    if resume and checkpoint.exists():
        state.load(checkpoint)
    elif start is not None:
        state.begin_with(start)
    pool = Pool(sources)
    feed = Feed(pool, BATCH, SEED + state.step)
    crew = Crew(state, feed, Clock(end_s, state.spent_s, time.monotonic()), WORKERS)
    try:
        _watch(crew, state, pool, checkpoint)
    finally:
        feed.close()
    crew.save(checkpoint)
    return checkpoint


def _watch(crew: Crew, state: State, pool: Pool, checkpoint: Path) -> None:
    """Until the first worker ends: log, save, let newly rendered pictures in."""
    saved_s = logged_s = time.monotonic()
    recent: list[Tensor] = []
    while (found := crew.costs.get()) is not None:
        recent.append(found)
        now_s = time.monotonic()
        if len(recent) == LOG_EVERY:
            means = zip(("kind", "box", "bins", "ground"), torch.stack(recent).mean(0).tolist(), strict=True)
            parts = " ".join(f"{name} {mean:.4f}" for name, mean in means)
            speed = LOG_EVERY * BATCH / (now_s - logged_s)
            print(f"step {state.step} {parts} {speed:.0f} pictures/s", flush=True)
            logged_s = now_s
            recent.clear()
            pool.look_again()
        if now_s - saved_s > SAVE_EVERY_S:
            crew.save(checkpoint)
            saved_s = now_s
