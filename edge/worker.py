"""A thread that has a name and an owner: what it raises comes out where its owner asks, and never goes unnoticed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable


class Worker:
    """Does ``work`` on a daemon thread from ``start`` on. ``work`` is to end by itself once its owner wants it to."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it has begun and not ended yet."""
        return self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """What it ended by, None as long as it has not failed."""
        return self._error

    def join(self, within_s: float | None = None) -> None:
        """Wait until it has ended, for so long at most; harmless where it never began."""
        if self._thread.ident is not None:
            self._thread.join(within_s)

    def check(self) -> None:
        """NodeError where it failed: a node is not to go on without it, and may when it is started again."""
        if self._error is not None:
            raise NodeError(
                f"the {self.name} thread failed ({type(self._error).__name__}: {self._error}): the node must be "
                "started again"
            ) from self._error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - kept for its owner, who asks for it
            self._error = error
