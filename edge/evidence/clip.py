"""A short clip: H.264 in MP4, each picture with its own time, the same bytes for the same pictures."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.codec.context import Flags

from edge.evidence.subject import US_PER_S, ns_in_us

if TYPE_CHECKING:
    from edge.records import Size

_MICROSECOND = Fraction(1, US_PER_S)
_KEY_EVERY = 50
_OPTIONS = {"preset": "veryfast", "crf": "23", "threads": "1", "bf": "0"}
# The index at the file's head, so that a browser plays before all has come: 32 bytes a picture are more than it takes.
_INDEX_BYTES = 4096
_INDEX_BYTES_A_PICTURE = 32


@dataclass(frozen=True, slots=True)
class Clip:
    """An MP4 file; ``span_s`` is its first and its last picture's instant, in seconds of the event."""

    data: bytes = field(repr=False)
    span_s: tuple[float, float]


class ClipWriter:
    """Encodes pictures as they come and holds the finished file alone in memory.

    ``pictures`` is how many may come at most, ``fps`` their usual rate, which guides the encoder alone.
    """

    def __init__(self, size_px: Size, fps: float, pictures: int) -> None:
        self._file = io.BytesIO()
        room = str(_INDEX_BYTES + _INDEX_BYTES_A_PICTURE * pictures)
        options = {"movflags": "+negative_cts_offsets", "moov_size": room, "fflags": "+bitexact"}
        self._container = av.open(self._file, "w", format="mp4", options=options)
        stream = self._container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=_OPTIONS)
        stream.width, stream.height = (side - side % 2 for side in size_px)  # 4:2:0 has no odd sides
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _MICROSECOND
        stream.codec_context.gop_size = _KEY_EVERY
        stream.codec_context.flags |= Flags.bitexact
        self._stream = stream
        self._first_us: int | None = None
        self._last_us = 0

    def add(self, t_ns: int, frame: av.VideoFrame) -> None:
        """The next picture; its time in the clip is its distance from the first."""
        t_us = ns_in_us(t_ns)
        self._first_us = t_us if self._first_us is None else self._first_us
        plain = frame.reformat(self._stream.width, self._stream.height, "yuv420p", dst_color_range="MPEG")
        plain.pts, plain.time_base = t_us - self._first_us, _MICROSECOND
        plain.pict_type = 0  # the encoder chooses, not the source
        self._last_us = t_us
        self._container.mux(self._stream.encode(plain))

    def finish(self) -> Clip:
        """The whole file; at least one picture must have been added."""
        assert self._first_us is not None
        self._container.mux(self._stream.encode())
        self._container.close()
        return Clip(self._file.getvalue(), (self._first_us / US_PER_S, self._last_us / US_PER_S))
