"""Sending what lies in an outbox, for as long as a command runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.config import Broker, Site
    from edge.mqtt import Topics
    from edge.node import Identity
    from edge.outbox import Outbox


class Delivery(Protocol):
    """A sender at work, or none."""

    def drain(self, timeout_s: float) -> int:
        """Wait until the outbox is empty, at most so long; give the number of messages that still wait."""
        ...


class _NoDelivery:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def drain(self, timeout_s: float) -> int:  # noqa: ARG002 - nothing is under way
        return self._outbox.counts().pending


@contextmanager
def deliver_from(
    outbox: Outbox, broker: Broker | None, topics: Topics, identity: Identity, site: Site
) -> Iterator[Delivery]:
    """Send from ``outbox`` to ``broker`` until the block ends; without a broker the events stay there."""
    if broker is None:
        yield _NoDelivery(outbox)
        return
    raise NotImplementedError
