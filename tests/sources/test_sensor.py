from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Camera
from edge.errors import SourceError
from edge.evidence.ring import PacketRing
from edge.records import NS_PER_S
from edge.sources.picamera import PicameraSettings, is_picamera, open_picamera
from edge.sources.picture import DecodedPicture, KeptParts, Scalers
from edge.sources.sensor import (
    Layout,
    MissedPictures,
    PacketFeed,
    SensorClock,
    detection_size,
    limited_tuning,
    planar_420,
    whole_us,
)
from tests.sources.videos import picture

MICROSECOND = Fraction(1, 1_000_000)
HOUR_NS = 3600 * NS_PER_S
INTERVAL_NS = 40_000_000


def clock(monotonic_ns: int, boot_ns: int) -> SensorClock:
    return SensorClock(lambda: (monotonic_ns, boot_ns))


@given(
    age_ns=st.integers(0, 2 * NS_PER_S), asleep_ns=st.integers(3 * NS_PER_S, 1000 * HOUR_NS), is_boottime=st.booleans()
)
def test_a_stamp_of_either_clock_is_brought_onto_the_monotonic_one(
    age_ns: int, asleep_ns: int, is_boottime: bool
) -> None:
    now_ns = 5 * HOUR_NS
    stamp_ns = now_ns - age_ns + (asleep_ns if is_boottime else 0)
    assert clock(now_ns, now_ns + asleep_ns).to_monotonic(stamp_ns) == now_ns - age_ns


def test_a_machine_that_never_slept_has_nothing_to_translate() -> None:
    sensor = clock(HOUR_NS, HOUR_NS)
    assert [sensor.to_monotonic(HOUR_NS + step) for step in (-5, 0, 7)] == [HOUR_NS - 5, HOUR_NS, HOUR_NS + 7]


@pytest.mark.parametrize("beside_ns", [-HOUR_NS, -6 * NS_PER_S, NS_PER_S])
def test_a_stamp_of_neither_clock_is_refused(beside_ns: int) -> None:
    with pytest.raises(SourceError, match="cannot be set against the lamps"):
        clock(2 * HOUR_NS, 2 * HOUR_NS).to_monotonic(2 * HOUR_NS + beside_ns)


def missed(*pictures: tuple[int, int]) -> list[int]:
    """What is counted for pictures given by their sequence number and their time in intervals."""
    counter = MissedPictures()
    return [counter.before(sequence, at * INTERVAL_NS, INTERVAL_NS) for sequence, at in pictures]


def test_nothing_is_missed_where_pictures_follow_each_other() -> None:
    assert missed((7, 0), (8, 1), (9, 2)) == [0, 0, 0]


def test_a_gap_in_numbers_or_in_time_counts_once() -> None:
    assert missed((0, 0), (3, 3), (4, 4)) == [0, 2, 0]
    assert missed((0, 0), (1, 3), (2, 4)) == [0, 2, 0]
    assert missed((0, 0), (3, 1), (4, 2)) == [0, 2, 0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50), st.floats(-0.4, 0.4))
def test_every_picture_is_counted_whatever_the_jitter(gaps: list[int], jitter: float) -> None:
    counter, sequence, told = MissedPictures(), 0, 0
    for index, gap in enumerate(gaps):
        sequence += 1 + (gap if index else 0)
        t_ns = round((sequence + (jitter if index % 2 else 0)) * INTERVAL_NS)
        told += counter.before(sequence, t_ns, INTERVAL_NS)
    assert told == sum(gaps[1:])


def test_a_camera_opened_anew_numbers_from_the_start_while_time_goes_on() -> None:
    counter = MissedPictures()
    counter.before(500, 0, INTERVAL_NS)
    counter.restarted()
    assert counter.before(0, 10 * INTERVAL_NS, INTERVAL_NS) == 9


