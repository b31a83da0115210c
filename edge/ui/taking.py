"""A camera's minute: taken when the page begins, and again whenever somebody asks, the lamps on wires beside it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from edge.ui.film import film_taken
from edge.ui.refused import RefusedError, refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from edge.config import Camera
    from edge.records import LampEdge
    from edge.sources.gpio import LampPins
    from edge.ui.film import Film
    from edge.ui.wires import Wires

    Wired = Mapping[LampPins, tuple[LampEdge, ...]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A film, and the lamps on wires meanwhile, in its own time: by how their group is wired, its name left out."""

    film: Film
    wired: Wired = field(default_factory=dict)


class Taker:
    """Takes ``seconds`` of a camera, one film at a time; each takes the place of the one before, which is then gone."""

    def __init__(self, source: str, seconds: float, wires: Wires | None) -> None:
        self._source = source
        self._seconds = seconds
        self._wires = wires
        self._held = ExitStack()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._number = 0
        self._taken_s: float | None = None
        self._problem: RefusedError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        if self._thread is not None:
            self._thread.join(10)
        self._held.close()

    def first(self, camera: Camera | None) -> Taken:
        """Take a film now. Raises SourceError."""
        with ExitStack() as stack:
            taken = self._take(camera, stack)
            self._held = stack.pop_all()
        self._number = 1
        return taken

    def again(self, camera: Camera | None, then: Callable[[Taken], None]) -> dict[str, Any]:
        """Take another one on a thread of its own and hand it on. Raises RefusedError while one is being taken."""
        with self._lock:
            if self.is_busy:
                raise RefusedError("taking")
            self._taken_s, self._problem = 0.0, None
            self._thread = threading.Thread(target=self._again, args=(camera, then), name="take", daemon=True)
            self._thread.start()
        return self.told()

    @property
    def is_busy(self) -> bool:
        """Whether a film is being taken again."""
        return self._thread is not None and self._thread.is_alive()

    def told(self) -> dict[str, Any]:
        """For the page."""
        return {
            "number": self._number,
            "busy": self.is_busy,
            "taken_s": self._taken_s,
            "of_s": self._seconds,
            "problem": self._problem and self._problem.told(),
        }

    def _again(self, camera: Camera | None, then: Callable[[Taken], None]) -> None:
        try:
            with ExitStack() as stack:
                taken = self._take(camera, stack)
                if not self._closing:
                    then(taken)
                before, self._held = self._held, stack.pop_all()
            before.close()
            self._number += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the page tells of it
            self._problem = refusal_of("not_taken", error)

    def _take(self, camera: Camera | None, stack: ExitStack) -> Taken:
        if self._wires is not None:
            self._wires.begin()
        film = stack.enter_context(film_taken(self._source, camera, self._seconds, self._going_on))
        wired = self._wires.end() if self._wires is not None else {}
        return Taken(film, _in_time_of(film, wired))

    def _going_on(self, t_s: float) -> bool:
        self._taken_s = round(t_s, 1)
        return not self._closing


def _in_time_of(film: Film, wired: Wired) -> Wired:
    """The edges at the film's own times; those from before it say what was shown when it began."""
    began_ns, end_ns = film.began_ns or 0, film.duration_s * 1e9
    moved = {pins: (replace(edge, t_ns=edge.t_ns - began_ns) for edge in edges) for pins, edges in wired.items()}
    return {pins: tuple(edge for edge in edges if edge.t_ns <= end_ns) for pins, edges in moved.items()}
