"""What the machine says of itself: temperature, throttling, disk, memory. None stands for what it does not tell."""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SYS: Final = Path("/sys")
_PROC: Final = Path("/proc")
_VCGENCMD_TIMEOUT_S = 2.0

# Bits of the Raspberry Pi firmware's get_throttled: what holds now; 16 bits higher, what has held since it was started.
_LIMITS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")

# glibc keeps what was freed in its arenas, one a thread, parts of it for ever (man malloc_trim, man mallopt). Others
# need no word. The numbers are those of <malloc.h>.
_MALLOC_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
_MALLOPT: Final = getattr(ctypes.CDLL(None), "mallopt", None)
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_MAPPED_FROM_BYTES: Final = 32 * 1024
_MOST_ARENAS: Final = 2


def keep_memory_steady() -> None:
    """Have the C library keep little of what is freed: for a process that runs for years.

    Blocks of 32 KiB and more, such as pictures, stills and an encoder's, are mapped each on its own where the heap has
    no room for them as it is, and given back whole when freed. glibc begins so with 128 KiB, but raises that limit to
    up to 32 MiB with what it sees freed; a limit that is set stays.
    """
    if _MALLOPT is not None:
        _MALLOPT(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
        _MALLOPT(_M_ARENA_MAX, _MOST_ARENAS)


def give_back_memory() -> None:
    """Have the C library give freed memory back to the system, so that large pieces of work leave nothing behind."""
    if _MALLOC_TRIM is not None:
        _MALLOC_TRIM(0)


def spare_what_stays() -> None:
    """Have Python's collector pass over all objects that there are by now: for a process that keeps them to its end.

    A full collection holds every thread for as long as it looks at them.
    """
    gc.collect()
    gc.freeze()


def temperature_c(sys: Path = _SYS) -> float | None:
    """The hottest sensor's degrees Celsius."""
    found = []
    for file in sys.glob("class/thermal/thermal_zone*/temp"):
        with suppress(OSError, ValueError):  # a zone that is switched off cannot be read
            found.append(int(file.read_text(encoding="ascii")) / 1000)
    return max(found, default=None)


def throttling(sys: Path = _SYS, ask: Callable[[], str | None] | None = None) -> tuple[str, ...] | None:
    """What slows a Raspberry Pi down now, or ``had_…`` since it was started; None on any other machine.

    It is read from the kernel where that tells it, else asked of ``vcgencmd``.
    """
    for file in sys.glob("devices/platform/soc*/soc*:firmware/get_throttled"):
        with suppress(OSError, ValueError):
            return limits_of(int(file.read_text(encoding="ascii"), 16))
    answer = (ask or _ask_vcgencmd)()
    with suppress(AttributeError, ValueError):
        return limits_of(int(answer.strip().removeprefix("throttled="), 16))  # type: ignore[union-attr]
    return None


def limits_of(bits: int) -> tuple[str, ...]:
    """The names of the bits of ``get_throttled``."""
    now = [name for place, name in enumerate(_LIMITS) if bits >> place & 1]
    before = [f"had_{name}" for place, name in enumerate(_LIMITS, 16) if bits >> place & 1]
    return (*now, *before)


def _ask_vcgencmd() -> str | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words
            [program, "get_throttled"], capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout


def disk_free_bytes(folder: Path) -> int | None:
    """What an ordinary user may still write on the disk that a folder lies on."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return None


def memory_bytes(proc: Path = _PROC) -> int | None:
    """What this process holds in RAM (resident set)."""
    with suppress(OSError, ValueError, IndexError):
        pages = int((proc / "self" / "statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return None
