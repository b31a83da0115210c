"""Lamps wired to inputs of the node, through gpiozero and lgpio: three inputs a signal group.

Each edge carries the kernel's own timestamp, which of gpiozero's drivers lgpio alone hands on. Nothing is debounced
here: lgpio's debouncing shifts timestamps and the phases know better what a lamp may do.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from gpiozero import GPIOZeroError, InputDevice
from gpiozero.pins.mock import MockFactory, MockPin
from gpiozero.pins.pi import PiPin

from edge.errors import SourceError
from edge.records import NS_PER_S, Lamp, LampEdge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

# Header pins of every Raspberry Pi that carry no fixed pull resistor.
_FREE_PINS = range(4, 28)
_KERNEL_KEEPS = 16
"""Edges of one input that Linux holds until they are read; of more, it drops the oldest."""
_MOST_AHEAD_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class LampPins:
    """How a signal group is wired: BCM numbers of its three inputs.

    ``active_low`` means that a lit lamp pulls its input to ground. ``pull`` is the input's own resistor; left out, the
    one that shows an unconnected lamp as dark.
    """

    group: str
    red: int
    amber: int
    green: int
    active_low: bool = False
    pull: Literal["up", "down", "floating"] | None = None

    def numbers(self) -> tuple[tuple[Lamp, int], ...]:
        """Each lamp with its input."""
        return (Lamp.RED, self.red), (Lamp.AMBER, self.amber), (Lamp.GREEN, self.green)


@dataclass(frozen=True, slots=True)
class GpioCounts:
    """What the inputs have been through since they were opened.

    ``edges`` were told. ``unseen`` came with no change, so that at least one edge before them was missed: a glitch
    shorter than the kernel needs to look, or an edge dropped. ``overruns`` are the times that as many edges of one
    input waited as the kernel keeps, so that older ones may be lost. ``slowest_ns`` is the longest that an edge has
    waited to be read.
    """

    edges: int = 0
    unseen: int = 0
    overruns: int = 0
    slowest_ns: int = 0


def open_gpio(groups: Sequence[LampPins], on_edge: Callable[[LampEdge], None]) -> GpioLamps:
    """The lamps on this machine's own pins; SourceError where it has none or they are in use."""
    try:
        factory = _lgpio_factory()
    except _driver_errors() as error:
        raise SourceError(
            f"this machine's GPIO cannot be used ({_words(error)}): run the node on a Raspberry Pi, install lgpio "
            "(the extra pi) and let this user into the group gpio"
        ) from None
    return GpioLamps(groups, factory, on_edge, own_factory=True)


def _lgpio_factory() -> Any:
    with _lent_working_folder():
        from gpiozero.pins.lgpio import LGPIOFactory
    return LGPIOFactory()


@contextlib.contextmanager
def _lent_working_folder() -> Iterator[None]:
    """While lgpio is imported, a folder for the FIFO that it makes, opens and never needs by name again.

    Without, lgpio leaves that in the process's own folder, which a sealed node may not write; and it changes to the one
    that ``LG_WD`` names, which would move every relative path. A folder that this user may not go back to, like the
    home of somebody who has typed ``sudo -u``, led nowhere before either: then it is the root.
    """
    here, before = Path.cwd(), os.environ.get("LG_WD")
    with tempfile.TemporaryDirectory(prefix="stopline-lgpio-") as folder:
        os.environ["LG_WD"] = folder
        try:
            yield
        finally:
            try:
                os.chdir(here)
            except PermissionError:
                os.chdir("/")
            del os.environ["LG_WD"]
            if before is not None:
                os.environ["LG_WD"] = before


