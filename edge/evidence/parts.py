"""Evidence on its way: cut into parts that any broker takes, and put together again from whatever arrives.

Pure: bytes in, bytes out. What is small enough travels as it is; else a list of parts goes first (JSON, RFC 8785) and
the parts follow, each with its index from 1. The list names the size and SHA-256 of every part and of the whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import rfc8785

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = "stopline-evidence-parts/1"
LIST_TYPE: Final = "application/vnd.stopline.evidence-parts+json"
PART_TYPE: Final = "application/octet-stream"
MAX_BYTES: Final = 128_000_000
MAX_PARTS: Final = 10_000
MAX_LIST_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message of a bundle: ``index`` 0 is the bundle itself or its list of parts, 1 and up are the parts."""

    index: int
    content_type: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Whole:
    """A bundle as it was sent, every hash of it checked."""

    content_type: str
    data: bytes = field(repr=False)
    sha256: str


def split(event_id: str, content_type: str, content: bytes, part_bytes: int) -> tuple[Parcel, ...]:
    """What to send for a bundle, in this order; no payload but the list of parts is over ``part_bytes``."""
    if len(content) <= part_bytes:
        return (Parcel(0, content_type, content),)
    parts = [content[start : start + part_bytes] for start in range(0, len(content), part_bytes)]
    document: dict[str, Any] = {
        "format": FORMAT,
        "event_id": event_id,
        "content_type": content_type,
        "bytes": len(content),
        "sha256": _sha256(content),
        "parts": [
            {"index": index, "bytes": len(part), "sha256": _sha256(part)} for index, part in enumerate(parts, start=1)
        ],
    }
    listed = Parcel(0, LIST_TYPE, rfc8785.dumps(document))
    return (listed, *(Parcel(index, PART_TYPE, part) for index, part in enumerate(parts, start=1)))


@dataclass(frozen=True, slots=True)
class _List:
    """A list of parts that was read; ``parts`` are index and SHA-256 of each, in order."""

    content_type: str
    sha256: str
    parts: tuple[tuple[int, str], ...]
    wanted: frozenset[tuple[int, str]]


class Assembler:
    """Puts one event's bundle together from parcels in any order, some of them twice, some never, some damaged.

    ``sha256`` is what the signed event says of the bundle as it was sent: nothing else is ever given. At most
    ``max_bytes`` are held; a parcel beyond is not taken, and counted in ``dropped``.
    """

    def __init__(self, event_id: str, sha256: str, *, max_bytes: int = MAX_BYTES) -> None:
        self._event_id = event_id
        self._sha256 = sha256
        self._max_bytes = max_bytes
        self._list: _List | None = None
        self._parts: dict[tuple[int, str], bytes] = {}
        self._trouble = ""
        self.held_bytes = 0
        self.dropped = 0
        self.whole: Whole | None = None

    def add(self, parcel: Parcel) -> None:
        """Take one parcel; ``whole`` is there when it was the last. What is not part of the bundle changes nothing."""
        if self.whole is not None:
            return
        if parcel.index:
            self._add_part(parcel)
        elif parcel.content_type == LIST_TYPE:
            self._add_list(parcel.payload)
        elif _sha256(parcel.payload) == self._sha256:
            self._finish(parcel.content_type, parcel.payload)
        else:
            self._trouble = "the bundle that came is not the one of the event: its hash differs"
        self._join()

    @property
    def reason(self) -> str:
        """Why there is no whole bundle, in words; empty where there is one."""
        if self.whole is not None:
            return ""
        if self._list is None:
            return self._trouble or ("its list of parts has not come" if self._parts else "nothing of it has come")
        absent = [index for index, digest in self._list.parts if (index, digest) not in self._parts]
        words = f"{len(absent)} of {len(self._list.parts)} parts are missing: {_numbers(absent)}"
        return f"{words}; {self._trouble}" if self._trouble else words

    def _add_list(self, payload: bytes) -> None:
        try:
            listed = _read_list(payload, self._event_id)
        except (ValueError, KeyError, TypeError, RecursionError):
            self._trouble = "a list of parts came that cannot be read"
            return
        if listed.sha256 != self._sha256:
            self._trouble = "the list of parts that came is not that of the event's bundle: its hash differs"
            return
        self._list = listed
        for key in self._parts.keys() - listed.wanted:
            self._discard(key)

    def _add_part(self, parcel: Parcel) -> None:
        key = (parcel.index, _sha256(parcel.payload))
        if key in self._parts:
            return
        if self._list is not None and key not in self._list.wanted:
            self._trouble = f"part {parcel.index} came damaged: its hash differs"
        elif self.held_bytes + len(parcel.payload) > self._max_bytes or len(self._parts) >= MAX_PARTS:
            self.dropped += 1
            self._trouble = "more came for it than any bundle has"
        else:
            self._parts[key] = parcel.payload
            self.held_bytes += len(parcel.payload)

    def _discard(self, key: tuple[int, str]) -> None:
        self.held_bytes -= len(self._parts.pop(key))
        self._trouble = f"part {key[0]} came damaged: its hash differs"

    def _join(self) -> None:
        """Make the whole where every part of the list is there."""
        if self.whole is not None or self._list is None or len(self._parts) < len(self._list.parts):
            return
        content = b"".join(self._parts[key] for key in self._list.parts)
        if _sha256(content) == self._sha256:
            self._finish(self._list.content_type, content)
        else:
            self._trouble = "its parts are whole, but together they are not the event's bundle: the hash differs"

    def _finish(self, content_type: str, content: bytes) -> None:
        self.whole = Whole(content_type, content, self._sha256)
        self._parts.clear()
        self.held_bytes = 0


def _read_list(payload: bytes, event_id: str) -> _List:
    """A list of parts; ValueError, KeyError or TypeError where it is none of this event's."""
    if len(payload) > MAX_LIST_BYTES:
        raise ValueError
    document: Mapping[str, Any] = json.loads(payload)
    parts = document["parts"]
    if document["format"] != FORMAT or document["event_id"] != event_id or not 1 <= len(parts) <= MAX_PARTS:
        raise ValueError
    if [part["index"] for part in parts] != list(range(1, len(parts) + 1)):
        raise ValueError
    keys = tuple((int(part["index"]), str(part["sha256"])) for part in parts)
    return _List(str(document["content_type"]), str(document["sha256"]), keys, frozenset(keys))


def _numbers(indices: list[int]) -> str:
    shown = ", ".join(str(index) for index in indices[:10])
    return shown if len(indices) <= 10 else f"{shown} and {len(indices) - 10} more"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
