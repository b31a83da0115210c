"""Decoded pictures of a recording, for the tests of what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.evidence.ring import PacketRing
from edge.records import NS_PER_S
from edge.sources.video import open_video

if TYPE_CHECKING:
    from pathlib import Path

    import av

    from edge.evidence.excerpt import Excerpt


def excerpt_of(path: Path, from_s: float, until_s: float) -> Excerpt:
    """A span of a recording as the ring gives it."""
    ring = PacketRing(3600, 1 << 30)
    with open_video(path, tap=ring) as video:
        for frame in video:
            if frame.t_ns > (until_s + 1) * NS_PER_S:
                break
        return ring.hold(round(from_s * NS_PER_S), round(until_s * NS_PER_S)).take()


def frames_of(path: Path, from_s: float, until_s: float) -> list[tuple[int, av.VideoFrame]]:
    """The pictures of a span with their instants."""
    return list(excerpt_of(path, from_s, until_s).pictures())
