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

from edge.errors import ConfigError
from edge.records import NS_PER_S

_CHRONY_FIELDS = 14


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


def chrony_bound_ms() -> float | None:
    """The greatest error of the system clock by chrony's own reckoning; None where chrony is absent or not in step.

    Offset + root dispersion + half the root delay: chrony's documentation, ``chronyc tracking``.
    """
    program = shutil.which("chronyc")
    if program is None:
        return None
    command = [program, "-c", "tracking"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=2, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return bound_of_tracking(answer.stdout)


def bound_of_tracking(line: str) -> float | None:
    """The bound in ms from one line of ``chronyc -c tracking``; None where it is not in step or not understood."""
    fields = line.strip().split(",")
    if len(fields) != _CHRONY_FIELDS or fields[-1] != "Normal":
        return None
    try:
        offset_s, delay_s, dispersion_s = (abs(float(fields[index])) for index in (4, 10, 11))
    except ValueError:
        return None
    bound_ms = (offset_s + dispersion_s + delay_s / 2) * 1000
    return bound_ms if math.isfinite(bound_ms) else None
