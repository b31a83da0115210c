"""The ring keeps what is wanted and no more: random streams, sizes and holds against a plain list of all packets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import EvidenceError
from edge.evidence.ring import Hold, PacketRing
from edge.records import NS_PER_S, EncodedPacket, VideoFormat

FORMAT = VideoFormat("h264", "avc1", b"", (64, 48), "yuv420p", Fraction(1, 25))
STEP_NS = NS_PER_S // 25
PLENTY = 1 << 30


def packet(index: int, size: int, *, is_key: bool) -> EncodedPacket:
    return EncodedPacket(index.to_bytes(4, "big") + bytes(size - 4), index, index, is_key)


def feed(ring: PacketRing, index: int, size: int = 100, *, is_key: bool = False, delay: int = 0) -> None:
    """The packet of one picture, and the picture that a decoder with a delay gives for it."""
    ring.packet(packet(index, size, is_key=is_key))
    shown = index - delay
    if shown >= 0:
        ring.frame(shown, shown, shown * STEP_NS, is_key=shown % 25 == 0)


def running(keep_s: float = 10.0, max_bytes: int = PLENTY) -> PacketRing:
    ring = PacketRing(keep_s, max_bytes)
    ring.start(FORMAT)
    return ring


def stream(ring: PacketRing, first: int, last: int, *, gop: int = 25, size: int = 100) -> None:
    for index in range(first, last):
        feed(ring, index, size, is_key=index % gop == 0)


def test_a_hold_is_ready_when_a_picture_beyond_it_was_seen() -> None:
    ring = running()
    stream(ring, 0, 100)
    hold = ring.hold(2 * NS_PER_S, 5 * NS_PER_S)
    stream(ring, 100, 126)
    assert not hold.is_ready
    stream(ring, 126, 127)
    assert hold.is_ready
    excerpt = hold.take()
    assert excerpt.shortened == ()
    assert excerpt.packets[0].pts == 50
    assert excerpt.times_ns == tuple(index * STEP_NS for index in range(50, 126))


def test_what_is_held_stays_while_the_rest_goes() -> None:
    ring = running(keep_s=1.0)
    stream(ring, 0, 30)
    hold = ring.hold(STEP_NS, 40 * STEP_NS)
    stream(ring, 30, 2000)
    assert hold.take().packets[0].pts == 0
    stream(ring, 2000, 2026)
    assert ring.held_bytes <= 100 * (25 + 2 * 25)


def test_a_cancelled_hold_keeps_nothing() -> None:
    ring = running(keep_s=1.0)
    stream(ring, 0, 30)
    hold = ring.hold(0, 40 * STEP_NS)
    hold.cancel()
    hold.cancel()
    stream(ring, 30, 1000)
    assert ring.held_bytes <= 100 * 75
    with pytest.raises(EvidenceError, match="given up"):
        hold.take()


def test_the_end_of_the_stream_makes_every_hold_ready_and_the_excerpt_says_so() -> None:
    ring = running()
    stream(ring, 0, 100)
    hold = ring.hold(2 * NS_PER_S, 9 * NS_PER_S)
    assert not hold.is_ready
    ring.end()
    assert hold.is_ready
    (reason,) = hold.take().shortened
    assert reason == "The clip ends 5.0 s earlier than planned: the video ended there."


def test_a_stream_that_begins_again_waits_for_its_own_pictures_and_keeps_none_of_the_old() -> None:
    """A camera that was lost and opened anew counts from 0 once more, or goes on counting: neither may be mixed up."""
    for first in (0, 100):
        ring = running()
        stream(ring, 0, 100)
        ring.end()
        ring.start(FORMAT)
        hold = ring.hold(200 * STEP_NS, 250 * STEP_NS)
        assert not hold.is_ready
        for index in range(first, first + 60):
            ring.packet(packet(index, 100, is_key=index % 25 == 0))
            ring.frame(index, index, (200 + index - first) * STEP_NS, is_key=index % 25 == 0)
        assert hold.is_ready
        excerpt = hold.take()
        assert excerpt.shortened == ()
        assert excerpt.packets[0].pts == first
        assert excerpt.times_ns[0] == 200 * STEP_NS


def test_a_span_from_before_the_stream_begins_later_and_says_so() -> None:
    ring = running()
    stream(ring, 0, 100)
    (reason,) = ring.hold(-3 * NS_PER_S, 2 * NS_PER_S).take().shortened
    assert reason.startswith("The clip begins 3.0 s later than planned: the video had not begun")


def test_an_overrun_drops_the_oldest_pictures_and_the_excerpt_says_so() -> None:
    ring = running(max_bytes=10_000)
    stream(ring, 0, 80)
    hold = ring.hold(0, 5 * NS_PER_S)
    stream(ring, 80, 150)
    excerpt = hold.take()
    assert excerpt.packets[0].pts == 50
    assert excerpt.shortened == (
        "The clip begins 2.0 s later than planned: the 10,000 bytes of memory for video did not hold more.",
    )
    assert ring.overruns == 2


def test_a_group_too_large_for_the_ring_is_given_up_and_the_next_is_kept() -> None:
    ring = running(max_bytes=2000)
    stream(ring, 0, 50)
    assert ring.held_bytes <= 2000
    hold = ring.hold(0, 2 * NS_PER_S)
    (reason,) = hold.take().shortened
    assert reason == "There is no picture of the passage: the 2,000 bytes of memory for video did not hold more."
    stream(ring, 50, 60)
    assert ring.hold(2 * NS_PER_S, 3 * NS_PER_S).take().times_ns == tuple(i * STEP_NS for i in range(50, 60))


def test_packets_before_the_first_key_frame_are_of_no_use() -> None:
    ring = running()
    stream(ring, 10, 25)
    assert ring.held_bytes == 0
    stream(ring, 25, 50)
    assert ring.hold(0, NS_PER_S).take().packets[0].is_key


def test_a_stream_without_key_frames_holds_nothing_for_ever() -> None:
    ring = running(keep_s=1.0)
    for index in range(1, 5000):
        ring.packet(packet(index, 100, is_key=False))
        ring.frame(index, index, index * STEP_NS, is_key=False)
    assert ring.held_bytes == 0
    assert len(ring._stamps) <= 30
    assert ring.hold(0, 1).take().times_ns == ()


def test_a_stream_whose_clock_jumps_back_begins_anew() -> None:
    ring = running()
    stream(ring, 0, 60)
    for index in range(60):
        ring.packet(packet(index, 100, is_key=index % 25 == 0))
        ring.frame(index, index, (60 + index) * STEP_NS, is_key=index % 25 == 0)
    excerpt = ring.hold(0, 10 * NS_PER_S).take()
    assert excerpt.times_ns[0] == 60 * STEP_NS
    assert len(excerpt.packets) == len(set(excerpt.packets)) == 60


def test_bytes_of_a_living_excerpt_count_until_it_is_gone() -> None:
    ring = running(keep_s=1.0, max_bytes=10_000)
    stream(ring, 0, 60)
    excerpt = ring.hold(0, 2 * NS_PER_S).take()
    stream(ring, 60, 500)
    assert sum(len(packet.data) for packet in excerpt.packets) <= ring.held_bytes <= 10_000
    del excerpt
    stream(ring, 500, 560)
    assert ring.held_bytes <= 7_500
    assert ring.hold(21 * NS_PER_S, 22 * NS_PER_S).take().packets[0].pts == 525


@dataclass(frozen=True, slots=True)
class Wish:
    """A hold made when a picture was seen: its span relative to that picture, and how much later it is taken."""

    at: int
    before: int
    after: int
    taken: int


WISHES = st.lists(
    st.builds(Wish, st.integers(0, 250), st.integers(0, 120), st.integers(-20, 80), st.integers(0, 150)), max_size=4
)


@given(
    gops=st.lists(st.integers(1, 60), min_size=1, max_size=30),
    sizes=st.lists(st.integers(4, 3000), min_size=1, max_size=20),
    keep_s=st.floats(0.04, 6.0),
    max_bytes=st.integers(2_000, 200_000),
    delay=st.integers(0, 4),
    wishes=WISHES,
)
def test_whatever_comes_an_excerpt_is_whole_or_says_what_it_lacks_and_the_bound_holds(
    gops: list[int], sizes: list[int], keep_s: float, max_bytes: int, delay: int, wishes: list[Wish]
) -> None:
    keys: set[int] = set()
    for length in gops:
        keys.add(max(keys, default=0) + (length if keys else 0))
    total = max(keys) + 1
    ring = running(keep_s, max_bytes)
    holds: list[tuple[int, Hold]] = []
    excerpts = []
    for index in range(total):
        ring.packet(packet(index, sizes[index % len(sizes)], is_key=index in keys))
        assert ring.held_bytes <= max_bytes
        shown = index - delay
        if shown >= 0:
            ring.frame(shown, shown, shown * STEP_NS, is_key=shown in keys)
        for wish in wishes:
            if wish.at == index:
                hold = ring.hold((index - wish.before) * STEP_NS, (index + wish.after) * STEP_NS)
                holds.append((index + wish.taken, hold))
        for due in [pair for pair in holds if pair[0] == index]:
            holds.remove(due)
            excerpts.append((due[1].take(), index))
            assert ring.held_bytes <= max_bytes
    for excerpt, taken in excerpts:
        first_ns, last_ns = excerpt.wanted_ns
        indices = [known.pts for known in excerpt.packets]
        assert indices == list(range(indices[0], indices[-1] + 1)) if indices else True
        assert not excerpt.packets or excerpt.packets[0].is_key
        shown = max(-1, taken - delay)
        wanted = [t for t in range(shown + 1) if first_ns <= t * STEP_NS <= last_ns]
        given_ns = excerpt.times_ns
        assert all(t_ns // STEP_NS in set(indices) for t_ns in given_ns)
        assert list(given_ns) == [t * STEP_NS for t in wanted][len(wanted) - len(given_ns) :]
        half = NS_PER_S // 2
        if not excerpt.shortened:
            assert given_ns or last_ns - first_ns <= 2 * half
            assert not given_ns or given_ns[0] - first_ns <= half + STEP_NS
            assert not given_ns or last_ns - given_ns[-1] <= half + STEP_NS
