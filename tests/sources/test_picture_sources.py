"""What the node relies on in every live source of pictures: one suite over PyAV's and Picamera2's.

The part on Picamera2 runs where it can be imported: on a Pi with its camera, elsewhere on libcamera's virtual camera
(script/test-picamera). Both see the beginning of the same recording, so that the pictures can be compared too.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from edge.config import Camera
from edge.errors import SourceError
from edge.evidence.ring import PacketRing
from edge.records import NS_PER_S
from edge.sources.picamera import open_picamera
from edge.sources.video import open_video
from tests.command import ROOT
from tests.live import free_udp_port, live
from tests.sources import virtual_camera

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.records import Frame, PacketTap, Size
    from edge.sources.video import VideoStats

RECORDING = ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4"
MAIN = (640, 360)
CAMERA = Camera(size_px=MAIN, detect_px=(320, 180))
# Picamera2's own threads are started in a way that Python is about to forget.
pytestmark = [pytest.mark.filterwarnings("ignore:setDaemon"), pytest.mark.slow, pytest.mark.alone]


class Source(Protocol):
    name: str

    @property
    def is_live(self) -> bool: ...
    @property
    def size_px(self) -> Size: ...
    @property
    def stats(self) -> VideoStats: ...
    def __iter__(self) -> Iterator[Frame]: ...
    def close(self) -> None: ...


@pytest.fixture(params=["video", "picamera"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[..., Source]]:
    """Opens a live source; all are closed in the end."""
    with ExitStack() as stack:
        if request.param == "video":

            def open_source(tap: PacketTap | None = None) -> Source:
                port = free_udp_port()
                stack.enter_context(live(RECORDING, port))
                source = open_video(f"udp://127.0.0.1:{port}?timeout=20000000", tap=tap)
                stack.callback(source.close)
                return source
        else:
            reason = virtual_camera.missing()
            if reason:
                pytest.skip(reason)
            virtual_camera.installed()

            def open_source(tap: PacketTap | None = None) -> Source:
                source = open_picamera("picamera", CAMERA, tap=tap, timeout_s=10)
                stack.callback(source.close)
                return source

        yield open_source


def some(source: Source, number: int) -> list[Frame]:
    return list(islice(iter(source), number))


def test_pictures_come_live_with_rising_instants_of_the_monotonic_clock(opened: Callable[..., Source]) -> None:
    source = opened()
    assert source.is_live
    ages_ns = []
    frames = []
    for frame in islice(iter(source), 50):
        ages_ns.append(time.monotonic_ns() - frame.t_ns)
        frames.append(frame)
    assert all(later.t_ns > earlier.t_ns for earlier, later in pairwise(frames))
    assert 0 <= min(ages_ns) < NS_PER_S
    steps_ns = [
        (later.t_ns - earlier.t_ns) / (later.sequence - earlier.sequence) for earlier, later in pairwise(frames[20:])
    ]
    assert (
        20e6 < np.median(steps_ns) < 80e6
    )  # 25 a second, on a machine that may be busy, once what waited has been read


def test_pictures_are_numbered_with_the_dropped_ones_included(opened: Callable[..., Source]) -> None:
    source = opened()
    frames = some(source, 15)
    assert all(later.sequence > earlier.sequence for earlier, later in pairwise(frames))
    assert frames[-1].sequence < source.stats.decoded
    assert frames[-1].sequence + 1 - len(frames) <= source.stats.dropped


def test_a_slow_consumer_costs_pictures_that_are_counted_and_never_time(opened: Callable[..., Source]) -> None:
    source = opened()
    frames = iter(source)
    first = next(frames)
    time.sleep(1.5)
    late = list(islice(frames, 6))[-1]
    assert time.monotonic_ns() - late.t_ns < NS_PER_S
    assert late.sequence - first.sequence > 15
    assert source.stats.dropped >= 15


def test_a_picture_is_converted_at_the_size_asked_for(opened: Callable[..., Source]) -> None:
    source = opened()
    (frame,) = some(source, 1)
    assert frame.picture.size_px == source.size_px
    whole = frame.picture.scaled(source.size_px)
    assert (whole.shape, whole.dtype) == ((source.size_px[1], source.size_px[0], 3), np.uint8)
    part = frame.picture.scaled((64, 40), (32, 20, 96, 60)).astype(int)
    assert np.abs(part - whole[20:60, 32:96]).mean() < 2  # chroma is smoothed across the crop's edge
    assert whole.std() > 10


def test_the_same_junction_is_seen_in_true_colours(opened: Callable[..., Source]) -> None:
    source = opened()
    (frame,) = some(source, 1)
    with open_video(RECORDING) as recording:
        original = next(iter(recording)).picture.scaled((64, 36)).astype(int)
    assert np.abs(frame.picture.scaled((64, 36)) - original).mean() < 8


def test_the_tap_has_every_picture_at_its_full_size(opened: Callable[..., Source]) -> None:
    ring = PacketRing(30, 50_000_000)
    source = opened(ring)
    frames = some(source, 40)
    source.close()
    hold = ring.hold(frames[10].t_ns, frames[30].t_ns)
    assert hold.is_ready
    kept = dict(hold.take().pictures())
    assert {frame.t_ns for frame in frames[10:31]} <= set(kept)
    assert {(picture.width, picture.height) for picture in kept.values()} == {MAIN}
    for frame in frames[10:31:10]:
        still = kept[frame.t_ns].reformat(64, 36, "bgr24").to_ndarray().astype(int)
        assert np.abs(frame.picture.scaled((64, 36)) - still).mean() < 8


def test_a_source_is_read_once(opened: Callable[..., Source]) -> None:
    source = opened()
    some(source, 2)
    with pytest.raises(SourceError, match="open it again"):
        iter(source)


def test_closing_ends_the_waiting_of_a_consumer_and_all_threads(opened: Callable[..., Source]) -> None:
    before = threading.active_count()
    ring = PacketRing(30, 50_000_000)
    source = opened(ring)
    seen: list[Frame] = []
    consumer = threading.Thread(target=lambda: seen.extend(source))
    consumer.start()
    while len(seen) < 5:
        time.sleep(0.02)
    source.close()
    consumer.join(20)
    assert not consumer.is_alive()
    assert threading.active_count() <= before + 1  # the recording may still be sent
    assert ring.hold(seen[0].t_ns, seen[0].t_ns + 3600 * NS_PER_S).is_ready
    source.close()


def test_a_source_can_be_opened_again_after_it_was_closed(opened: Callable[..., Source]) -> None:
    for _ in range(2):
        source = opened()
        assert len(some(source, 3)) == 3
        source.close()
