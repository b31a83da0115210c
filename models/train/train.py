"""The training loop: a time budget, a cosine schedule over it, an averaged copy of the weights, checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from torch import Tensor, nn

from models.train.feed import Batch, Feed, Pool, Sources
from models.train.loss import Cells, Costs, costs
from models.train.net import Detector

SEED = 20240607
BATCH = 16
PEAK_RATE, FLOOR_SHARE = 2e-3, 0.01
WARM_UP_STEPS = 300
WEIGHT_DECAY = 0.03
EMA_DECAY = 0.9995
CALM_FROM = 0.88
"""From this share of the budget on there are no mosaics: the last weights are fitted to pictures as they come."""
SAVE_EVERY_S = 120.0
LOG_EVERY = 50


@dataclass
class State:
    """What a checkpoint holds."""

    net: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    spent_s: float = 0.0

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        parts = {"net": self.net, "average": self.average, "optimiser": self.optimiser}
        content = {name: part.state_dict() for name, part in parts.items()}
        partial = path.with_suffix(".part")
        torch.save({**content, "step": self.step, "spent_s": self.spent_s}, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Take up a checkpoint."""
        content = torch.load(path, weights_only=True)
        self.net.load_state_dict(content["net"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.spent_s = content["step"], content["spent_s"]


def fresh_state() -> State:
    """An untrained net with its optimiser; batch norm and biases are not decayed."""
    net = Detector().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    matrices = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return State(net, copy.deepcopy(net).eval(), torch.optim.AdamW(groups, PEAK_RATE))


def rate(progress: float, step: int) -> float:
    """Learning rate at a share of the budget: a short warm-up, then half a cosine down to a floor."""
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


def step_on(state: State, batch: Batch, progress: float) -> Costs:
    """One optimiser step on one batch."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate(progress, state.step)
    pictures = batch.pictures.float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        maps = state.net(pictures)
    found = costs(maps, batch.labels, Cells.of(*pictures.shape[2:]))
    state.optimiser.zero_grad()
    found.total().backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.net.parameters(), 10.0)
    state.optimiser.step()
    average_in(state.average, state.net, state.step)
    state.step += 1
    return found


def _progress(state: State, end_s: float) -> Iterator[float]:
    """Share of the whole budget used, before and after each step, until `end_s` (monotonic)."""
    before_s, began_s = state.spent_s, time.monotonic()
    while (now_s := time.monotonic()) < end_s:
        state.spent_s = before_s + now_s - began_s
        yield state.spent_s / (before_s + end_s - began_s)


def train(sources: Sources, work: Path, end_s: float, *, resume: bool) -> Path:
    """Train until the monotonic instant `end_s`; returns the last checkpoint."""
    cv2.setNumThreads(0)
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    work.mkdir(parents=True, exist_ok=True)
    checkpoint = work / "checkpoint.pt"
    state = fresh_state()
    if resume and checkpoint.exists():
        state.load(checkpoint)
    pool = Pool(sources)
    feed = Feed(pool, BATCH, SEED + state.step)
    try:
        _run(state, pool, feed, checkpoint, end_s)
    finally:
        feed.close()
    state.save(checkpoint)
    return checkpoint


def _run(state: State, pool: Pool, feed: Feed, checkpoint: Path, end_s: float) -> None:
    saved_s = logged_s = time.monotonic()
    mean = torch.zeros(3)
    for progress in _progress(state, end_s):
        if progress > CALM_FROM:
            feed.mosaic = 0.0
        found = step_on(state, feed.take(), progress)
        mean += _parts(found) / LOG_EVERY
        now_s = time.monotonic()
        if state.step % LOG_EVERY == 0:
            speed = LOG_EVERY * BATCH / (now_s - logged_s)
            kind, box, bins = mean.tolist()
            print(f"{progress:6.1%} step {state.step} kind {kind:.3f} box {box:.3f} bins {bins:.3f} {speed:.0f}/s", flush=True)
            mean.zero_()
            logged_s = now_s
            pool.look_again()
        if now_s - saved_s > SAVE_EVERY_S:
            state.save(checkpoint)
            saved_s = now_s


def _parts(found: Costs) -> Tensor:
    return torch.stack([found.kind, found.box, found.bins]).detach()
