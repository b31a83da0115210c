"""For how many days the node's own certificates are still valid, so that somebody far away renews them in time."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from edge.errors import KeyFileError
from edge.keys.certificates import load_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

READ_EVERY_S: Final = 3600.0

_DAY = timedelta(days=1)


def first_end(files: Iterable[Path]) -> datetime | None:
    """When the first certificate in any of these PEM files ends; None where they hold none.

    Intermediate ones count too, since a chain ends with the first of its links. A file that cannot be read, or holds a
    damaged certificate, counts as one without: ``stopline doctor`` says what is wrong with it.
    """
    ends: list[datetime] = []
    for file in files:
        with suppress(OSError, KeyFileError):
            ends += [one.not_valid_after_utc for one in load_chain(file.read_bytes(), file)]
    return min(ends, default=None)


class CertificateDays:
    """Asked for the days that are left of the first certificate to end; reads the files once an hour at most.

    So one that was renewed in place shows within the hour. ``now_ms`` gives UTC in ms since 1970, None where it is not
    known; ``monotonic_s`` gives seconds that never go back.
    """

    def __init__(
        self,
        files: Iterable[Path],
        now_ms: Callable[[], int | None],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = tuple(files)
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._read_s = monotonic_s()
        self._end = first_end(self._files)

    def __call__(self) -> float | None:
        """Days, less than 0 where it has ended; None where there is no certificate, or UTC is not known."""
        now_s = self._monotonic_s()
        if now_s - self._read_s >= READ_EVERY_S:
            self._read_s, self._end = now_s, first_end(self._files)
        now_ms = self._now_ms()
        if self._end is None or now_ms is None:
            return None
        return round((self._end - datetime.fromtimestamp(now_ms / 1000, UTC)) / _DAY, 2)
