"""Lamps wired to inputs of the node, through gpiozero: three inputs a signal group.

Each edge carries the kernel's own timestamp. Nothing is debounced here: lgpio's debouncing shifts timestamps and the
phases know better what a lamp may do.
"""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, Self

from gpiozero import Device, GPIOZeroError, InputDevice
from gpiozero.pins.mock import MockFactory, MockPin
from gpiozero.pins.pi import PiPin

from edge.errors import SourceError
from edge.records import NS_PER_S, Lamp, LampEdge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

# Header pins of every Raspberry Pi that carry no fixed pull resistor.
_FREE_PINS = range(4, 28)
_MOST_CLOCK_DIFFERENCE_S = 1.0


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


def open_gpio(groups: Sequence[LampPins], on_edge: Callable[[LampEdge], None]) -> GpioLamps:
    """The lamps on this machine's own pins; SourceError where it has none or they are in use."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gpiozero warns of every driver that it tries in vain
            factory = Device._default_pin_factory()  # noqa: SLF001 - its only way to a factory that nobody shares
        offset_s = abs(factory.ticks() - time.monotonic())
    except (GPIOZeroError, OSError, ImportError, NotImplementedError) as error:
        raise SourceError(
            f"this machine's GPIO cannot be used ({_words(error)}): install lgpio, set GPIOZERO_PIN_FACTORY=lgpio and "
            "let this user into the group gpio"
        ) from None
    if offset_s > _MOST_CLOCK_DIFFERENCE_S:
        raise SourceError(
            "the GPIO driver does not stamp edges with the monotonic clock: set GPIOZERO_PIN_FACTORY=lgpio"
        )
    return GpioLamps(groups, factory, on_edge)


class GpioLamps:
    """Watches the inputs of some signal groups until closed.

    ``on_edge`` is called with each lamp's state at the start and then with every change, from gpiozero's own thread,
    one call at a time; it must not block. ``factory`` stamps edges in seconds of the node's monotonic clock.
    """

    def __init__(self, groups: Sequence[LampPins], factory: Any, on_edge: Callable[[LampEdge], None]) -> None:
        self._factory = factory
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

    def _emit(self, lamp_input: _Input, ticks: float, *, lit: bool) -> None:
        with self._lock:
            if lamp_input.lit != lit:
                lamp_input.lit = lit
                self._on_edge(LampEdge(round(ticks * NS_PER_S), lamp_input.group, lamp_input.lamp, lit))

    def check(self) -> None:
        """Read every input; SourceError where one is gone, or has twice been found unlike its last edge."""
        for lamp_input in self._inputs:
            lamp_input.check()

    def close(self) -> None:
        """Stop watching and let go of the pins."""
        for lamp_input in self._inputs:
            lamp_input.close()
        self._inputs = []

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
        self.lit: bool | None = None
        self._name = f"GPIO{number} ({lamp} of {pins.group})"
        self._lamps = lamps
        self._active_low = pins.active_low
        self._doubts = 0
        pull = pins.pull or ("up" if pins.active_low else "down")
        pull_up = {"up": True, "down": False, "floating": None}[pull]
        active = None if pull_up is not None else not pins.active_low
        try:
            self._device = InputDevice(number, pull_up=pull_up, active_state=active, pin_factory=lamps._factory)  # noqa: SLF001
        except (GPIOZeroError, OSError) as error:
            raise self._lost(error) from None

    def start(self) -> None:
        """Watch for edges, then tell the state: an edge in between is met by both and told once."""
        try:
            pin = self._device.pin
            pin.bounce = None
            pin.edges = "both"
            pin.when_changed = self._changed  # gpiozero keeps a weak reference, this object must live on
            self._lamps._emit(self, self._lamps._factory.ticks(), lit=self._read())  # noqa: SLF001
        except (GPIOZeroError, OSError) as error:
            raise self._lost(error) from None

    def _changed(self, ticks: float, state: float) -> None:
        self._lamps._emit(self, ticks, lit=bool(state) != self._active_low)  # noqa: SLF001

    def _read(self) -> bool:
        return bool(self._device.pin.state) != self._active_low

    def check(self) -> None:
        try:
            lit = self._read()
        except (GPIOZeroError, OSError) as error:
            raise self._lost(error) from None
        self._doubts = 0 if lit == self.lit else self._doubts + 1  # once may be an edge that is on its way
        if self._doubts > 1:
            raise SourceError(f"{self._name} changed without an edge: restart the node and check the wiring")

    def close(self) -> None:
        self._device.close()

    def _lost(self, error: Exception) -> SourceError:
        return SourceError(f"{self._name} cannot be read ({_words(error)}): check the pins in the site file")


def _words(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


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
