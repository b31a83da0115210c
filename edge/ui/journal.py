"""The file of decisions: it only grows, and each line is on the disk before anybody is told."""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.decisions import Choice, Decision, Noted, line_hash, read_decision, sign_decision
from edge.durable import PRIVATE_MODE, sync_folder
from edge.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from edge.decisions import Reason
    from edge.keys import PublicKey, SigningKey

MAX_JOURNAL_BYTES: Final = 200_000_000


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the file was read: which file that was, its bytes and lines, and the hash of the last of them."""

    file: tuple[int, int] | None = None
    bytes: int = 0
    lines: int = 0
    last: str | None = None


class Journal:
    """What was decided, each line checked as it is read; ``keys`` are the reviewers' whose signatures count.

    Threads and processes may share a file. StoreError where it cannot be read or written, or is not the file it was.
    """

    def __init__(self, path: Path, keys: Mapping[str, PublicKey]) -> None:
        self._path = path
        self._keys = keys
        self._lock = threading.Lock()
        self._latest: dict[str, Noted] = {}
        self._unverified = 0
        self._place = _Place()
        self.refresh()

    @property
    def unverified(self) -> int:
        """How many lines do not hold, those included after which something else was decided."""
        return self._unverified

    def latest(self, event_sha256: str) -> Noted | None:
        """What was decided last about an event."""
        return self._latest.get(event_sha256)

    def erased_in(self, month: str) -> int:
        """How many cases are to be erased by what was decided in a month (``2026-05``): their own month is gone."""
        with self._lock:
            latest = [noted.decision for noted in self._latest.values() if noted.holds]
        return sum(one.choice is Choice.ERASE and one.at.strftime("%Y-%m") == month for one in latest)

    def add(self, choice: Choice, reason: Reason | None, event_sha256: str, at: datetime, key: SigningKey) -> None:
        """Sign a decision and note it for good."""
        decision = Decision(event_sha256, choice, reason, at, key.kid)
        with self._lock, self._opened("written", os.O_RDWR | os.O_CREAT | os.O_APPEND, fcntl.LOCK_EX) as handle:
            self._take_in(handle)
            _append(handle, sign_decision(decision, self._place.last, key) + b"\n")
            if self._place.lines == 0:
                sync_folder(self._path.parent)
            self._take_in(handle)

    def refresh(self) -> None:
        """Take in what others have added since the last time."""
        with self._lock:
            try:
                with self._opened("read", os.O_RDONLY, fcntl.LOCK_SH) as handle:
                    self._take_in(handle)
            except FileNotFoundError:  # nobody has decided anything yet
                if self._place.file is not None:
                    raise self._replaced() from None

    @contextmanager
    def _opened(self, done: str, flags: int, lock: int) -> Iterator[int]:
        """The file, held against whoever writes; closing it lets go of its lock."""
        try:
            handle = os.open(self._path, flags, PRIVATE_MODE)
            try:
                fcntl.flock(handle, lock)
                yield handle
            finally:
                os.close(handle)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not flags & os.O_CREAT:
                raise
            raise StoreError(
                f"{self._path} cannot be {done} ({error.strerror}): name a file of this user with --decisions"
            ) from None

    def _take_in(self, handle: int) -> None:
        """Read on from where the last reading ended: all of what is new, or nothing where a line is no decision."""
        stat, place = os.fstat(handle), self._place
        if stat.st_size > MAX_JOURNAL_BYTES:
            raise StoreError(f"{self._path} is over {MAX_JOURNAL_BYTES} bytes: begin a new file of decisions")
        file = (stat.st_dev, stat.st_ino)
        if place.file not in {None, file} or stat.st_size < place.bytes:
            raise self._replaced()
        new = os.pread(handle, stat.st_size - place.bytes, place.bytes)
        if new and not new.endswith(b"\n"):
            raise StoreError(f"{self._path} ends in a broken line: take the end after its last line break away")
        lines = new.split(b"\n")[:-1]
        found = list(self._read(lines))
        self._latest |= {noted.decision.event_sha256: noted for noted in found}
        self._unverified += sum(not noted.holds for noted in found)
        last = line_hash(lines[-1]) if lines else place.last
        self._place = _Place(file, stat.st_size, place.lines + len(lines), last)

    def _read(self, lines: Iterable[bytes]) -> Iterator[Noted]:
        before = self._place.last
        for number, line in enumerate(lines, start=self._place.lines + 1):
            try:
                yield read_decision(line, before, self._keys)
            except ValueError:
                raise StoreError(
                    f"Line {number} of {self._path} is no decision: 'stopline verify --decisions' tells why"
                ) from None
            before = line_hash(line)

    def _replaced(self) -> StoreError:
        return StoreError(
            f"{self._path} was taken away, shortened or replaced: hold it against a copy, then start the page anew"
        )


def _append(handle: int, line: bytes) -> None:
    """Whole and durable, or not at all: a disk that ran full in the middle leaves no half a line."""
    size = os.fstat(handle).st_size
    try:
        while line:
            line = line[os.write(handle, line) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise
