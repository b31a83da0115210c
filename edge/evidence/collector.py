"""The reader's side of evidence: parcels in, whole bundles into a folder, each checked against its signed event."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge.durable import write_whole
from edge.errors import EvidenceError
from edge.evidence.parts import MAX_BYTES, Assembler, Parcel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_HELD_BYTES: Final = 2 * MAX_BYTES
MAX_OPEN: Final = 1000
MAX_REMEMBERED: Final = 10_000

_SUFFIX = {"age": ".tar.age", "none": ".tar"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one event's evidence, in words; ``file`` holds it where it is complete."""

    event_id: str
    words: str
    file: Path | None = None

    @property
    def complete(self) -> bool:
        """Whether all of it came and is what the event names."""
        return self.file is not None


@dataclass(slots=True)
class _Open:
    """What has come of one event so far: ``early`` are parcels from before their event, which says what to expect."""

    assembler: Assembler | None
    early: list[Parcel]
    suffix: str = ""

    @property
    def held_bytes(self) -> int:
        held = self.assembler.held_bytes if self.assembler else 0
        return held + sum(len(parcel.payload) for parcel in self.early)

    @property
    def reason(self) -> str:
        return self.assembler.reason if self.assembler else "its event has not come, or did not verify"


class Collector:
    """Writes ``<event id>.json`` for every event and ``<event id>.tar.age`` (or ``.tar``) for its evidence.

    A file is whole or not there. Events and parcels may come in any order and more than once. What is not complete is
    held in memory up to ``max_bytes``; beyond it the oldest is given up, with a receipt that says so. Raises
    EvidenceError where the folder cannot be written.
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_HELD_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._receipts: list[Receipt] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from None

    @property
    def waiting(self) -> bool:
        """Whether an event that came still lacks evidence."""
        return any(one.assembler is not None for one in self._open.values())

    def event(self, event_id: str, raw: bytes, evidence: Mapping[str, Any] | None) -> None:
        """An event whose signature holds, and what it says of its evidence."""
        if event_id in self._done:
            return
        self._write(f"{event_id}.json", raw)
        if evidence is None:
            self._close(Receipt(event_id, "the event names no evidence"))
            return
        one = self._opened(event_id)
        if one.assembler is None:
            one.assembler = Assembler(event_id, evidence["sent_sha256"])
            one.suffix = _SUFFIX[evidence["seal"]]
            early, one.early = one.early, []
            for parcel in early:
                one.assembler.add(parcel)
            self._look(event_id, one)

    def alone(self, event_id: str, raw: bytes) -> None:
        """An event whose signature holds and which has no evidence by its kind: a change of the node's state."""
        self._write(f"{event_id}.json", raw)

    def parcel(self, event_id: str, parcel: Parcel) -> None:
        """One message of an event's evidence."""
        if event_id in self._done:
            return
        one = self._opened(event_id)
        if one.assembler is None:
            one.early.append(parcel)
        else:
            one.assembler.add(parcel)
            self._look(event_id, one)
        self._give_up_oldest()

    def take_receipts(self) -> list[Receipt]:
        """What has become certain since the last call."""
        taken, self._receipts = self._receipts, []
        return taken

    def finish(self) -> list[Receipt]:
        """No more comes: what has become certain, and what is incomplete, with the reason."""
        for event_id in list(self._open):
            self._abandon(event_id)
        return self.take_receipts()

    def _opened(self, event_id: str) -> _Open:
        return self._open.setdefault(event_id, _Open(None, []))

    def _look(self, event_id: str, one: _Open) -> None:
        """Write down a bundle that has become whole."""
        if one.assembler is not None and one.assembler.whole is not None:
            file = self._write(event_id + one.suffix, one.assembler.whole.data)
            self._close(Receipt(event_id, "evidence complete", file))

    def _give_up_oldest(self) -> None:
        while len(self._open) > MAX_OPEN or sum(one.held_bytes for one in self._open.values()) > self._max_bytes:
            self._abandon(next(iter(self._open)))

    def _abandon(self, event_id: str) -> None:
        self._close(Receipt(event_id, f"evidence incomplete: {self._open[event_id].reason}"))

    def _close(self, receipt: Receipt) -> None:
        self._open.pop(receipt.event_id, None)
        self._receipts.append(receipt)
        self._done[receipt.event_id] = None
        if len(self._done) > MAX_REMEMBERED:
            self._done.popitem(last=False)

    def _write(self, name: str, content: bytes) -> Path:
        """Write a file whole or not at all."""
        path = self._folder / name
        try:
            write_whole(path, content, draft=path.with_name(name + ".part"))
        except OSError as error:
            raise _unwritable(self._folder, error) from None
        return path


def _unwritable(folder: Path, error: OSError) -> EvidenceError:
    return EvidenceError(f"{folder} cannot be written ({error.strerror}): give a folder this user may write, with room")