def padded(frame: av.VideoFrame, layout: Layout) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A picture as a camera lays it into memory, the padding filled with a colour that would be seen."""
    width, height = layout.size_px
    planes = [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, : width // step]
        for plane, step in zip(frame.planes, (1, 2, 2), strict=True)
    ]
    buffer = np.full(layout.size_bytes + 4096, 199, np.uint8)
    luma = buffer[: layout.stride * height].reshape(height, layout.stride)
    luma[:, :width] = planes[0][:height]
    chroma = buffer[layout.stride * height : layout.size_bytes]
    if layout.pixel_format == "NV12":
        chroma.reshape(height // 2, layout.stride)[:, :width] = np.dstack(planes[1:])[: height // 2].reshape(-1, width)
    else:
        chroma.reshape(2, height // 2, layout.stride // 2)[:, :, : width // 2] = [p[: height // 2] for p in planes[1:]]
    return buffer


@pytest.mark.parametrize("pixel_format", ["YUV420", "NV12"])
@pytest.mark.parametrize(("size", "stride"), [((160, 96), 160), ((160, 96), 192), ((90, 50), 128), ((90, 50), 90)])
def test_the_stride_is_cut_off(pixel_format: str, size: tuple[int, int], stride: int) -> None:
    if stride % 2 and pixel_format == "YUV420":
        pytest.skip("half of an odd stride is no stride")
    original = av.VideoFrame.from_ndarray(picture(3, size), format="rgb24").reformat(format="yuv420p")
    layout = Layout(pixel_format, size, stride)
    again = planar_420(padded(original, layout), layout)
    assert (again.width, again.height, again.format.name) == (*size, "yuv420p")
    assert np.array_equal(again.to_ndarray(format="rgb24"), original.to_ndarray(format="rgb24"))


@pytest.mark.parametrize("pixel_format", ["YUV420", "NV12"])
def test_a_part_is_cut_out_of_the_buffer_alone(pixel_format: str) -> None:
    original = av.VideoFrame.from_ndarray(picture(3, (160, 96)), format="rgb24").reformat(format="yuv420p")
    layout = Layout(pixel_format, (160, 96), 192)
    part = planar_420(padded(original, layout), layout, (20, 10, 84, 58))
    whole = DecodedPicture(original, Scalers())
    kept = KeptParts((160, 96), {(20, 10, 84, 58): part}, Scalers())
    assert np.array_equal(kept.scaled((64, 48), (20, 10, 84, 58)), whole.scaled((64, 48), (20, 10, 84, 58)))
    with pytest.raises(AssertionError, match="was not asked for"):
        kept.scaled((64, 48), (0, 0, 64, 48))


def test_a_picture_outlives_its_buffer() -> None:
    layout = Layout("NV12", (160, 96), 160)
    original = av.VideoFrame.from_ndarray(picture(3), format="rgb24").reformat(format="yuv420p")
    buffer = padded(original, layout)
    again = planar_420(buffer, layout)
    buffer[:] = 0
    assert np.array_equal(again.to_ndarray(), original.to_ndarray())


def test_a_foreign_format_or_a_short_buffer_is_refused() -> None:
    with pytest.raises(SourceError, match="as MJPEG, not as"):
        planar_420(np.zeros(10_000, np.uint8), Layout("MJPEG", (64, 48), 64))
    with pytest.raises(SourceError, match="restart it"):
        planar_420(np.zeros(100, np.uint8), Layout("NV12", (64, 48), 64))


def encoded(frames: int, first_us: int) -> list[tuple[bytes, int, bool]]:
    """H.264 as a Pi's encoder gives it: start codes, parameter sets before each key picture, one packet a picture."""
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = 160, 96, "yuv420p"
    codec.time_base, codec.gop_size = MICROSECOND, 10
    codec.options = {"preset": "ultrafast", "tune": "zerolatency"}
    packets = []
    for index in range(frames):
        frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = first_us + 40_000 * index, MICROSECOND
        packets += [(bytes(packet), packet.pts or 0, packet.is_keyframe) for packet in codec.encode(frame)]
    return packets


