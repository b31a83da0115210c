"""The network: a plain 3x3 CSP backbone with ReLU, a PAN neck and decoupled heads, anchor-free.

Plain convolutions run well on ONNX Runtime's CPU kernels, depthwise ones badly; the first layer goes straight to a
quarter of the resolution because the work at half resolution is bound by memory, not by arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.train.classes import CLASSES

STRIDES = (8, 16, 32)
BINS = 16
"""Each side's distance is the mean of a distribution over 0 … 15 strides (distribution focal loss)."""


@dataclass(frozen=True, slots=True)
class Widths:
    """Channels of the net: after the stem and the three stages, in the neck, in the heads' branches."""

    stem: int = 32
    stages: tuple[int, int, int] = (64, 96, 128)
    depths: tuple[int, int, int, int] = (1, 3, 2, 1)
    neck: int = 64
    head: int = 48


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Conv(channels, channels), Conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """`(b, c, h, w)` in and out."""
        return x + self.body(x)  # type: ignore[no-any-return]


class Csp(nn.Module):
    """Cross-stage partial block: half of the channels pass by, half go through residual blocks."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        half = outputs // 2
        self.past = Conv(inputs, half, 1)
        self.through = nn.Sequential(Conv(inputs, half, 1), *[Residual(half) for _ in range(depth)])
        self.join = Conv(2 * half, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, inputs, h, w)` → `(b, outputs, h, w)`."""
        return self.join(torch.cat((self.past(x), self.through(x)), 1))  # type: ignore[no-any-return]


class Context(nn.Module):
    """Spatial pyramid pooling: lets the coarsest cells see most of the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = Conv(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = Conv(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, c, h, w)` in and out."""
        views = [self.reduce(x)]
        for _ in range(3):
            views.append(self.pool(views[-1]))
        return self.join(torch.cat(views, 1))  # type: ignore[no-any-return]


class Backbone(nn.Module):
    """Features at strides 8, 16 and 32."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        # A 6x6 kernel with stride 4 sees each pixel at least twice and leaves no half-resolution activation.
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths.stem, 6, 4, 1, bias=False),
            nn.BatchNorm2d(widths.stem),
            nn.ReLU(inplace=True),
            Csp(widths.stem, widths.stem, widths.depths[0]),
        )
        channels = (widths.stem, *widths.stages)
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(a, b, 3, 2), Csp(b, b, depth))
            for a, b, depth in zip(channels, channels[1:], widths.depths[1:], strict=False)
        )
        self.context = Context(channels[-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`(b, 3, h, w)` → three feature maps, finest first."""
        fine = self.stages[0](self.stem(x))
        middle = self.stages[1](fine)
        return fine, middle, self.context(self.stages[2](middle))


class Neck(nn.Module):
    """Path aggregation: coarse context flows to the fine maps and back."""

    def __init__(self, stages: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(Conv(c, width, 1) for c in stages)
        self.down_middle, self.down_fine = Csp(2 * width, width, 1), Csp(2 * width, width, 1)
        self.to_middle, self.to_coarse = Conv(width, width, 3, 2), Conv(width, width, 3, 2)
        self.up_middle, self.up_coarse = Csp(2 * width, width, 1), Csp(2 * width, width, 1)

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Three maps in and out, all `width` channels wide."""
        fine, middle, coarse = (r(m) for r, m in zip(self.reduce, maps, strict=True))
        middle = self.down_middle(torch.cat((_double(coarse), middle), 1))
        fine = self.down_fine(torch.cat((_double(middle), fine), 1))
        middle = self.up_middle(torch.cat((self.to_middle(fine), middle), 1))
        coarse = self.up_coarse(torch.cat((self.to_coarse(middle), coarse), 1))
        return fine, middle, coarse


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Head(nn.Module):
    """Separate branches for the box and the class of each cell of one map."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.box = nn.Sequential(Conv(inputs, width), nn.Conv2d(width, 4 * BINS, 1))
        self.kind = nn.Sequential(Conv(inputs, width), nn.Conv2d(width, classes, 1))
        last = self.kind[1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, -4.6)  # starts at a probability of 0.01: most cells are empty

    def forward(self, x: Tensor) -> Tensor:
        """`(b, c, h, w)` → `(b, 4 * BINS + classes, h, w)`."""
        return torch.cat((self.box(x), self.kind(x)), 1)


class Detector(nn.Module):
    """Pictures 0-255 BGR `(b, 3, h, w)`, h and w multiples of 32 → `Raw` outputs of every cell."""

    def __init__(self, widths: Widths | None = None) -> None:
        super().__init__()
        widths = widths or Widths()
        self.scale = 1 / 255
        self.backbone = Backbone(widths)
        self.neck = Neck(widths.stages, widths.neck)
        self.heads = nn.ModuleList(Head(widths.neck, widths.head, len(CLASSES)) for _ in STRIDES)

    @torch.no_grad()
    def fold_scale(self) -> None:
        """Take the input's scale into the first convolution, once trained."""
        first = self.backbone.stem[0]
        assert isinstance(first, nn.Conv2d)
        first.weight.mul_(self.scale)
        self.scale = 1.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Per map `(b, 4 * BINS + classes, h / stride, w / stride)`, finest first."""
        fine, middle, coarse = self.features(x)
        return self.heads[0](fine), self.heads[1](middle), self.heads[2](coarse)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the heads look at: three maps, finest first."""
        fine, middle, coarse = self.neck(self.backbone(x * self.scale))
        return fine, middle, coarse


def cell_centres(height: int, width: int, stride: int) -> Tensor:
    """Centres `(h * w, 2)` x, y in pixels of a map's cells, row by row."""
    y = (torch.arange(height) + 0.5)[:, None] * stride
    x = (torch.arange(width) + 0.5)[None] * stride
    # Sums broadcast, where an expand() would freeze the traced size into the exported graph.
    return torch.stack((x + 0 * y, y + 0 * x), -1).reshape(-1, 2)


def distances(box_logits: Tensor) -> Tensor:
    """Expected left, top, right, bottom distances in strides from `(..., 4 * BINS)`, shape `(..., 4)`."""
    shares = box_logits.reshape(*box_logits.shape[:-1], 4, BINS).softmax(-1)
    return shares @ torch.arange(BINS, dtype=shares.dtype)


def boxes_from(distances_px: Tensor, centres_px: Tensor) -> Tensor:
    """Boxes x1, y1, x2, y2 from the distances of their sides to the cells' centres."""
    return torch.cat((centres_px - distances_px[..., :2], centres_px + distances_px[..., 2:]), -1)
