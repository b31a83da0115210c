"""Receipts as they come to a node: verified, held against its own events, told to its outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge.errors import EventError
from edge.receipt import Receipt, read_receipt, stored_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge.keys import PublicKey


class Confirmed(Protocol):
    """What is needed of the outbox."""

    def event(self, event_id: str) -> bytes | None:
        """The bytes of an event that is still there."""
        ...

    def confirmed(self, event_id: str, *, whole: bool) -> int:
        """Note that a receiver has an event, and with ``whole`` its evidence too."""
        ...


class Confirmations:
    """Takes receipts by the keys of ``receivers``; any other is ignored, counted in ``ignored`` and told.

    ``tell`` is given a sentence for the first, second, fourth, eighth and so on, so that nobody can fill a log.
    ``problem`` is the last such sentence.
    """

    def __init__(self, receivers: Mapping[str, PublicKey], queue: Confirmed, tell: Callable[[str], None]) -> None:
        self._receivers = receivers
        self._queue = queue
        self._tell = tell
        self.taken = 0
        self.ignored = 0
        self.problem: str | None = None

    def take(self, raw: bytes) -> None:
        """Take a receipt as it was published. OutboxError where the outbox cannot note it."""
        try:
            receipt = read_receipt(raw, self._receivers)
            whole = self._is_whole(receipt)
        except EventError as error:
            self._ignore(error)
            return
        self._queue.confirmed(receipt.event_id, whole=whole)
        self.taken += 1

    def complain(self, problem: str) -> None:
        """Say why no receipts can come."""
        if problem != self.problem:
            self.problem = problem
            self._tell(problem)

    def _is_whole(self, receipt: Receipt) -> bool:
        event = self._queue.event(receipt.event_id)
        if event is None:  # it went before receipts were awaited; what is left of its evidence is known by its id
            return receipt.bundle_sha256 is not None
        return stored_whole(receipt, event)

    def _ignore(self, error: EventError) -> None:
        self.ignored += 1
        self.problem = str(error)
        if self.ignored.bit_count() == 1:
            self._tell(f"A receipt was ignored, {self.ignored} so far: {error}")
