from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from edge.detector import Detector, load_model
from edge.embedded import embedded_model
from edge.errors import ModelError, SourceError
from edge.pipeline import LIVE_PLACES, PLACES, StageTimes, detect_stream
from edge.sources.video import open_video
from tests.sources.videos import SIZE, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.records import Frame

WORKERS = {"decode", "inference"}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(load_model(embedded_model()), SIZE)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "video.mp4", 40)


def workers() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & WORKERS


def test_every_frame_comes_in_order_with_what_the_detector_alone_finds(detector: Detector, video: Path) -> None:
    with open_video(video) as source:
        alone = [(frame.t_ns, detector.detect(frame)) for frame in source]
    times = StageTimes()
    for _ in range(2):
        with open_video(video) as source:
            together = [(frame.t_ns, found) for frame, found in detect_stream(source, detector, times=times)]
        assert together == alone
    assert times.frames == 80
    assert min(times.per_frame_ms().values()) > 0
    assert set(times.per_frame_ms()) == {"decode", "prepare", "infer", "head", "judge"}
    assert not workers()


def test_a_consumer_that_leaves_early_ends_both_threads(detector: Detector, video: Path) -> None:
    with open_video(video) as source:
        stream = detect_stream(source, detector)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert not workers()
        assert source.stats.decoded < 40


def test_a_source_that_fails_is_told_after_the_frames_before(detector: Detector, video: Path) -> None:
    def failing(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if frame.sequence == 7:
                raise SourceError("the camera was unplugged")
            yield frame

    seen = []
    with open_video(video) as source, pytest.raises(SourceError, match="unplugged"):
        seen.extend(frame.sequence for frame, _ in detect_stream(failing(iter(source)), detector))
    assert seen == list(range(7))
    assert not workers()


def test_a_detector_that_fails_is_told(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector(load_model(embedded_model()), SIZE)
    infer = detector.infer
    calls = []

    def failing(prepared):  # noqa: ANN001, ANN202
        calls.append(prepared)
        if len(calls) > 5:
            raise ModelError("out of order")
        return infer(prepared)

    monkeypatch.setattr(detector, "infer", failing)
    with open_video(video) as source, pytest.raises(ModelError, match="out of order"):
        list(detect_stream(source, detector))
    assert not workers()


@pytest.mark.parametrize("places", [PLACES, LIVE_PLACES])
def test_memory_is_bounded_by_the_places_between_the_threads(detector: Detector, video: Path, places: int) -> None:
    at_work = 4  # one in the hands of each thread, and one that was just let go of
    with open_video(video) as source:
        for frame, _ in detect_stream(source, detector, places=places):
            time.sleep(0.01 if frame.sequence < 30 else 0)  # so that all places are taken
            assert source.stats.decoded - frame.sequence <= 2 * places + at_work
