"""gpiozero's mock pins on the real clock, in place of this machine's, which has none; alone, and under ``stopline``."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpiozero import GPIOZeroError

from edge.errors import SourceError
from edge.sources.gpio import GpioLamps, LampPins, _TimelineFactory
from tests.command import ROOT
from tests.ui.pages import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edge.records import LampEdge

NORTH = LampPins("north", red=17, amber=27, green=22)


class _Factory(_TimelineFactory):
    now_s = property(lambda _: time.monotonic(), lambda *_: None)  # type: ignore[assignment]


class Pins:
    """The inputs of a machine; ``held`` while a program has them, which no other one can open then."""

    def __init__(self) -> None:
        self._factory: Any = _Factory()
        self.held = False

    def drive(self, number: int, *, high: bool) -> None:
        """Put a wire up or down."""
        pin = self._factory.pin(number)
        pin.drive_high() if high else pin.drive_low()

    def show(self, pins: LampPins, *lit: str) -> None:
        """Light these lamps of a group, and no other."""
        for lamp, number in pins.numbers():
            self.drive(number, high=(lamp.value in lit) != pins.active_low)

    def unplug(self) -> None:
        """They vanish."""

        def gone() -> bool:
            raise GPIOZeroError("bad GPIO read")

        for pin in self._factory.pins.values():
            pin._get_state = gone

    def open(self, groups: Sequence[LampPins], on_edge: Callable[[LampEdge], None]) -> GpioLamps:
        """As ``open_gpio``."""
        if self.held:
            raise SourceError("GPIO17 (red of north) cannot be read (GPIO busy): check the pins in the site file")
        pins = self

        class Held(GpioLamps):
            def close(self) -> None:
                pins.held = False
                super().close()

        opened = Held(groups, self._factory, on_edge)
        self.held = True
        return opened

    @contextmanager
    def playing(self, lamps: Path, pins: LampPins, start_s: float) -> Iterator[None]:
        """A recorded timeline's group on its wires, from an instant of the monotonic clock on."""
        over = threading.Event()
        with lamps.open(encoding="ascii", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["group"] == pins.group]
        before = sum(float(row["t_s"]) <= 0 for row in rows)

        def play() -> None:
            for row in rows[before - 1 :]:
                if over.wait(max(0.0, start_s + float(row["t_s"]) - time.monotonic())):
                    return
                self.show(pins, *(lamp for lamp in ("red", "amber", "green") if row[lamp] == "1"))

        player = threading.Thread(target=play, name="lamps")
        player.start()
        try:
            yield
        finally:
            over.set()
            player.join(10)


@dataclass(frozen=True, slots=True)
class WiredPage:
    """A page whose program has such pins."""

    page: Page
    process: subprocess.Popen[str]

    def show(self, *lit: str) -> None:
        """Light these lamps of ``NORTH``."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(lit) + "\n")
        self.process.stdin.flush()


@contextmanager
def served_on_node(source: str, *words: object, lit: str) -> Iterator[WiredPage]:
    """``stopline ui`` on a node with this camera and one lamp of ``NORTH`` lit, until the end of the test."""
    command = [sys.executable, "-m", "tests.ui.pins", lit, "ui", *map(str, words), "--no-browser"]
    environment = {**os.environ, "STOPLINE_SOURCE": source}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment)
    with process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                assert process.stderr is not None
                raise AssertionError(process.stderr.read())
            yield WiredPage(Page(address), process)
        finally:
            process.kill()


def main() -> None:
    """``stopline`` with such pins; the first word, and each line of standard input, names the lamps that are lit."""
    from edge.cli import main as stopline
    from edge.commands import commission
    from edge.ui import wires

    pins = Pins()
    pins.show(NORTH, sys.argv.pop(1))
    vars(wires)["open_gpio"] = vars(commission)["open_gpio"] = pins.open

    def drive() -> None:
        for line in sys.stdin:
            pins.show(NORTH, *line.split())

    threading.Thread(target=drive, name="lamps", daemon=True).start()
    stopline()


if __name__ == "__main__":
    main()
