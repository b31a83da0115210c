"""When a node signs a checkpoint: after so many events, or so long after the first one that none counts yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge.ledger import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.keys import SigningKey
    from edge.ledger.merkle import Edge

_LOOK_EVERY_S = 1.0
_S_PER_MINUTE = 60.0


class Pace(Protocol):
    """How often; ``edge.config.Ledger`` says what these are."""

    @property
    def every_events(self) -> int: ...  # noqa: D102
    @property
    def every_minutes(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Source:
    """Whose ledger it is, who signs for it, and how it stands."""

    origin: str
    key: SigningKey
    ledger: Callable[[], Edge]


class Publisher:
    """Signs checkpoints and hands them to ``publish``: one at the first look, then as the pace asks for it.

    What is signed is durable already, since the tree is read from the disk; so no checkpoint ever counts an event that
    a crash can take away.
    """

    def __init__(self, source: Source, pace: Pace, publish: Callable[[bytes], None]) -> None:
        self._source = source
        self._pace = pace
        self._publish = publish
        self._size: int | None = None
        self._look_at_s = float("-inf")
        self._waiting_since_s: float | None = None

    def look(self, now_s: float) -> None:
        """Sign a checkpoint if it is time for one; cheap to call for every frame. ``now_s`` never runs backwards."""
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_EVERY_S
        edge = self._source.ledger()
        if self._size is None:
            self._sign(edge)
        elif edge.size > self._size:
            self._weigh(edge, self._size, now_s)

    def finish(self) -> None:
        """Sign a checkpoint of what no other counts yet."""
        edge = self._source.ledger()
        if edge.size != self._size:
            self._sign(edge)

    def _weigh(self, edge: Edge, size: int, now_s: float) -> None:
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s
        waited_s = now_s - self._waiting_since_s
        if edge.size - size >= self._pace.every_events or waited_s >= self._pace.every_minutes * _S_PER_MINUTE:
            self._sign(edge)

    def _sign(self, edge: Edge) -> None:
        one = checkpoint.of_edge(self._source.origin, edge)
        self._publish(checkpoint.sign(one, self._source.key).encoded())
        self._size, self._waiting_since_s = edge.size, None
