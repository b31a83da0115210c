"""Whether a recording's file is as long as its own outermost structure says.

A decoder reads a truncated file to its end and calls that the end. Here the three common containers are measured
before anything is decoded, so that half a recording is refused and not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MATROSKA = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


def missing_bytes(path: Path) -> int:
    """How many bytes the file lacks of what its container declares; 0 where it is whole or declares nothing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            end = max(_riff_ends(file, size), default=0)
        elif head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
            end = max(_box_ends(file, size), default=0)
        elif head[:4] == _MATROSKA:
            end = _segment_end(file)
        else:
            end = 0
    return max(0, end - size)


def _riff_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Ends of the top-level RIFF chunks; OpenDML files over 1 GB have several (Microsoft, AVI RIFF File Reference)."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(8)
        if head[:4] != b"RIFF":
            return  # trailing bytes of no chunk
        start += 8 + int.from_bytes(head[4:], "little")
        yield start


def _box_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Ends of the top-level boxes (ISO/IEC 14496-12, section 4.2); size 1 means 64 bits, 0 the file's end."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return
        start += length
        yield start


def _segment_end(file: BinaryIO) -> int:
    """End of a Matroska Segment (RFC 8794 and RFC 9559); 0 where its size was left unknown, as in a live recording."""
    file.seek(4)
    header_bytes = _vint(file)
    file.seek(header_bytes or 0, 1)
    if file.read(4) != _SEGMENT:
        return 0
    segment_bytes = _vint(file)
    return 0 if segment_bytes is None else file.tell() + segment_bytes


def _vint(file: BinaryIO) -> int | None:
    """An EBML variable-length size (RFC 8794, section 4); None for the reserved value "unknown"."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    bits = int.from_bytes(first + file.read(more), "big")
    value = bits & ((1 << 7 * (more + 1)) - 1)
    return None if value == (1 << 7 * (more + 1)) - 1 else value
