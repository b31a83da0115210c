from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from edge import machine

if TYPE_CHECKING:
    from pathlib import Path


def thermal(sys: Path, *temperatures: str) -> Path:
    for number, text in enumerate(temperatures):
        zone = sys / "class" / "thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text, encoding="ascii")
    return sys


def test_the_hottest_sensor_counts_and_a_dead_one_does_not(tmp_path: Path) -> None:
    assert machine.temperature_c(thermal(tmp_path, "48312\n", "61500\n", "broken\n", "")) == 61.5


def test_a_machine_without_sensors_tells_none(tmp_path: Path) -> None:
    assert machine.temperature_c(tmp_path) is None
    assert machine.throttling(tmp_path, lambda: None) is None
    assert machine.memory_bytes(tmp_path) is None
    assert machine.disk_free_bytes(tmp_path / "absent") is None


def test_this_machine_tells_its_memory_and_disk(tmp_path: Path) -> None:
    free, memory = machine.disk_free_bytes(tmp_path), machine.memory_bytes()
    assert free is not None
    assert memory is not None
    assert free > 0
    assert 10**6 < memory < 10**11


@pytest.mark.parametrize(
    ("bits", "names"),
    [
        (0x0, ()),
        (0x1, ("under_voltage",)),
        (0x50005, ("under_voltage", "throttled", "had_under_voltage", "had_throttled")),
        (0x80008, ("soft_temperature_limit", "had_soft_temperature_limit")),
        (0x20000, ("had_frequency_capped",)),
    ],
)
def test_the_bits_of_the_firmware_have_names(bits: int, names: tuple[str, ...], tmp_path: Path) -> None:
    assert machine.limits_of(bits) == names
    assert machine.throttling(tmp_path, lambda: f"throttled={bits:#x}\n") == names


@pytest.mark.parametrize("folder", ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"])
def test_the_kernels_word_goes_before_the_commands(folder: str, tmp_path: Path) -> None:
    place = tmp_path / "devices" / "platform" / folder
    place.mkdir(parents=True)
    (place / "get_throttled").write_text("50000\n", encoding="ascii")
    assert machine.throttling(tmp_path, lambda: "throttled=0x0\n") == ("had_under_voltage", "had_throttled")


@pytest.mark.parametrize("answer", ["", 'error=1 error_msg="Command not registered"', "throttled=", "throttled=zz"])
def test_an_answer_that_is_none_tells_nothing(answer: str, tmp_path: Path) -> None:
    assert machine.throttling(tmp_path, lambda: answer) is None


def test_vcgencmd_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo "throttled=0x4"\n', encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.throttling(tmp_path) == ("throttled",)


HOLES = """
from edge.machine import give_back_memory, memory_bytes

kept = [bytes([1]) * 60_000 for _ in range(2000)]
del kept[::2]
before = memory_bytes()
give_back_memory()
print((before - memory_bytes()) / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is asked of glibc")
def test_what_was_freed_between_what_is_kept_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) > 30


LARGE_BETWEEN_SMALL = """
import sys
from edge.machine import keep_memory_steady, memory_bytes

number, large_bytes, small_bytes = map(int, sys.argv[1:])
keep_memory_steady()
bytearray(30_000_000)  # freed at once: from here on glibc would by itself take smaller blocks from the heap
large, small = zip(*((bytes([1]) * large_bytes, bytes([1]) * small_bytes) for _ in range(number)))
before = memory_bytes()
del large
print((before - memory_bytes()) / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is asked of glibc")
@pytest.mark.parametrize(
    ("number", "large_bytes", "small_bytes", "least_mb"), [(60, 1_000_000, 60_000, 50), (600, 100_000, 20_000, 20)]
)
def test_large_blocks_go_back_to_the_system_as_they_are_freed(
    number: int, large_bytes: int, small_bytes: int, least_mb: float
) -> None:
    words = [sys.executable, "-c", LARGE_BETWEEN_SMALL, *map(str, (number, large_bytes, small_bytes))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert float(done.stdout) > least_mb


COLLECTED = """
import gc
import time
import edge.commands.run
from edge.machine import spare_what_stays

def full_collection_s():
    began_s = time.perf_counter()
    gc.collect()
    return time.perf_counter() - began_s

before_s = min(full_collection_s() for _ in range(5))
spare_what_stays()
print(before_s / min(full_collection_s() for _ in range(5)))
"""


def test_a_full_collection_passes_over_what_stays() -> None:
    done = subprocess.run([sys.executable, "-c", COLLECTED], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) > 10


def test_giving_back_takes_less_than_a_picture_lasts() -> None:
    spent_s = []
    for _ in range(20):
        began_s = time.perf_counter()
        machine.give_back_memory()
        spent_s.append(time.perf_counter() - began_s)
    assert sorted(spent_s)[10] < 0.02
