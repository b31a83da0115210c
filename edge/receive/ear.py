"""What nodes say of their health, on its way to the sums: held for some seconds, since one transaction serves many."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from edge.receive.hearing import hear
from edge.receive.tallies import read_health

if TYPE_CHECKING:
    from edge.mqtt import Received
    from edge.receive.store import Store
    from edge.receive.tallies import Heard
    from edge.receive.trust import Trusted

MAX_HELD: Final = 1000

_HOLD_S = 15.0
_LEVEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_TOPIC = re.compile(rf"/v1/({_LEVEL}/{_LEVEL})/health$")


class Ear:
    """Takes ``health`` messages. What it holds when a receiver is killed the next message of each node makes up for.

    ``taken`` counts those that were added up, ``unread`` those that are none, or came from a node that is not known.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.unread = 0
        self._held: list[Heard] = []
        self._settle_at_s: float | None = None

    def takes(self, received: Received, now_ms: int, now_s: float) -> bool:
        """Whether this is such a message; it is held then."""
        topic = _TOPIC.search(received.topic)
        if topic is None:
            return False
        heard = read_health(topic[1], received.payload, now_ms)
        if heard is None:
            self.unread += 1
            return True
        self._held.append(heard)
        if self._settle_at_s is None:
            self._settle_at_s = now_s + _HOLD_S
        return True

    def settle(self, store: Store, trusted: Trusted, now_s: float | None = None) -> None:
        """Add up what is held, if it is time; without ``now_s``, at once. Raises StoreError, and forgets it then."""
        due = now_s is None or self._settle_at_s is None or now_s >= self._settle_at_s or len(self._held) >= MAX_HELD
        if not self._held or not due:
            return
        held, self._held, self._settle_at_s = self._held, [], None
        certified = {key.source.removeprefix("stopline://") for key in trusted.certified.keys.values()}
        strangers = hear(store, held, certified)
        self.taken += len(held) - strangers
        self.unread += strangers
