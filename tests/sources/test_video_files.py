from __future__ import annotations

import json
import wave
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from edge.errors import SourceError
from edge.sources.video import open_video
from tests.sources.videos import SIZE, write_video

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"
FASTSTART = {"movflags": "faststart"}

needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="../shared/clips is not here")


def times_of(path: Path) -> list[int]:
    with open_video(path) as video:
        return [frame.t_ns for frame in video]


def test_a_file_gives_every_frame_with_its_own_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b_frames.mp4", 50, options={"bf": "3"})
    with open_video(path) as video:
        assert (video.size_px, video.average_fps, video.frame_count) == (SIZE, 25.0, 50)
        assert video.duration_s == pytest.approx(2.0)
        frames = list(video)
        assert video.stats.decoded == 50
    assert [frame.t_ns for frame in frames] == [40_000_000 * index for index in range(50)]
    assert [frame.sequence for frame in frames] == list(range(50))


def test_a_file_waits_for_its_consumer(tmp_path: Path) -> None:
    path = write_video(tmp_path / "plain.mp4", 40)
    with open_video(path) as video:
        frames = iter(video)
        next(frames)
        assert video.stats.decoded == 1
        assert len(list(frames)) == 39
        assert video.stats.dropped == 0


def test_times_are_exact_where_a_frame_is_no_whole_number_of_ticks(tmp_path: Path) -> None:
    times_ms = [0, 33, 67, 100, 133, 167]
    path = write_video(tmp_path / "thirds.mkv", times_ms=times_ms)
    assert times_of(path) == [1_000_000 * time for time in times_ms]


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3"}])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_keeps_a_constant_rate_through_b_frames(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    times = times_of(write_video(tmp_path / "video.avi", 40, codec=codec, options=options))
    assert {later - earlier for earlier, later in pairwise(times)} == {40_000_000}
    assert 0 <= times[0] <= 160_000_000
    assert len(times) == 40


def test_a_gap_is_kept_and_counted(tmp_path: Path) -> None:
    times_ms = [40 * index for index in range(20)] + [40 * index + 700 for index in range(20, 40)]
    path = write_video(tmp_path / "gap.mp4", times_ms=times_ms)
    with open_video(path) as video:
        assert [frame.t_ns // 1_000_000 for frame in video] == times_ms
        assert video.stats.gaps == 1


@needs_clips
@pytest.mark.parametrize(
    ("clip", "first_ns", "step_ns", "count"),
    [("highway.avi", 120_000_000, 40_000_000, 748), ("car-park.mp4", 0, 80_000_000, 377)],
)
def test_real_clips_with_a_constant_rate(clip: str, first_ns: int, step_ns: int, count: int) -> None:
    assert times_of(CLIPS / clip) == [first_ns + step_ns * index for index in range(count)]


@needs_clips
def test_a_real_clip_with_one_gap() -> None:
    notes = json.loads((CLIPS / "side-road.json").read_text())
    with open_video(CLIPS / "side-road.mp4") as video:
        times = [frame.t_ns for frame in video]
        assert video.stats.gaps == 1
    assert len(times) == notes["frames_decoded"]
    assert times[-1] == pytest.approx(notes["last_pts_s"] * 1e9, abs=1e6)
    assert (times[17], times[18]) == (pytest.approx(0.708e9, abs=1e6), pytest.approx(0.791e9, abs=1e6))


@pytest.mark.parametrize("name", ["end.mp4", "front.mp4", "video.avi", "video.mkv"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_recording_is_refused_before_it_is_read(tmp_path: Path, name: str, share: float) -> None:
    path = write_video(tmp_path / name, container=FASTSTART if name == "front.mp4" else None)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SourceError, match="cut short"):
        open_video(path)


@pytest.mark.parametrize("name", ["end.mp4", "front.mp4", "video.avi", "video.mkv", "video.ts"])
def test_a_whole_recording_is_not_refused(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, 30, container=FASTSTART if name == "front.mp4" else None)
    assert len(times_of(path)) == 30


def test_corrupt_packets_are_survived_and_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dirty.avi", 100, codec="mpeg4", options={"g": "10"})
    data = bytearray(path.read_bytes())
    chunks = [place for place in range(len(data) - 4) if data[place : place + 4] == b"00dc"][20:60:10]
    for place in chunks:
        data[place + 8 : place + 40] = b"\xff" * 32
    path.write_bytes(data)
    with open_video(path) as video:
        times = [frame.t_ns for frame in video]
        assert video.stats.corrupt_packets + video.stats.corrupt_frames >= 3
    assert len(times) >= 90
    assert all(later > earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.ts", "libx264")]
)
def test_a_damaged_recording_is_read_or_refused_but_never_breaks_the_reader(
    tmp_path: Path, name: str, codec: str
) -> None:
    random = Random(3)  # noqa: S311 - the same damage every time
    path = write_video(tmp_path / name, 40, codec=codec)
    whole = path.read_bytes()
    frames, refused = 0, 0
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 3, 20, 200))):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        path.write_bytes(damaged)
        try:
            times = times_of(path)
        except SourceError:
            refused += 1
        else:
            frames += len(times)
            assert all(later > earlier for earlier, later in pairwise(times))
    assert frames > 0
    assert refused > 0


def _text(path: Path) -> Path:
    path.write_text("This is a note about a junction and no film of it.\n" * 20)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16000))
    return path


def _header_only(path: Path) -> Path:
    path.write_bytes(write_video(path.with_suffix(".avi"), 10).read_bytes()[:3])
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path, "does not exist"),
        (_folder, "is a folder"),
        (_text, "is no recording that can be read"),
        (_header_only, "is no recording that can be read"),
        (_sound, "holds no video stream"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_sentence(tmp_path: Path, make, words: str) -> None:  # noqa: ANN001
    path = make(tmp_path / "input.mp4")
    with pytest.raises(SourceError, match=words) as refused:
        open_video(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_camera_that_is_not_there_is_a_source_error() -> None:
    for url in ("rtsp://127.0.0.1:9/none", "/dev/video-none"):
        with pytest.raises(SourceError, match="cannot be opened"):
            open_video(url, timeout_s=2)


def test_a_file_can_be_read_only_once(tmp_path: Path) -> None:
    with open_video(write_video(tmp_path / "once.mp4", 5)) as video:
        assert len(list(video)) == 5
        with pytest.raises(SourceError, match="open it again"):
            iter(video)


@pytest.mark.parametrize("crop", [(32, 16, 128, 80), (0, 0, 160, 96), (2, 4, 50, 96)])
def test_a_crop_is_that_part_of_the_picture(tmp_path: Path, crop: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = crop
    with open_video(write_video(tmp_path / "plain.mp4", 3)) as video:
        shown = next(iter(video)).picture
        part = shown.scaled((right - left, bottom - top), crop)
        whole = shown.scaled(shown.size_px)
    assert whole.shape == (96, 160, 3)
    difference = np.abs(part.astype(int) - whole[top:bottom, left:right])
    assert difference.mean() < 1  # chroma is smoothed across the crop's edge
    assert difference[2:-2, 2:-2].max() <= 8


def test_a_picture_is_scaled_by_area(tmp_path: Path) -> None:
    with open_video(write_video(tmp_path / "plain.mp4", 3)) as video:
        shown = next(iter(video)).picture
        half = shown.scaled((80, 48)).astype(int)
        whole = shown.scaled(SIZE).astype(int)
    averaged = whole.reshape(48, 2, 80, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - averaged).mean() < 3
