"""Which cells answer for which object, and what their answers cost.

Assignment is task-aligned (Feng et al., TOOD, 2021): a cell's fitness for an object is score^a * IoU^b, the ten fittest
cells inside the object answer for it, and their class target is the fitness scaled to the object's best IoU.
Boxes cost 1 - GIoU (Rezatofighi et al., 2019) plus the distribution focal loss (Li et al., 2020), and what the middle
of their lower side is off once more: that is where a node takes the vehicle to be when it crosses a line.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.train.classes import IGNORED, SOME_VEHICLE, VEHICLES
from models.train.net import BINS, STRIDES, boxes_from, cell_centres, distances

CELLS_PER_OBJECT = 10
SCORE_POWER, IOU_POWER = 0.5, 4.0
BOX_WEIGHT, BINS_WEIGHT, GROUND_WEIGHT = 2.5, 0.5, 4.0
INEXACT_GROUND = 0.25
"""People and teachers draw a vehicle's lower side roughly: their boxes count this much where it is asked for."""
PART_WEIGHT = 3.0
PART_COVERED, PART_IOU = 0.7, 0.45
"""A box that lies by this much in an object and overlaps none better than this is a mere part: it costs more."""


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of the three maps in one row: centres `(n, 2)` and strides `(n, 1)`, in pixels."""

    centres_px: Tensor
    strides_px: Tensor

    @classmethod
    def of(cls, height_px: int, width_px: int) -> Cells:
        """The cells of a picture whose sides are multiples of the largest stride."""
        centres = [cell_centres(height_px // s, width_px // s, s) for s in STRIDES]
        strides = [torch.zeros_like(c[:, :1]) + s for c, s in zip(centres, STRIDES, strict=True)]
        return cls(torch.cat(centres), torch.cat(strides))


@dataclass(frozen=True, slots=True)
class Answers:
    """What the net says: box bins `(b, n, 4 * BINS)`, class logits `(b, n, classes)`, boxes `(b, n, 4)` in pixels."""

    bins: Tensor
    logits: Tensor
    boxes_px: Tensor

    @classmethod
    def of(cls, maps: tuple[Tensor, ...], cells: Cells) -> Answers:
        """Flatten the heads' maps and decode the boxes."""
        rows = torch.cat([m.float().flatten(2) for m in maps], 2).transpose(1, 2)
        bins, logits = rows[..., : 4 * BINS], rows[..., 4 * BINS :]
        return cls(bins, logits, boxes_from(distances(bins) * cells.strides_px, cells.centres_px))


@dataclass(frozen=True, slots=True)
class Targets:
    """For one picture: class targets `(n, classes)`, the cells' object `(n)` or -1, and what each cell counts `(n)`."""

    scores: Tensor
    matched: Tensor
    weight: Tensor


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes that broadcast against each other, over the last dimension."""
    both, union = _both_and_union(a, b)
    return both / union


def paired_cover(a: Tensor, b: Tensor) -> Tensor:
    """Share of each box of `a` that lies inside its box of `b`."""
    both, _ = _both_and_union(a, b)
    return both / ((a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1) + 1e-6)


def paired_giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU in (-1, 1]: it falls with the distance of boxes that do not overlap."""
    both, union = _both_and_union(a, b)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1) + 1e-6
    return both / union - (hull - union) / hull


def _both_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    both = sides.clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)
    return both, area_a + area_b - both + 1e-6


@torch.no_grad()
def assign(logits: Tensor, boxes_px: Tensor, rows: Tensor, cells: Cells) -> Targets:
    """Targets of one picture's cells from its label rows `(m, 5)` (class, box in pixels)."""
    scores = torch.zeros_like(logits)
    matched = torch.full((len(logits),), -1)
    objects = rows[rows[:, 0] != IGNORED]
    left_out = _inside(cells.centres_px, rows[rows[:, 0] == IGNORED, 1:]).any(0)
    if not len(objects):
        return Targets(scores, matched, (~left_out).float())
    classes = _classes(objects, logits)
    overlap = paired_iou(boxes_px[None], objects[:, None, 1:])
    near = _candidates(cells, objects[:, 1:])
    probability = logits.sigmoid().T.unsqueeze(0).expand(len(objects), -1, -1)
    probability = probability.gather(1, classes[:, None]).squeeze(1)
    fitness = (probability**SCORE_POWER * overlap**IOU_POWER + 1e-9) * near
    chosen = _fittest(fitness)
    best, which = torch.where(chosen, fitness, 0.0).max(0)
    taken = best > 0
    matched[taken] = which[taken]
    peak = fitness.amax(1).clamp(min=1e-9)
    reach = (overlap * chosen).amax(1)
    owner = matched[taken]
    value = (best[taken] / peak[owner] * reach[owner]).clamp(0, 1)
    cell = taken.nonzero().squeeze(1)
    scores[cell, classes[owner, cell]] = value
    part = (paired_cover(boxes_px[None], objects[:, None, 1:]).amax(0) > PART_COVERED) & (overlap.amax(0) < PART_IOU)
    weight = torch.where(part, PART_WEIGHT, 1.0) * ~left_out
    return Targets(scores, matched, torch.where(taken, 1.0, weight))