class GpioLamps:
    """Watches the inputs of some signal groups until closed.

    ``on_edge`` is called with each lamp's state at the start and then with every change, from gpiozero's own thread,
    one call at a time; it must not block. ``factory`` stamps edges in seconds of the node's monotonic clock; with
    ``own_factory`` it is closed with the lamps.
    """

    def __init__(
        self,
        groups: Sequence[LampPins],
        factory: Any,
        on_edge: Callable[[LampEdge], None],
        *,
        own_factory: bool = False,
    ) -> None:
        self._factory = factory
        self._own_factory = own_factory
        self._on_edge = on_edge
        self._lock = threading.Lock()
        self._inputs: list[_Input] = []
        try:
            for pins in groups:
                for lamp, number in pins.numbers():
                    self._inputs.append(_Input(self, pins, lamp, number))
            for lamp_input in self._inputs:
                lamp_input.start()
        except BaseException:
            self.close()
            raise

    def _now_ns(self) -> int:
        now_s: float = self._factory.ticks()
        return round(now_s * NS_PER_S)

    def _emit(self, lamp_input: _Input, t_ns: int, *, lit: bool) -> None:
        with self._lock:
            if lamp_input.take(t_ns, self._now_ns(), lit=lit):
                self._on_edge(LampEdge(t_ns, lamp_input.group, lamp_input.lamp, lit))

    @property
    def counts(self) -> GpioCounts:
        """What all inputs together have been through."""
        each = [lamp_input.counts for lamp_input in self._inputs]
        return GpioCounts(
            sum(counts.edges for counts in each),
            sum(counts.unseen for counts in each),
            sum(counts.overruns for counts in each),
            max((counts.slowest_ns for counts in each), default=0),
        )

    def check(self) -> None:
        """Read every input; SourceError where one is gone, has changed without an edge, or is stamped by another clock.

        Meant to be called about once a second: an input must be found unlike its last edge twice, with none in between.
        """
        for lamp_input in self._inputs:
            lamp_input.check()

    def close(self) -> None:
        """Stop watching and let go of the pins, also of those that are gone."""
        for lamp_input in self._inputs:
            lamp_input.close()
        self._inputs = []
        if self._own_factory:
            self._factory.pins.clear()  # they are closed already, and where the chip is gone they cannot be once more
            with contextlib.suppress(*_driver_errors()):
                self._factory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Input:
    """One lamp's input."""

    def __init__(self, lamps: GpioLamps, pins: LampPins, lamp: Lamp, number: int) -> None:
        self.group = pins.group
        self.lamp = lamp
        self._lit: bool | None = None
        self._t_ns = 0
        self._edges = self._unseen = self._overruns = self._slowest_ns = 0
        self._taken_ns: deque[int] = deque(maxlen=_KERNEL_KEEPS)
        self._ahead_ns = 0
        self._doubted_at_edge: int | None = None
        self._name = f"GPIO{number} ({lamp} of {pins.group})"
        self._lamps = lamps
        self._active_low = pins.active_low
        pull = pins.pull or ("up" if pins.active_low else "down")
        pull_up = {"up": True, "down": False, "floating": None}[pull]
        active = None if pull_up is not None else not pins.active_low
        try:
            self._device = InputDevice(number, pull_up=pull_up, active_state=active, pin_factory=lamps._factory)  # noqa: SLF001
        except _driver_errors() as error:
            raise self._lost(error) from None

    @property
    def counts(self) -> GpioCounts:
        return GpioCounts(self._edges, self._unseen, self._overruns, self._slowest_ns)

    def start(self) -> None:
        """Watch for edges, then tell the state: an edge in between is met by both and told once."""
        try:
            pin = self._device.pin
            pin.bounce = None
            pin.edges = "both"
            pin.when_changed = self._changed  # gpiozero keeps a weak reference, this object must live on
            self._lamps._emit(self, self._lamps._now_ns(), lit=self._read())  # noqa: SLF001
        except _driver_errors() as error:
            raise self._lost(error) from None

    def _changed(self, ticks: float, state: float) -> None:
        self._lamps._emit(self, round(ticks * NS_PER_S), lit=bool(state) != self._active_low)  # noqa: SLF001

    def take(self, t_ns: int, now_ns: int, *, lit: bool) -> bool:
        """Count an edge that is read at ``now_ns``; whether it is one to tell."""
        self._count_waiting(t_ns, now_ns)
        if self._lit is not None and t_ns < self._t_ns:
            return False  # from before the state at the start, which holds it already
        if lit == self._lit:
            self._unseen += 1
            return False
        self._lit, self._t_ns = lit, t_ns
        self._edges += 1
        return True

    def _count_waiting(self, t_ns: int, now_ns: int) -> None:
        self._slowest_ns = max(self._slowest_ns, now_ns - t_ns)
        self._ahead_ns = max(self._ahead_ns, t_ns - now_ns)
        self._taken_ns.append(now_ns)
        # When the first of these edges was read, the last had happened: all of them were waiting.
        if len(self._taken_ns) == _KERNEL_KEEPS and t_ns < self._taken_ns[0]:
            self._overruns += 1
            self._taken_ns.clear()

    def _read(self) -> bool:
        return bool(self._device.pin.state) != self._active_low

    def check(self) -> None:
        try:
            lit = self._read()
        except _driver_errors() as error:
            raise self._lost(error) from None
        if self._ahead_ns > _MOST_AHEAD_NS:
            raise SourceError(
                f"{self._name} is not stamped with the monotonic clock: run the node on Linux 5.10 or later"
            )
        if lit == self._lit:
            self._doubted_at_edge = None
        elif self._doubted_at_edge == self._edges:
            raise SourceError(f"{self._name} changed without an edge: restart the node and check the wiring")
        else:
            self._doubted_at_edge = self._edges  # an edge may be on its way; mains-driven lamps have one all the time

    def close(self) -> None:
        with contextlib.suppress(*_driver_errors()):
            self._device.pin.when_changed = None
        with contextlib.suppress(*_driver_errors()):
            self._device.close()
        self._device._pin = None  # noqa: SLF001 - where the chip is gone, gpiozero would try again at the very end

    def _lost(self, error: Exception) -> SourceError:
        return SourceError(f"{self._name} cannot be read ({_words(error)}): check the pins in the site file")


