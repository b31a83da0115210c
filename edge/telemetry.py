"""What the node tells of itself: phases as they change, and its counters now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from edge.records import NS_PER_S, Phase
from edge.uplink import Health, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.approach import Approach
    from edge.ledger.publisher import Publisher
    from edge.node import Recorder
    from edge.records import PhaseInterval
    from edge.uplink import Uplink

HEALTH_EVERY_S: Final = 10.0


class Telemetry:
    """Tells the broker what the signal groups show and what the node has counted. Without an uplink it does nothing.

    ``checkpoints`` are those of the node's ledger; None where it has none of its own.
    """

    def __init__(
        self,
        uplink: Uplink | None,
        approach: Approach,
        recorder: Recorder,
        dropped: Callable[[], int],
        checkpoints: Publisher | None = None,
    ) -> None:
        self._uplink = uplink
        self._checkpoints = checkpoints
        self._approach = approach
        self._recorder = recorder
        self._dropped = dropped
        self._frames = 0
        self._shown: dict[str, PhaseInterval] = {}
        self._start_s = time.monotonic()
        self._health_due_s = self._start_s + HEALTH_EVERY_S

    def frame(self) -> None:
        """One more frame has been judged."""
        self._frames += 1
        if self._uplink is None:
            return
        for group, phases in self._approach.phases.items():
            shown = phases.current
            if shown != self._shown.get(group) and shown.phase is not Phase.UNKNOWN:
                self._uplink.send_signal(Signal(group, shown.phase, shown.start_ns / NS_PER_S, shown.fault))
            self._shown[group] = shown
        now_s = time.monotonic()
        if self._checkpoints is not None:
            self._checkpoints.look(now_s)
        if now_s >= self._health_due_s:
            self.health()

    def health(self) -> None:
        """Publish the counters now."""
        if self._uplink is None:
            return
        now_s = time.monotonic()
        self._health_due_s = now_s + HEALTH_EVERY_S
        passages = {verdict.value: number for verdict, number in sorted(self._recorder.verdicts.items())}
        uptime_s = round(now_s - self._start_s, 3)
        unrecorded = self._recorder.unrecorded
        self._uplink.send_health(Health(uptime_s, self._frames, self._dropped(), passages, unrecorded))
