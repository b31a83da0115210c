"""Pictures decoded again from the ring are the pictures that the source gave, to the pixel and to the nanosecond."""

from __future__ import annotations

import hashlib
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.evidence.ring import PacketRing
from edge.records import NS_PER_S
from edge.sources.picture import DecodedPicture, Scalers
from edge.sources.video import open_video
from tests.live import free_udp_port, live
from tests.sources.videos import write_video

if TYPE_CHECKING:
    import av

    from edge.evidence.excerpt import Excerpt
    from edge.records import Frame, Picture

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"
FIXTURE = Path(__file__).resolve().parents[2] / "sim_fixtures" / "plain_red_runner" / "video.mp4"
PLENTY = 1 << 30

needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="../shared/clips is not here")


def digest(picture: Picture) -> str:
    return hashlib.sha256(picture.scaled(picture.size_px).tobytes()).hexdigest()


def digest_of(frame: av.VideoFrame) -> str:
    return digest(DecodedPicture(frame, Scalers()))


def read(path: Path, ring: PacketRing) -> list[tuple[int, str]]:
    """All that the source gives of a file, while the ring listens."""
    with open_video(path, tap=ring) as video:
        return [(frame.t_ns, digest(frame.picture)) for frame in video]


def check_same(excerpt: Excerpt, given: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Exactly the source's pictures of the wanted span come back; gives them."""
    first_ns, last_ns = excerpt.wanted_ns
    again = [(t_ns, digest_of(frame)) for t_ns, frame in excerpt.pictures()]
    assert again == [(t_ns, pixels) for t_ns, pixels in given if first_ns <= t_ns <= last_ns]
    assert [t_ns for t_ns, _ in again] == list(excerpt.times_ns)
    return again


MJPEG = {"strict": "unofficial"}  # our test pictures are not full range
KINDS = {
    "b_frames.mp4": ("libx264", {"bf": "3", "g": "20"}),
    "open_groups.mp4": ("libx264", {"bf": "3", "g": "20", "x264-params": "open-gop=1:b-pyramid=normal"}),
    "b_frames.ts": ("libx264", {"bf": "2", "g": "20"}),
    "b_frames.mkv": ("libx264", {"bf": "2", "g": "20"}),
    "b_frames.avi": ("mpeg4", {"bf": "2", "g": "20"}),
    "h264.avi": ("libx264", {"bf": "2", "g": "20"}),
    "plain.avi": ("mpeg4", {"bf": "0", "g": "20"}),
    "every_picture_a_key.avi": ("mjpeg", MJPEG),
    "every_picture_a_key.mkv": ("mjpeg", MJPEG),
    "vp9.mkv": ("libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "8"}),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("span_s", [(0.0, 9.0), (2.1, 4.3), (1.58, 1.62)])
def test_pictures_come_back_as_they_were(tmp_path: Path, name: str, span_s: tuple[float, float]) -> None:
    codec, options = KINDS[name]
    path = write_video(tmp_path / name, 120, codec=codec, options=options)
    ring = PacketRing(60, PLENTY)
    hold = ring.hold(*(round(t_s * NS_PER_S) for t_s in span_s))
    given = read(path, ring)
    excerpt = hold.take()
    assert check_same(excerpt, given)
    assert len(excerpt.packets) <= 120
    if span_s[0] > 2:
        assert len(excerpt.packets) <= 90  # it begins with the last key frame that will do


def test_a_ring_that_has_forgotten_the_beginning_still_gives_exact_pictures(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b_frames.mp4", 200, options={"bf": "3", "g": "20"})
    ring = PacketRing(2, PLENTY)
    given = read(path, ring)
    excerpt = ring.hold(0, 8 * NS_PER_S).take()
    assert excerpt.shortened[0].startswith("The clip begins 5.")
    again = [(t_ns, digest_of(frame)) for t_ns, frame in excerpt.pictures()]
    assert again == given[-len(again) :]
    assert 50 <= len(again) <= 80


@pytest.mark.slow
@needs_clips
@pytest.mark.parametrize(("clip", "span_s"), [("highway.avi", (13.0, 15.0)), ("car-park.mp4", (7.0, 9.0))])
def test_pictures_of_real_clips_come_back_as_they_were(clip: str, span_s: tuple[float, float]) -> None:
    ring = PacketRing(60, PLENTY)
    given = read(CLIPS / clip, ring)
    excerpt = ring.hold(*(round(t_s * NS_PER_S) for t_s in span_s)).take()
    assert len(check_same(excerpt, given)) >= 20


def test_a_damaged_packet_is_left_out_here_as_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dirty.avi", 100, codec="mpeg4", options={"g": "10"})
    data = bytearray(path.read_bytes())
    for place in [place for place in range(len(data) - 4) if data[place : place + 4] == b"00dc"][23:60:10]:
        data[place + 8 : place + 40] = b"\xff" * 32
    path.write_bytes(data)
    ring = PacketRing(60, PLENTY)
    given = read(path, ring)
    check_same(ring.hold(0, 9 * NS_PER_S).take(), given)


@pytest.mark.alone
def test_a_live_stream_is_kept_with_the_times_of_the_monotonic_clock() -> None:
    port = free_udp_port()
    ring = PacketRing(60, PLENTY)
    frames: list[Frame] = []
    with live(FIXTURE, port), closing(open_video(f"udp://127.0.0.1:{port}?timeout=5000000", tap=ring)) as video:
        for frame in video:
            frames.append(frame)
            if len(frames) >= 40:
                break
    hold = ring.hold(frames[0].t_ns, frames[-1].t_ns)
    excerpt = hold.take()
    again = dict(excerpt.pictures())
    given = {frame.t_ns: frame for frame in frames}
    assert set(given) <= set(again)  # the node may have been too slow to take some
    assert all(digest_of(again[t_ns]) == digest(frame.picture) for t_ns, frame in given.items())
    assert all(later > earlier for earlier, later in pairwise(again))
    assert hold not in ring._holds


def test_a_source_that_ends_ends_its_tap(tmp_path: Path) -> None:
    path = write_video(tmp_path / "plain.mp4", 30)
    ring = PacketRing(60, PLENTY)
    hold = ring.hold(0, 60 * NS_PER_S)
    with open_video(path, live=True, tap=ring) as video:
        list(video)
    assert hold.is_ready


def test_an_excerpt_that_is_left_early_lets_go_of_its_decoder(tmp_path: Path) -> None:
    ring = PacketRing(60, PLENTY)
    read(write_video(tmp_path / "plain.mp4", 60), ring)
    excerpt = ring.hold(0, NS_PER_S).take()
    pictures = excerpt.pictures()
    assert next(pictures)[0] == 0
    pictures.close()
    assert next(excerpt.pictures())[0] == 0
