"""The bundle: everything that belongs to one violation in one plain tar, the same bytes for the same input.

The archive is POSIX ustar without anything that depends on the machine: no times, no owners, a fixed order. First
comes ``manifest.json`` (RFC 8785), which names every other file with its size and SHA-256. See docs/evidence.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from edge.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge.evidence.media import Media
    from edge.records import Size

FORMAT: Final = "stopline-evidence/1"
MANIFEST: Final = "manifest.json"
MAX_BUNDLE_BYTES: Final = 64_000_000
MAX_MISSING: Final = 32
MAX_SENTENCE_CHARS: Final = 300
TRACK_HEADER: Final = "t_s,x1,y1,x2,y2,confidence"
LAMPS_HEADER: Final = "t_s,lamp,lit"

_ORDER = (
    "still-1.jpg",
    "still-1-data.jpg",
    "still-2.jpg",
    "still-2-data.jpg",
    "clip.mp4",
    "masks.csv",
    "track.csv",
    "lamps.csv",
    "site.toml",
    "origin.json",
)
_BLOCK = 512
_OTHER_SITE = "The site file in the bundle is not the one that the verdict was reached with: their hashes differ."


@dataclass(frozen=True, slots=True)
class Bundle:
    """The plain bundle and what its event says of it."""

    data: bytes = field(repr=False)
    sha256: str
    missing: tuple[str, ...]


def build_bundle(
    document: Mapping[str, Any], site_toml: bytes, media: Media, masking: Mapping[str, Any] | None = None
) -> Bundle:
    """The bundle of an event that is not signed yet; the same input gives the same bytes.

    ``site_toml`` are the bytes of the site file; ``masking`` says how the pictures were masked and counts only where
    there are any. Raises EvidenceError where it would be over ``MAX_BUNDLE_BYTES``: then there is no room for media.
    """
    missing = _missing(document, site_toml, media)
    files = _in_order({**media.files, **_data_files(document), "site.toml": site_toml})
    how = {**masking, **_size(media.size_px)} if masking and media.files else None
    manifest = rfc8785.dumps(_manifest(document, files, media, missing) | {"masking": how})
    data = _tar([(MANIFEST, manifest), *files])
    if len(data) > MAX_BUNDLE_BYTES:
        raise EvidenceError(f"The evidence has {len(data)} bytes, more than {MAX_BUNDLE_BYTES}: shorten the clip")
    return Bundle(data, hashlib.sha256(data).hexdigest(), missing)


def _missing(document: Mapping[str, Any], site_toml: bytes, media: Media) -> tuple[str, ...]:
    """What is not there, in as many and as long sentences as an event may carry."""
    sentences = list(media.missing)
    if hashlib.sha256(site_toml).hexdigest() != document["data"]["origin"]["site_sha256"]:
        sentences.insert(0, _OTHER_SITE)
    return tuple(sentence[:MAX_SENTENCE_CHARS] for sentence in sentences[:MAX_MISSING])


def _data_files(document: Mapping[str, Any]) -> dict[str, bytes]:
    data = document["data"]
    origin = {**data["origin"], "clock": data["clock"]}
    return {
        "track.csv": _csv(TRACK_HEADER, data["track"]),
        "lamps.csv": _csv(LAMPS_HEADER, data["lamps"]),
        "origin.json": rfc8785.dumps(origin),
    }


def _csv(header: str, rows: Iterable[Sequence[float | str | bool]]) -> bytes:
    """The event's own rows, every number spelled as in the event."""
    lines = [header, *(",".join(_cell(value) for value in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def _cell(value: float | str | bool) -> str:
    return value if isinstance(value, str) else rfc8785.dumps(value).decode()


def _in_order(files: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """By ``_ORDER``; what is not in it follows by name."""
    place = {name: index for index, name in enumerate(_ORDER)}
    return sorted(files.items(), key=lambda item: (place.get(item[0], len(_ORDER)), item[0]))


def _manifest(
    document: Mapping[str, Any], files: Iterable[tuple[str, bytes]], media: Media, missing: Sequence[str]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "event_id": document["id"],
        "source": document["source"],
        "files": [
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files
        ],
        "stills": [
            {"name": still.name, "t_s": still.t_s, "box_px": list(still.box_px), "claim": still.claim}
            for still in media.stills
        ],
        "clip": _clip(media.clip_span_s),
        "missing": list(missing),
    }


def _size(size_px: Size | None) -> dict[str, Any]:
    return {} if size_px is None else {"size_px": list(size_px)}


def _clip(span_s: tuple[float, float] | None) -> dict[str, Any] | None:
    return None if span_s is None else {"name": "clip.mp4", "from_s": span_s[0], "to_s": span_s[1]}


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A ustar archive (POSIX.1-1988) of plain files, its end marked by two empty blocks."""
    blocks = [_header(name, len(content)) + content + bytes(-len(content) % _BLOCK) for name, content in files]
    return b"".join(blocks) + bytes(2 * _BLOCK)


def _header(name: str, size: int) -> bytes:
    """One file's header; written here, since tarfile's own changes between versions of Python."""
    encoded = name.encode("ascii")
    assert 0 < len(encoded) <= 100, name
    fields = (
        encoded.ljust(100, b"\0"),
        b"0000644\0",  # mode
        b"0000000\0",  # uid
        b"0000000\0",  # gid
        f"{size:011o}\0".encode(),
        b"00000000000\0",  # time of change
        b" " * 8,  # the checksum counts as blanks
        b"0",  # a plain file
        bytes(100),  # no link
        b"ustar\x0000",
        bytes(247),  # no names of owners, no device, no prefix; up to the end of the block
    )
    header = b"".join(fields)
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]
