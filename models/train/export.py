"""From a checkpoint to `stopline-s.onnx` and the `.toml` file that tells the node how to feed it."""

from __future__ import annotations

import argparse
import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.train.classes import CLASSES
from models.train.loss import Answers, Cells
from models.train.net import BINS, Detector, Head, boxes_from

OPSET = 17
SIZE_PX = (512, 288)
CHECKED_PX = ((416, 256), (512, 288), (640, 352), (416, 416), (384, 640))
NAME = "stopline-s"
LARGEST_LOGIT = 60.0
"""exp() of more would overflow in a sum; trained bins stay far below."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores above which a detection starts a track or continues one, and the overlap of suppressed boxes."""

    high: float = 0.55
    low: float = 0.3
    nms_iou: float = 0.45


class Decoded(nn.Module):
    """The net with its boxes decoded: BGR 0-255 `(1, 3, h, w)` → `(1, n, 4 + classes)`, scores after the sigmoid.

    The expected distance is the same as `net.distances`, in a form that is quick in ONNX Runtime: one small convolution
    gives each side's sum of exp(bin) * index and of exp(bin).
    """

    sums: Tensor

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net
        sums = torch.zeros(8, 4 * BINS, 1, 1)
        for side in range(4):
            own = slice(side * BINS, (side + 1) * BINS)
            sums[side, own, 0, 0] = torch.arange(BINS, dtype=torch.float32)
            sums[side + 4, own, 0, 0] = 1.0
        self.register_buffer("sums", sums)

    def forward(self, images: Tensor) -> Tensor:
        """Boxes x1, y1, x2, y2 in input pixels, then a score for every class."""
        cells = Cells.of(images.shape[2], images.shape[3])
        rows = [self._small(head, x) for head, x in zip(self.net.heads, self.net.features(images), strict=True)]
        every = torch.cat([r.flatten(2) for r in rows], 2).transpose(1, 2)
        sides = every[..., :4] / every[..., 4:8] * cells.strides_px
        return torch.cat((boxes_from(sides, cells.centres_px), every[..., 8:].sigmoid()), -1)

    def _small(self, head: nn.Module, features: Tensor) -> Tensor:
        """One map's sums and class logits, `(1, 8 + classes, h, w)`."""
        assert isinstance(head, Head)
        bins = head.box(features).clamp(max=LARGEST_LOGIT)
        return torch.cat((functional.conv2d(bins.exp(), self.sums), head.kind(features)), 1)


def from_checkpoint(path: Path) -> Detector:
    """The averaged net of a checkpoint, ready to answer."""
    net = Detector()
    net.load_state_dict(torch.load(path, weights_only=True)["average"])
    net.fold_scale()
    return net.eval()


def write_onnx(net: Detector, path: Path) -> None:
    """Export with free height and width, and check it against the net; nothing is left behind if they differ."""
    model = Decoded(net).eval()
    partial = path.with_suffix(".part")
    width, height = SIZE_PX
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, height, width),),
            str(partial),
            input_names=["images"],
            output_names=["detections"],
            dynamic_axes={"images": {2: "height", 3: "width"}, "detections": {1: "cells"}},
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(str(partial))
    difference = worst_difference(net, partial)
    if difference > 1e-2:
        partial.unlink()
        raise SystemExit(
            f"The exported model answers differently from the trained one ({difference:.3g}): not written."
        )
    partial.replace(path)


@torch.no_grad()
def worst_difference(net: Detector, path: Path) -> float:
    """Largest difference (pixels or score) between the net as trained and ONNX Runtime over several input sizes."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    worst = 0.0
    for width, height in CHECKED_PX:
        picture = rng.uniform(0, 255, (1, 3, height, width)).astype(np.float32)
        answers = Answers.of(net(torch.from_numpy(picture)), Cells.of(height, width))
        ours = torch.cat((answers.boxes_px, answers.logits.sigmoid()), -1).numpy()
        worst = max(worst, float(np.abs(session.run(None, {"images": picture})[0] - ours).max()))
    return worst


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_file(onnx_path: Path, thresholds: Thresholds) -> str:
    """The text of the model file beside an exported model."""
    classes = "\n".join(f'{i} = "{name}"' for i, name in enumerate(CLASSES))
    return f"""\
schema = 1
name = "{onnx_path.stem}"
file = "{onnx_path.name}"
sha256 = "{sha256(onnx_path)}"
head = "stopline"            # boxes and scores come decoded: (1, n, 4 + 7), x1 y1 x2 y2 in input pixels

[input]
size_px = [{SIZE_PX[0]}, {SIZE_PX[1]}]         # width, height: the default; other shapes keep this area
dynamic = true               # height and width are free, multiples of the stride
stride = 32
colour = "bgr"
mean = [0.0, 0.0, 0.0]       # 0-255 goes in as it is
std = [1.0, 1.0, 1.0]
pad = 114

[classes]
{classes}

[thresholds]
high = {thresholds.high}                  # starts a track
low = {thresholds.low}                    # continues one
nms_iou = {thresholds.nms_iou}                # over all vehicles at once
"""


def export(checkpoint: Path, folder: Path, thresholds: Thresholds) -> Path:
    """Write the model and its model file; returns the model's path."""
    path = folder / f"{NAME}.onnx"
    write_onnx(from_checkpoint(checkpoint), path)
    path.with_suffix(".toml").write_text(model_file(path, thresholds), "utf-8")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m models.train.export")
    parser.add_argument("--checkpoint", type=Path, default=Path("build/train/checkpoint.pt"))
    parser.add_argument("--folder", type=Path, default=Path("models"))
    parser.add_argument("--high", type=float, default=Thresholds().high)
    parser.add_argument("--low", type=float, default=Thresholds().low)
    given = parser.parse_args()
    written = export(given.checkpoint, given.folder, Thresholds(given.high, given.low))
    print(f"{written}: {written.stat().st_size / 1e6:.2f} MB, {sha256(written)}")
