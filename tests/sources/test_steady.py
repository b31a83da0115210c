"""A camera that goes silent and comes back, on a real stream."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from edge.errors import SourceError
from edge.sources.steady import SteadyVideo, awaited
from edge.sources.video import VideoSource, open_video
from tests.command import ROOT
from tests.live import free_udp_port, live, send_live

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.records import Frame

pytestmark = pytest.mark.alone

VIDEO = ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4"


def opened(port: int) -> VideoSource:
    return open_video(f"udp://127.0.0.1:{port}", timeout_s=1.0)


def there(video: Callable[[], SteadyVideo]) -> SteadyVideo:
    """Opened as soon as it can be: whoever comes late has to wait for the recording's next key frame, 5 s away."""
    found = awaited(video, threading.Event(), lambda _: None, for_s=30.0)
    assert found is not None
    return found


@pytest.mark.slow
def test_frames_go_on_over_a_silence() -> None:
    port = free_udp_port()
    told: list[str] = []
    seen: list[Frame] = []
    enough = threading.Event()

    def read(video: SteadyVideo) -> None:
        for frame in video:
            seen.append(frame)
            if video.reopened and len(seen) > 40:
                enough.set()

    with live(VIDEO, port):
        video = there(lambda: SteadyVideo(lambda: opened(port), told.append, patience_s=30.0))
        reader = threading.Thread(target=read, args=(video,))
        reader.start()
        time.sleep(3.0)
    time.sleep(1.5)  # longer than it waits for a picture
    with video, live(VIDEO, port):
        assert enough.wait(30), told
    reader.join(10)
    assert not reader.is_alive()
    assert video.reopened == 1
    assert len(told) == 2
    assert "opened anew" in told[0]
    assert told[1].endswith("is back")
    assert all(second.sequence > first.sequence for first, second in pairwise(seen))
    assert all(second.t_ns > first.t_ns for first, second in pairwise(seen))
    assert video.stats.decoded >= len(seen)


@pytest.mark.slow
def test_a_camera_that_stays_away_is_given_up() -> None:
    port = free_udp_port()
    with live(VIDEO, port):
        video = there(lambda: SteadyVideo(lambda: opened(port), patience_s=1.0))
        frames = iter(video)
        next(frames)
    with video, pytest.raises(SourceError, match="cannot be opened"):
        for _ in frames:
            pass


def test_what_was_never_there_fails_at_once() -> None:
    began_s = time.monotonic()
    with pytest.raises(SourceError, match="cannot be opened"):
        SteadyVideo(lambda: opened(free_udp_port()))
    assert time.monotonic() - began_s < 10


@pytest.mark.slow
def test_a_camera_that_starts_more_slowly_than_the_node_is_waited_for() -> None:
    port = free_udp_port()
    told: list[str] = []
    enough = threading.Event()
    late = threading.Timer(2.5, lambda: send_live(VIDEO, port, 20.0, enough))
    late.start()
    video = awaited(lambda: SteadyVideo(lambda: opened(port)), threading.Event(), told.append, for_s=30.0)
    assert video is not None
    with video:
        assert next(iter(video)).sequence >= 0
        assert video.reopened == 0
    enough.set()
    late.join(10)
    (words,) = told
    assert "tried again" in words


def test_a_camera_is_waited_for_no_longer_than_it_may_be() -> None:
    over = threading.Event()

    def absent() -> None:
        raise SourceError("it is not there")

    with pytest.raises(SourceError, match="not there"):
        awaited(absent, over, lambda _: None, for_s=0.0)
    threading.Timer(0.2, over.set).start()
    assert awaited(absent, over, lambda _: None, for_s=30.0) is None


def test_a_recording_ends_once() -> None:
    with SteadyVideo(lambda: open_video(VIDEO)) as video:
        assert not video.is_live
        assert sum(1 for _ in video) == 650
        assert video.reopened == 0


@pytest.mark.slow
def test_a_source_that_failed_leaves_nothing_behind_for_python_to_find() -> None:
    """Decoder and pictures go at once, and not when Python next looks for circles, which may be hours later."""
    port = free_udp_port()
    gone: list[weakref.ref[VideoSource]] = []

    def watched() -> VideoSource:
        video = opened(port)
        gone.append(weakref.ref(video))
        return video

    gc.collect()
    gc.disable()
    try:
        with live(VIDEO, port, 8), there(lambda: SteadyVideo(watched, patience_s=0.5)) as video:
            with pytest.raises(SourceError):
                deque(video, maxlen=0)
            assert any(ref() is not None for ref in gone)
        del video
        assert [ref() for ref in gone] == [None] * len(gone)
    finally:
        gc.enable()