def test_packets_reach_the_ring_with_their_instants_across_a_camera_opened_anew() -> None:
    now_ns = HOUR_NS
    ring = PacketRing(60, 1_000_000)
    feed = PacketFeed(ring, clock(now_ns, now_ns), (160, 96))
    before, after = encoded(15, now_ns // 1000), encoded(15, now_ns // 1000 + 5_000_000)
    for data, stamp_us, is_key in [*before[1:10], *before, *after]:
        feed.put(data, stamp_us, is_key=is_key)
    feed.end()
    excerpt = ring.hold(now_ns, now_ns + 60 * NS_PER_S).take()
    pictures = list(excerpt.pictures())
    assert [t_ns for t_ns, _ in pictures] == [stamp_us * 1000 for _, stamp_us, _ in before + after]
    assert {(frame.width, frame.height) for _, frame in pictures} == {(160, 96)}
    shown = pictures[20][1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown - picture(5)).mean() < 12


def test_a_tap_that_was_never_begun_is_not_ended() -> None:
    ring = PacketRing(1, 1000)
    PacketFeed(ring, clock(0, 0), (160, 96)).end()
    assert not ring.hold(0, 1).is_ready


MODE = {"shutter": [100, 10_000, 66_666], "gain": [1.0, 6.0, 8.0]}


@pytest.mark.parametrize(
    "tuning",
    [
        {"version": 2.0, "algorithms": [{"rpi.awb": {}}, {"rpi.agc": {"exposure_modes": {"normal": MODE}}}]},
        {"version": 2.0, "algorithms": [{"rpi.agc": {"channels": [{"exposure_modes": {"normal": MODE}}]}}]},
        {"rpi.agc": {"exposure_modes": {"normal": MODE}}},
    ],
)
def test_limits_are_written_into_every_form_of_tuning_file(tuning: dict[str, object]) -> None:
    limited = str(limited_tuning(tuning, 4000, 6.5))
    assert "'shutter': [100, 4000, 4000], 'gain': [1.0, 6.0, 6.5]" in limited
    assert "66666" in str(tuning)


def test_one_limit_leaves_the_other_alone() -> None:
    tuning = {"rpi.agc": {"exposure_modes": {"normal": MODE}}}
    assert limited_tuning(tuning, None, 2.0)["rpi.agc"]["exposure_modes"]["normal"]["shutter"] == MODE["shutter"]


def test_a_tuning_file_without_exposure_modes_is_refused() -> None:
    with pytest.raises(SourceError, match="remove max_exposure_us"):
        limited_tuning({"algorithms": [{"rpi.agc": {}}]}, 4000, None)


@given(st.integers(16, 4608), st.integers(16, 2592))
def test_the_size_to_detect_in_is_even_and_of_the_same_aspect(width: int, height: int) -> None:
    size = detection_size((2 * width, 2 * height))
    assert size[0] % 2 == size[1] % 2 == 0
    assert size[0] <= 640
    assert abs(size[1] - size[0] * height / width) <= 1


def test_instants_are_cut_to_the_encoders_microseconds() -> None:
    assert [whole_us(t_ns) for t_ns in (999, 1000, 123_456_789)] == [0, 1000, 123_456_000]


def test_the_site_file_sets_the_streams() -> None:
    plain = PicameraSettings.of_site(Camera(size_px=(1920, 1080)))
    assert (plain.main_px, plain.detect_px, plain.interval_us) == ((1920, 1080), (640, 360), 40_000)
    camera = Camera(size_px=(640, 360), stream_px=(2304, 1296), detect_px=(1152, 648), frame_rate=30, max_gain=8)
    given = PicameraSettings.of_site(camera, 1)
    assert (given.number, given.main_px, given.detect_px, given.max_gain) == (1, (2304, 1296), (1152, 648), 8)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"stream_px": (1920, 1200)}, "stream_px has another aspect"),
        ({"detect_px": (512, 480)}, "detect_px has another aspect"),
        ({"detect_px": (1280, 720)}, "larger than the stream"),
        ({"stream_px": (1921, 1081)}, "must be even"),
        ({"frame_rate": 50, "max_exposure_us": 20_001}, "longer than one picture"),
        ({"frame_rate": 1}, "greater than or equal to 5"),
        ({"max_gain": 0.5}, "greater than or equal to 1"),
    ],
)
def test_what_a_camera_cannot_do_is_refused(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Camera.model_validate({"size_px": (640, 360), **keys})


def test_which_sources_are_cameras_of_the_pi() -> None:
    assert [is_picamera(name) for name in ("picamera", "picamera:1", "/dev/video0", "picamera.mp4")] == [1, 1, 0, 0]


@pytest.mark.parametrize("name", ["picamera:first", "picamera:-1", "picamera:0.5"])
def test_a_camera_is_named_by_its_number(name: str) -> None:
    with pytest.raises(SourceError, match="names no camera"):
        open_picamera(name, Camera(size_px=(640, 360)))
