"""What a replay leaves behind: ``passages.csv``, ``events.jsonl`` and ``evidence/``, each whole or not there at all.

On request also what every passage was judged by, for ``stopline verify --tracks``: ``tracks.jsonl``, ``lamps.csv`` and
``site.toml``.
"""

from __future__ import annotations

import csv
import json
import os
from io import StringIO
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from edge.errors import SourceError
from edge.event import instant, rounded, track_row
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from edge.approach import Judged
    from edge.records import LampEdge

_ENDINGS = {"none": ".tar", "age": ".tar.age"}
LAMPS_HEADER = ("t_s", "group", "lamp", "lit")
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


def track_line(judged: Judged) -> bytes:
    """One passage as a line of ``tracks.jsonl``: every figure of its judgement, and the raw track as events round it.

    Seconds to the microsecond, pixels to the hundredth, a row an observation: ``t_s, x1, y1, x2, y2, confidence``.
    """
    passage, judgement = judged.passage, judged.judgement
    document: dict[str, Any] = {
        "lane": passage.lane,
        "track": passage.track,
        "class": passage.vehicle_class,
        "t_cross_s": instant(passage.t_cross_ns),
        "uncertainty_s": instant(passage.uncertainty_ns),
        "t_confirm_s": None if passage.t_confirm_ns is None else instant(passage.t_confirm_ns),
        "point_px": [round(float(value), 2) for value in passage.cross_px],
        "speed_mps": rounded(passage.speed_mps, 3),
        "phase": judgement.phase,
        "fault": judgement.fault,
        "red_elapsed_s": rounded(judgement.red_elapsed_s, 6),
        "red_at_least_s": rounded(judgement.red_at_least_s, 6),
        "deductions_s": {name: rounded(value, 6) for name, value in judgement.deductions_s.items()},
        "amber_s": rounded(judgement.amber_s, 6),
        "verdict": judgement.verdict,
        "points": [track_row(point) for point in passage.points],
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


class ResultFolder:
    """Writes its files beside their final names and puts them in place together when the replay has ended well.

    With ``site_toml``, the bytes of the site file, what every passage was judged by is kept as well.
    """

    def __init__(self, folder: Path, site_toml: bytes | None = None) -> None:
        self._folder = folder
        self._passages = _Part(folder / "passages.csv")
        self._events = _Part(folder / "events.jsonl")
        self._raw = None if site_toml is None else _RawData(folder, site_toml)
        self._parts = [self._passages, self._events, *(self._raw.parts if self._raw else ())]
        self._rows: list[tuple[int, tuple[str, ...]]] = []

    def record(self, judged: Judged) -> None:
        """Note one passage."""
        self._rows.append((judged.passage.t_cross_ns, passage_row(judged)))
        if self._raw is not None:
            self._raw.passage(judged)

    def event(self, event: bytes) -> None:
        """Note a signed event: its very bytes, a line of their own."""
        self._events.write(event + b"\n")

    def evidence(self, event_id: str, sent: bytes, seal: str) -> None:
        """Note an event's bundle as it is sent: ``evidence/ID.tar``, or ``ID.tar.age`` where it is sealed."""
        folder = self._folder / "evidence"
        folder.mkdir(exist_ok=True)
        part = _Part(folder / f"{event_id}{_ENDINGS[seal]}")
        self._parts.append(part)
        part.open()
        part.write(sent)
        part.close()

    def record_lamps(self, edges: Iterable[LampEdge]) -> None:
        """Note the raw lamp edges that the passages were judged by; kept only where raw data are."""
        if self._raw is not None:
            self._raw.lamps(edges)

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for part in self._parts:
                part.open()
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
        self._passages.write(_table(HEADER, (row for _, row in sorted(self._rows))))
        for part in self._parts:
            part.put_in_place()

    def _drop(self) -> None:
        for part in self._parts:
            part.drop()


class _RawData:
    """The files of ``--keep-tracks``: the site file, every lamp edge, every passage with its track."""

    def __init__(self, folder: Path, site_toml: bytes) -> None:
        self._site_toml = site_toml
        self._site = _Part(folder / "site.toml")
        self._lamps = _Part(folder / "lamps.csv")
        self._tracks = _Part(folder / "tracks.jsonl")
        self.parts = (self._site, self._lamps, self._tracks)

    def passage(self, judged: Judged) -> None:
        self._tracks.write(track_line(judged))

    def lamps(self, edges: Iterable[LampEdge]) -> None:
        rows = ((f"{instant(edge.t_ns):.6f}", edge.group, edge.lamp, str(int(edge.lit))) for edge in edges)
        self._lamps.write(_table(LAMPS_HEADER, rows))
        self._site.write(self._site_toml)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
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

    def close(self) -> None:
        """What was written is on the disk; called again it does nothing."""
        assert self._file is not None
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def put_in_place(self) -> None:
        self.close()
        self._part.replace(self._path)

    def drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)
