"""How far a replay has come: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import TaskID

_PLAIN_EVERY_S = 5.0


class Advance(Protocol):
    """Called once a frame."""

    def __call__(self) -> None:
        """One more frame is done."""
        ...


@contextmanager
def replay_progress(console: Console, title: str, frames: int | None) -> Iterator[Advance]:
    """Show progress over ``frames`` (None where their number is unknown) on ``console`` until the block ends."""
    if console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task(title, total=frames, fps="")
            yield _Bar(bar, task)
    else:
        yield _Lines(console, title, frames)


def _bar(console: Console) -> Progress:
    fps = TextColumn("{task.fields[fps]}")
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), fps, TimeRemainingColumn(), console=console
    )


class _Bar:
    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task
        self._start = monotonic()
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        fps = self._done / max(1e-3, monotonic() - self._start)
        self._bar.update(self._task, advance=1, fps=f"{fps:.0f} fps")


class _Lines:
    def __init__(self, console: Console, title: str, frames: int | None) -> None:
        self._console = console
        self._title = title
        self._of = "" if frames is None else f" of {frames}"
        self._start = self._last = monotonic()
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        now = monotonic()
        if now - self._last >= _PLAIN_EVERY_S:
            self._last = now
            fps = self._done / (now - self._start)
            self._console.print(f"{self._title}: frame {self._done}{self._of}, {fps:.0f} fps", highlight=False)
