"""What a replay leaves behind: ``passages.csv`` and ``events.jsonl``, each whole or not there at all."""

from __future__ import annotations

import csv
import os
from io import StringIO
from typing import TYPE_CHECKING, BinaryIO, Self

from edge.errors import SourceError
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from edge.approach import Judged

HEADER = ("lane", "track", "class", "t_cross_s", "t_confirm_s", "phase", "red_elapsed_s", "verdict")


def passage_row(judged: Judged) -> tuple[str, ...]:
    """One passage as the row of ``passages.csv``: seconds of the recording's own time, empty where not known."""
    passage, judgement = judged.passage, judged.judgement
    return (
        passage.lane,
        str(passage.track),
        passage.vehicle_class,
        _seconds(passage.t_cross_ns / NS_PER_S),
        _seconds(None if passage.t_confirm_ns is None else passage.t_confirm_ns / NS_PER_S),
        judgement.phase,
        _seconds(judgement.red_elapsed_s),
        judgement.verdict,
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


class ResultFolder:
    """Writes both files beside their final names and puts them in place together when the replay has ended well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._passages = _Part(folder / "passages.csv")
        self._events = _Part(folder / "events.jsonl")
        self._rows: list[tuple[int, tuple[str, ...]]] = []

    def record(self, judged: Judged, event: bytes | None) -> None:
        """Note one passage, and its signed event if it is a violation: its very bytes, a line of their own."""
        self._rows.append((judged.passage.t_cross_ns, passage_row(judged)))
        if event is not None:
            self._events.write(event + b"\n")

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._passages.open()
            self._events.open()
        except OSError as error:
            self._drop()
            raise SourceError(
                f"{self._folder} cannot be written ({error.strerror}): give --out a folder this user may write"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._drop()
            return
        self._passages.write(_table(self._rows))
        self._passages.put_in_place()
        self._events.put_in_place()

    def _drop(self) -> None:
        self._passages.drop()
        self._events.drop()


def _table(rows: list[tuple[int, tuple[str, ...]]]) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(row for _, row in sorted(rows))
    return text.getvalue().encode()


class _Part:
    """A file under a passing name until it is complete and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._file: BinaryIO | None = None

    def open(self) -> None:
        self._file = self._part.open("wb")

    def write(self, content: bytes) -> None:
        assert self._file is not None
        self._file.write(content)

    def put_in_place(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)

    def drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)
