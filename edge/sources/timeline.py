"""Recorded lamps: a CSV file with a row at each change of a signal group.

Header ``t_s,group,red,amber,green``; ``t_s`` in seconds of the video's own presentation time, negative for a state from
before the recording began; 0 or 1 a lamp.
"""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from edge.config import NAME
from edge.errors import SourceError
from edge.records import NS_PER_S, Lamp, LampEdge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = ("t_s", "group", "red", "amber", "green")
_MOST_BYTES = 50_000_000
_LONGEST_S = 10 * 366 * 86_400
_LAMPS = (Lamp.RED, Lamp.AMBER, Lamp.GREEN)

_States = tuple[bool, bool, bool]


def read_timeline(path: Path) -> tuple[LampEdge, ...]:
    """The edges of a recorded timeline, in the order of their times.

    A group's first row gives the state of each of its lamps, later rows the lamps that changed. Raises SourceError with
    the file, the line and what to do.
    """
    shown: dict[str, _States] = {}
    last: dict[str, int] = {}
    edges: list[LampEdge] = []
    latest_ns: int | None = None
    for line, fields in _rows(path):
        t_ns, group, states = _parsed(path, line, fields)
        if latest_ns is not None and t_ns < latest_ns:
            raise SourceError(f"{path}, line {line}: the time goes back to {fields[0]} s: sort the rows by t_s")
        if last.get(group) == t_ns:
            raise SourceError(f"{path}, line {line}: {group} changes twice at {fields[0]} s: keep one of the rows")
        latest_ns = last[group] = t_ns
        edges.extend(_edges(t_ns, group, shown.get(group), states))
        shown[group] = states
    if not edges:
        raise SourceError(f"{path} holds no row below its header: record at least the lamps' first state")
    return tuple(edges)


def _edges(t_ns: int, group: str, before: _States | None, now: _States) -> Iterator[LampEdge]:
    for index, lamp in enumerate(_LAMPS):
        if before is None or before[index] != now[index]:
            yield LampEdge(t_ns, group, lamp, now[index])


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header with the number of the line each ends on, from 1; blank lines left out."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        if tuple(name.strip() for name in header) != HEADER:
            raise SourceError(f"{path}, line 1: the header must read {','.join(HEADER)}: correct it")
        for fields in reader:
            if any(fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: not valid CSV ({error}): correct the line") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceError(f"{path} is over {_MOST_BYTES // 1_000_000} MB: give a CSV timeline of lamps")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist: give the path of a CSV timeline of lamps") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): give a CSV timeline of lamps") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path} is no text file: give a CSV timeline of lamps in UTF-8") from None


def _parsed(path: Path, line: int, fields: list[str]) -> tuple[int, str, _States]:
    if len(fields) != len(HEADER):
        raise SourceError(f"{path}, line {line}: {len(fields)} fields where {len(HEADER)} belong: correct the row")
    time, group, *lamps = (field.strip() for field in fields)
    if not group:
        raise SourceError(f"{path}, line {line}: the group is empty: name the signal group of this row")
    if not re.fullmatch(NAME, group):
        raise SourceError(
            f'{path}, line {line}: no signal group can be called "{group[:20]}": take letters, digits, ".", "_" and '
            '"-", at most 64'
        )
    for name, lamp in zip(HEADER[2:], lamps, strict=True):
        if lamp not in {"0", "1"}:
            raise SourceError(f'{path}, line {line}: {name} is "{lamp[:20]}": write 0 or 1')
    red, amber, green = (lamp == "1" for lamp in lamps)
    return _nanoseconds(path, line, time), group, (red, amber, green)


def _nanoseconds(path: Path, line: int, text: str) -> int:
    """Decimal seconds as nanoseconds, exactly as written."""
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        seconds = Decimal("NaN")
    if not seconds.is_finite() or abs(seconds) > _LONGEST_S:
        raise SourceError(f'{path}, line {line}: t_s is "{text[:20]}": write seconds such as 12.5')
    return round(seconds * NS_PER_S)
