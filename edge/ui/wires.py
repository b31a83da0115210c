"""The lamp inputs of the site as it is drawn: what each shows now, and what they showed while a film was taken."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

from edge.errors import SourceError
from edge.records import Lamp
from edge.sources.gpio import open_gpio
from edge.ui.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from edge.records import LampEdge
    from edge.sources.gpio import GpioLamps, LampPins

_MOST_EDGES: Final = 200_000
_CHECK_EVERY_S: Final = 1.0


class Wires:
    """Reads the inputs of some signal groups, others whenever ``wire`` says so; may be asked from any thread.

    What the inputs cannot do stands in ``problem``: pins are entered while this runs, so it is no reason to end.
    """

    def __init__(self) -> None:
        self._changing = threading.RLock()  # held while inputs are opened and closed
        self._lock = threading.Lock()  # held while what they tell is noted, by their own thread
        self._pins: tuple[LampPins, ...] = ()
        self._inputs: GpioLamps | None = None
        self._lit: dict[tuple[str, Lamp], bool] = {}
        self._edges: list[LampEdge] | None = None
        self._checked_s = 0.0
        self._is_lent = False
        self.problem: RefusedError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changing:
            self._close()

    def wire(self, pins: Sequence[LampPins]) -> None:
        """Read these inputs from now on; those that were being recorded otherwise are recorded no more."""
        with self._changing:
            if tuple(pins) != self._pins:
                self._pins = tuple(pins)
                self._edges = None
                self._reopen()

    def begin(self) -> None:
        """Record from now on. Inputs that could not be read are tried once more."""
        with self._changing:
            self._edges = []
            self._reopen()  # which tells each lamp's state

    def end(self) -> Mapping[LampPins, tuple[LampEdge, ...]]:
        """The edges since ``begin`` by how their group is wired, its name left out; none where any is lost."""
        with self._changing, self._lock:
            edges, self._edges = self._edges, None
            if edges is None or self._inputs is None:
                return {}
            return {as_wired(pins): tuple(edge for edge in edges if edge.group == pins.group) for pins in self._pins}

    @contextmanager
    def released(self) -> Iterator[None]:
        """The inputs let go, for another part of the program to try them."""
        with self._changing:
            self._close()
            self._is_lent = True
        try:
            yield
        finally:
            with self._changing:
                self._is_lent = False
                self._reopen()

    def lit(self) -> dict[str, dict[str, bool | None]]:
        """What each lamp shows now, by group; None where its input is not known."""
        self._check()
        with self._lock:
            return {pins.group: {lamp.value: self._lit.get((pins.group, lamp)) for lamp in Lamp} for pins in self._pins}

    def told(self) -> dict[str, Any]:
        """For the page."""
        lit = self.lit()
        return {"groups": lit, "problem": self.problem and self.problem.told()}

    def _reopen(self) -> None:
        self._close()
        self.problem = None
        if not self._pins or self._is_lent:
            return
        try:
            self._inputs = open_gpio(self._pins, self._take)
        except SourceError as error:
            self._lose(RefusedError("inputs", detail=error))

    def _close(self) -> None:
        inputs, self._inputs = self._inputs, None
        if inputs is not None:
            inputs.close()
        with self._lock:
            self._lit = {}

    def _take(self, edge: LampEdge) -> None:
        with self._lock:
            self._lit[edge.group, edge.lamp] = edge.lit
            if self._edges is not None:
                self._edges.append(edge)
                if len(self._edges) > _MOST_EDGES:
                    self._edges = None
                    self.problem = RefusedError("too_many_edges")

    def _check(self) -> None:
        """Now and then, whether every input is there still."""
        if not self._changing.acquire(blocking=False):
            return  # they are being opened
        try:
            if self._inputs is not None and time.monotonic() - self._checked_s > _CHECK_EVERY_S:
                self._checked_s = time.monotonic()
                self._inputs.check()
        except SourceError as error:
            self._close()
            self._lose(RefusedError("inputs", detail=error))
        finally:
            self._changing.release()

    def _lose(self, problem: RefusedError) -> None:
        self.problem = problem
        with self._lock:
            self._edges = None


def as_wired(pins: LampPins) -> LampPins:
    """How a group is wired, whatever it is called."""
    return replace(pins, group="")
