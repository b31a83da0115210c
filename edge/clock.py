"""The monotonic timebase of all decisions, and what is known of its place in UTC.

No decision reads a wall clock. UTC is attached to a finished event, with the bound that chrony states for it.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from edge.errors import ConfigError
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

KNOWN_WITHIN_MS: Final = 60_000.0
"""The bound within which a clock is good enough to count hours and days by."""

_CHRONY_FIELDS = 14
_NS_PER_MS = 1_000_000
_READING_MS = 20.0  # two clocks are not read at one instant where the machine is busy
_DRIFT = 500e-6  # the most that Linux lets a clock's rate be off: adjtimex(2)


@dataclass(frozen=True, slots=True)
class UtcMapping:
    """``utc_zero_ns`` is the UTC of ``t_ns == 0`` in ns since 1970, within ``bound_ms`` (None: not known)."""

    utc_zero_ns: int
    bound_ms: float | None


def stated_start(text: str) -> UtcMapping:
    """The mapping of a recording whose first instant (PTS 0) is stated as RFC 3339; ConfigError where it is none."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise ConfigError(f'"{text}" is no instant with its zone: write it like 2026-05-04T08:00:00Z')
    since = start.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return UtcMapping((since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000, None)


def monotonic_to_utc(bound_ms: float | None) -> UtcMapping:
    """Where the kernel's monotonic clock stands in UTC now; ``bound_ms`` is what chrony said of it last."""
    before = time.monotonic_ns()
    utc_ns = time.time_ns()
    after = time.monotonic_ns()
    return UtcMapping(utc_ns - (before + after) // 2, bound_ms)


@dataclass(frozen=True, slots=True)
class Tracking:
    """What chrony says of the system clock: right within ``bound_ms``, as it reckons since it ``measured`` last.

    The bound is offset + root dispersion + half the root delay, and ``measured`` its reference time as it writes it:
    chrony's documentation, ``chronyc tracking``.
    """

    bound_ms: float
    measured: str


def chrony_bound_ms() -> float | None:
    """The greatest error of the system clock by chrony's own reckoning; None where chrony is absent or not in step."""
    said = chrony_tracking()
    return None if said is None else said.bound_ms


def chrony_tracking() -> Tracking | None:
    """What chrony says; None where it is absent or not in step."""
    program = shutil.which("chronyc")
    if program is None:
        return None
    command = [program, "-c", "tracking"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=2, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return read_tracking(answer.stdout)


def read_tracking(line: str) -> Tracking | None:
    """One line of ``chronyc -c tracking``; None where it is not in step or not understood."""
    fields = line.strip().split(",")
    if len(fields) != _CHRONY_FIELDS or fields[-1] != "Normal":
        return None
    try:
        offset_s, delay_s, dispersion_s = (abs(float(fields[index])) for index in (4, 10, 11))
    except ValueError:
        return None
    bound_ms = (offset_s + dispersion_s + delay_s / 2) * 1000
    return Tracking(bound_ms, fields[3]) if math.isfinite(bound_ms) else None


class ClockWatch:
    """What is known of the clock, somebody setting it included, of which chrony learns by its next measurement alone.

    Each look states where the monotonic clock lies in UTC, within a bound. Where two that follow each other contradict
    one another by more than clocks drift apart, the clock was set between them, and nobody knows which of the two is
    right until chrony has measured anew. Till then the bound is what it was set by.
    """

    def __init__(self, ask: Callable[[], Tracking | None] = chrony_tracking) -> None:
        self._ask = ask
        self._last: tuple[int, UtcMapping] | None = None  # when it was looked at on the monotonic clock, in ns
        self._set_by_ms = 0.0
        self._set_after: str | None = None  # the measurement that knows nothing of it

    def bound_ms(self) -> float | None:
        """The greatest error of the clock in ms; None where it is not known. Asks chrony."""
        said = self._ask()
        if said is None:
            self._last = None
            return None
        return self.look(said, monotonic_to_utc(said.bound_ms), time.monotonic_ns())

    def look(self, said: Tracking, utc: UtcMapping, now_ns: int) -> float:
        """The same for what chrony said, and what the clocks showed then."""
        if said.measured != self._set_after:
            self._set_by_ms, self._set_after = 0.0, None
        jumped_ms = self._jumped_ms(utc, now_ns)
        self._last = now_ns, utc
        if jumped_ms:
            self._set_by_ms += jumped_ms
            self._set_after = said.measured
        return max(said.bound_ms, self._set_by_ms)

    def _jumped_ms(self, utc: UtcMapping, now_ns: int) -> float:
        """How far the clock lies from where it can have gone to since the last look; 0 where it can have gone there."""
        if self._last is None:
            return 0.0
        then_ns, before = self._last
        moved_ms = abs(utc.utc_zero_ns - before.utc_zero_ns) / _NS_PER_MS
        may_ms = (before.bound_ms or 0.0) + (utc.bound_ms or 0.0)
        may_ms += _READING_MS + _DRIFT * (now_ns - then_ns) / _NS_PER_MS
        return moved_ms if moved_ms > may_ms else 0.0


class KnownUtc:
    """UTC for what is counted in hours over restarts, and not for what stands in an event.

    A machine without a battery behind its clock starts in the past, by as long as it was off or by more, until chrony
    steps it. So UTC counts as known from the first time that ``bound_ms`` was at most ``KNOWN_WITHIN_MS``, until it was
    more. Where nothing is told any more it stays known: without its servers a clock drifts by seconds a day. May be
    asked from any thread. ``ask`` gives the greatest error of the clock in ms, None where it is not known.
    """

    def __init__(self, ask: Callable[[], float | None], utc_ns: Callable[[], int] = time.time_ns) -> None:
        self._ask = ask
        self._utc_ns = utc_ns
        self._is_known = False

    def bound_ms(self) -> float | None:
        """Ask for the greatest error of the clock now, in ms, and learn from it; None where it is not known."""
        bound_ms = self._ask()
        if bound_ms is not None:
            self._is_known = bound_ms <= KNOWN_WITHIN_MS
        return bound_ms

    def now_ms(self) -> int | None:
        """UTC in ms since 1970; None where it is not known."""
        return self._utc_ns() // _NS_PER_MS if self._is_known else None
