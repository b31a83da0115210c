"""A stretch of the compressed stream around a passage, and its pictures decoded again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import av
import av.error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    from av.video.stream import VideoStream

    from edge.records import EncodedPacket, VideoFormat

Stamp = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Packets from a key frame on, with the instant that the source gave to each of their pictures.

    ``stamps`` maps a picture's own ``(pts, dts)`` to its ``t_ns``. ``wanted_ns`` is the first and the last instant that
    was asked for; ``shortened`` says in sentences what of it is not there. ``loan`` keeps the ring's count of the bytes
    in use right for as long as the excerpt lives.
    """

    video_format: VideoFormat
    packets: tuple[EncodedPacket, ...] = field(repr=False)
    stamps: Mapping[Stamp, int] = field(repr=False)
    wanted_ns: tuple[int, int]
    shortened: tuple[str, ...] = ()
    loan: object = field(default=None, repr=False)

    @property
    def times_ns(self) -> tuple[int, ...]:
        """The instants of the pictures inside of the wanted span, rising."""
        first_ns, last_ns = self.wanted_ns
        return tuple(sorted(t_ns for t_ns in self.stamps.values() if first_ns <= t_ns <= last_ns))

    def pictures(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode again, one picture at a time: those inside of the wanted span, with their instants, in order.

        What the source could not decode is left out here as it was there.
        """
        known = _Instants(self.stamps)
        first_ns, last_ns = self.wanted_ns
        for frame in self._decoded():
            t_ns = known.of(frame.pts, frame.dts)
            if t_ns is not None and t_ns > last_ns:
                return
            if t_ns is not None and t_ns >= first_ns:
                yield t_ns, frame

    def _decoded(self) -> Iterator[av.VideoFrame]:
        decoder = _decoder(self.video_format)
        for packet in self.packets:
            try:
                yield from decoder.decode(_again(packet, self.video_format.time_base))
            except av.error.InvalidDataError:
                continue
        yield from decoder.decode(None)


class _Instants:
    """Finds a picture's instant by its stamps.

    A decoder that starts in the middle of a stream may release a picture one packet earlier or later, which changes the
    ``dts`` that it reports and never the ``pts``.
    """

    def __init__(self, stamps: Mapping[Stamp, int]) -> None:
        self._by_both = stamps
        self._by_pts = {pts: t_ns for (pts, _), t_ns in stamps.items() if pts is not None}

    def of(self, pts: int | None, dts: int | None) -> int | None:
        t_ns = self._by_both.get((pts, dts))
        return self._by_pts.get(pts) if t_ns is None and pts is not None else t_ns


def _again(packet: EncodedPacket, time_base: Fraction) -> av.Packet[VideoStream]:
    """A packet as the demuxer gave it: in memory of FFmpeg's own, since decoders read a little beyond the end."""
    encoded = cast("av.Packet[VideoStream]", av.Packet(len(packet.data)))
    encoded.update(packet.data)
    encoded.pts, encoded.dts, encoded.time_base = packet.pts, packet.dts, time_base
    encoded.is_keyframe = packet.is_key
    return encoded


def _decoder(form: VideoFormat) -> av.VideoCodecContext:
    """A decoder of one thread, so that it holds as few pictures as it can."""
    decoder: av.VideoCodecContext = av.CodecContext.create(form.codec, "r")  # type: ignore[assignment]
    decoder.thread_count = 1
    if form.extradata:
        decoder.extradata = form.extradata
    if form.codec_tag.strip("\0"):
        decoder.codec_tag = form.codec_tag  # old MPEG-4 encoders are known by it, with their faults
    decoder.width, decoder.height = form.size_px
    if form.pixel_format:
        decoder.pix_fmt = form.pixel_format
    return decoder