def _classes(objects: Tensor, logits: Tensor) -> Tensor:
    """Class per object and cell `(m, n)`: the label's, or where it is open the vehicle class that the cell favours."""
    favoured = logits[:, list(VEHICLES)].argmax(1)
    told = objects[:, :1].long().expand(-1, len(logits))
    return torch.where(told == SOME_VEHICLE, favoured[None], told)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Which points `(n, 2)` lie in which boxes `(m, 4)`: `(m, n)`."""
    after = (points[None] > boxes[:, None, :2]).all(-1)
    return after & (points[None] < boxes[:, None, 2:]).all(-1)


def _candidates(cells: Cells, boxes: Tensor) -> Tensor:
    """Cells inside each object, or right at the centre of one smaller than a cell."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    offset = (cells.centres_px[None] - centres[:, None]).abs().amax(-1)
    return _inside(cells.centres_px, boxes) | (offset < cells.strides_px[None, :, 0] * 0.7)


def _fittest(fitness: Tensor) -> Tensor:
    """The best few cells of each object, as a mask of `fitness`' shape."""
    best = fitness.topk(min(CELLS_PER_OBJECT, fitness.shape[1]), 1)
    return torch.zeros_like(fitness, dtype=torch.bool).scatter_(1, best.indices, best.values > 1e-12)


@dataclass(frozen=True, slots=True)
class Costs:
    """The loss and its parts."""

    kind: Tensor
    box: Tensor
    bins: Tensor
    ground: Tensor

    def total(self) -> Tensor:
        """The weighted sum that is minimised."""
        return self.kind + BOX_WEIGHT * self.box + BINS_WEIGHT * self.bins + GROUND_WEIGHT * self.ground


def costs(maps: tuple[Tensor, ...], labels: list[Tensor], exact: Tensor, cells: Cells) -> Costs:
    """Costs of a batch: the heads' maps against each picture's label rows, which are `exact` `(b)` or drawn by hand."""
    answers = Answers.of(maps, cells)
    targets = [assign(answers.logits[i], answers.boxes_px[i], rows, cells) for i, rows in enumerate(labels)]
    scores = torch.stack([t.scores for t in targets])
    share = scores.sum().clamp(min=1)
    kind = _kind_cost(answers.logits, scores, torch.stack([t.weight for t in targets])) / share
    picture, cell = torch.stack([t.matched for t in targets]).ge(0).nonzero(as_tuple=True)
    if not len(picture):
        nothing = answers.bins.sum() * 0
        return Costs(kind, nothing, nothing, nothing)
    objects = [rows[rows[:, 0] != IGNORED, 1:] for rows in labels]
    want = torch.cat([boxes[t.matched[t.matched >= 0]] for boxes, t in zip(objects, targets, strict=True)])
    found = answers.boxes_px[picture, cell]
    weight = scores[picture, cell].sum(-1) / share
    box = ((1 - paired_giou(found, want)) * weight).sum()
    bins = (_bins_cost(answers.bins[picture, cell], want, cells, cell) * weight).sum()
    trust = torch.where(exact[picture], 1.0, INEXACT_GROUND)
    return Costs(kind, box, bins, (_ground_cost(found, want) * weight * trust).sum())


def _ground_cost(found: Tensor, want: Tensor) -> Tensor:
    """How far the middle of each box's lower side is off, down and half as much sideways, in heights of the object."""
    off = (found - want) / (want[:, 3:] - want[:, 1:2]).clamp(min=8)
    return off[:, 3].abs() + 0.5 * (off[:, 0] + off[:, 2]).abs() / 2


def _kind_cost(logits: Tensor, scores: Tensor, counts: Tensor) -> Tensor:
    """Varifocal loss (Zhang et al., 2021): answers count fully, empty cells by how wrong they are."""
    weight = torch.where(scores > 0, scores, 0.75 * logits.detach().sigmoid() ** 2)
    weight = weight * counts[..., None]
    return (functional.binary_cross_entropy_with_logits(logits, scores, reduction="none") * weight).sum()


def _bins_cost(bins: Tensor, want: Tensor, cells: Cells, cell: Tensor) -> Tensor:
    """Distribution focal loss of each answering cell: cross entropy with the two bins around the true distance."""
    centres, strides = cells.centres_px[cell], cells.strides_px[cell]
    true = torch.cat((centres - want[:, :2], want[:, 2:] - centres), 1) / strides
    true = true.clamp(0, BINS - 1.01)
    low = true.long()
    share = true - low
    logs = bins.reshape(-1, 4, BINS).log_softmax(-1)
    lower = logs.gather(-1, low[..., None]).squeeze(-1)
    upper = logs.gather(-1, low[..., None] + 1).squeeze(-1)
    return -(lower * (1 - share) + upper * share).mean(-1)