def _driver_errors() -> tuple[type[Exception], ...]:
    """What gpiozero raises or lets through; lgpio has an exception of its own, which is nothing but an Exception."""
    lgpio = sys.modules.get("lgpio")
    return (GPIOZeroError, OSError, ImportError, *([] if lgpio is None else [lgpio.error]))


def _words(error: Exception) -> str:
    return str(error).strip().strip("'").rstrip(".") or type(error).__name__


class _TimelineFactory(MockFactory):  # type: ignore[misc]  # gpiozero is untyped
    """gpiozero's own mock pins with a clock that is set by hand."""

    def __init__(self) -> None:
        super().__init__(pin_class=_TimelinePin)
        self.now_s = 0.0

    def ticks(self) -> float:  # type: ignore[override,unused-ignore]
        return self.now_s


class _TimelinePin(MockPin):  # type: ignore[misc]  # gpiozero is untyped
    def _call_when_changed(self) -> None:
        PiPin._call_when_changed(self, self.factory.now_s, self.state)  # noqa: SLF001

    def _set_pull(self, value: str) -> None:
        self._pull = value  # a wire that is driven overrules the resistor


def play_through_pins(edges: Sequence[LampEdge], wiring: Sequence[LampPins] = ()) -> tuple[LampEdge, ...]:
    """A recorded timeline as the GPIO code sees it: played on mock pins at its own times, at once.

    The result equals ``edges``. Groups that ``wiring`` leaves out get pins of their own.
    """
    wired = _wire(edges, wiring)
    factory = _TimelineFactory()
    seen: list[LampEdge] = []
    watching: dict[str, GpioLamps] = {}
    for (t_ns, group), together in groupby(edges, key=lambda edge: (edge.t_ns, edge.group)):
        factory.now_s = t_ns / NS_PER_S
        for edge in together:
            _drive(factory, wired[group], edge)
        if group not in watching:
            watching[group] = GpioLamps([wired[group]], factory, seen.append)
    for lamps in watching.values():
        lamps.close()
    factory.close()
    return tuple(seen)


def _wire(edges: Sequence[LampEdge], wiring: Sequence[LampPins]) -> dict[str, LampPins]:
    """Pins for every group of the timeline."""
    wired = {pins.group: pins for pins in wiring}
    used = {number for pins in wiring for _, number in pins.numbers()}
    free = [number for number in _FREE_PINS if number not in used]
    for group in dict.fromkeys(edge.group for edge in edges):
        if group not in wired:
            if len(free) < 3:
                raise SourceError(
                    "the timeline has more signal groups than a Raspberry Pi has pins: leave out --via-gpio"
                )
            wired[group] = LampPins(group, free.pop(0), free.pop(0), free.pop(0))
    return wired


def _drive(factory: _TimelineFactory, pins: LampPins, edge: LampEdge) -> None:
    pin = factory.pin(dict(pins.numbers())[edge.lamp])
    if edge.lit != pins.active_low:
        pin.drive_high()
    else:
        pin.drive_low()
