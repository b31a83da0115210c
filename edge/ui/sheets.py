"""Tables for a spreadsheet: CSV after RFC 4180 in UTF-8, in which no cell can be taken for a formula."""

from __future__ import annotations

import csv
from io import StringIO
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CONTENT_TYPE: Final = "text/csv; charset=utf-8; header=present"

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """A table line by line, each with its CRLF; None is an empty cell."""
    for row in chain([header], rows):
        text = StringIO()
        csv.writer(text, lineterminator="\r\n").writerow([_cell(value) for value in row])
        yield text.getvalue().encode()


def _cell(value: object) -> object:
    """A number as it is; a text that a spreadsheet would reckon with gets an apostrophe before it."""
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text
