"""What tests of the keeper share: a short span of a fixture, a desk without seal, a masker that saves time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.evidence.keeper import Desk
from edge.evidence.masking import Sighting
from edge.evidence.seal import Seal
from edge.mqtt import Topics
from tests.cases import case, signing_key
from tests.command import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import av

    from edge.event import ViolationCase
    from edge.records import Box

VIDEO = ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4"
SITE_TOML = b"schema = 1\n"
_EARLIER_NS = 40_000_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds kept before and after."""

    before_s: float
    after_s: float


SHORT = Span(0.6, 0.3)
CROSSED_NS, CONFIRMED_NS = 1_843_000_000, 2_215_000_000


def early_case() -> ViolationCase:
    """The violation of ``tests.cases``, 40 s earlier, so that it falls into the recording's first seconds."""
    violation = case(frames=13)
    passage = violation.passage
    assert passage.t_confirm_ns is not None
    moved = replace(
        passage,
        t_cross_ns=passage.t_cross_ns - _EARLIER_NS,
        t_confirm_ns=passage.t_confirm_ns - _EARLIER_NS,
        points=tuple(replace(point, t_ns=point.t_ns - _EARLIER_NS) for point in passage.points),
    )
    edges = tuple(replace(edge, t_ns=edge.t_ns - _EARLIER_NS) for edge in violation.lamp_edges)
    site = violation.site.model_copy(update={"sha256": hashlib.sha256(SITE_TOML).hexdigest()})
    return replace(violation, passage=moved, lamp_edges=edges, site=site)


class Unmasked:
    """Sees nobody: for tests of anything but masking, where the detector's time would be lost."""

    low = 0.1

    def look(self, t_ns: int, frame: av.VideoFrame) -> Sighting:  # noqa: ARG002
        return Sighting(t_ns, ())


def desk(recipients: Sequence[str] = (), part_bytes: int = 16_384, regions_px: tuple[Box, ...] = ()) -> Desk:
    """The desk of the node of ``tests.cases``."""
    topics = Topics("stopline", "main-and-3rd", "edge-1")
    return Desk(signing_key(), Seal(recipients), topics, part_bytes, SITE_TOML, regions_px)
