"""All that a proposal rests on, gathered from a recording's frames as they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.proposals.approach import propose_approach
from edge.proposals.lamps import find_heads
from edge.proposals.paint import median_luma
from edge.proposals.paths import PathCollector
from edge.proposals.pictures import PictureStack, small_size
from edge.proposals.site_text import Recording, site_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from edge.proposals.approach import ApproachProposal
    from edge.proposals.lamps import HeadProposal
    from edge.records import Detection, Frame, Size
    from edge.tracker import TrackerSettings


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found, in pixels of pictures ``scale`` times as large as the recording's."""

    approach: ApproachProposal
    heads: tuple[HeadProposal, ...]
    scale: float

    def text(self, site: str, group: str, seen: Recording, chosen: str = "") -> str:
        """The site file; the recording's scale is the proposal's own. ``chosen`` says why it is this group."""
        return site_text(site, group, replace(seen, scale=self.scale), self.approach, self.heads, chosen)


class Watching:
    """Takes a recording's frames with their detections, boxes in pixels of ``size_px``, the recording's own."""

    def __init__(self, scores: TrackerSettings, size_px: Size) -> None:
        small = small_size(size_px)
        self._scale = (small[0] / size_px[0], small[1] / size_px[1])
        self._paths = PathCollector(scores, small)
        self.stack = PictureStack(small)
        self.small_px = small
        self._luma: tuple[int, NDArray[float64]] | None = None

    def frame(self, frame: Frame, detections: Sequence[Detection]) -> None:
        """Take the next frame."""
        self.stack.frame(frame, self._paths.frame(frame.t_ns, [self._shrunk(one) for one in detections]))

    def propose(self) -> Proposal | None:
        """What the frames so far show; None where no vehicle drives along the road."""
        luma = self.luma()
        if luma is None:
            return None
        approach = propose_approach(self._paths.paths(), luma, self.small_px)
        return None if approach is None else Proposal(approach, find_heads(self.stack, approach), self._scale[0])

    def luma(self) -> NDArray[float64] | None:
        """What stays in the pictures so far, None before the first one; may be asked while more of them come."""
        pictures, boxes = list(self.stack.pictures), list(self.stack.boxes_px)
        count = min(len(pictures), len(boxes))
        if count and (self._luma is None or self._luma[0] != count):
            self._luma = count, median_luma(pictures[:count], boxes[:count])
        return None if self._luma is None else self._luma[1]

    def _shrunk(self, one: Detection) -> Detection:
        (x, y), (x1, y1, x2, y2) = self._scale, one.box_px
        return replace(one, box_px=(x1 * x, y1 * y, x2 * x, y2 * y))
