"""What the node tells of itself: phases as they change; how it is, every ten seconds and at once where that changes.

A thread of its own tells it, so that a node whose camera has fallen silent still says so.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

from edge import machine, messages
from edge.clock import chrony_bound_ms
from edge.errors import StoplineError
from edge.latency import Deliveries, Durations
from edge.messages import Health, Signal
from edge.records import NS_PER_S, Phase
from edge.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from edge.approach import Approach
    from edge.health import Status
    from edge.ledger.publisher import Publisher
    from edge.node import Recorder
    from edge.outbox import Counts
    from edge.records import Fault, PhaseInterval, VehicleClass, Verdict
    from edge.uplink import Uplink

HEALTH_EVERY_S: Final = 10.0
SILENT_AFTER_S: Final = 2.0
MOST_AMBER_S: Final = 10.0  # that is told apart from longer ones
_NS_PER_HUNDREDTH = NS_PER_S // 100
_LOOK_EVERY_S = 0.5
_JOIN_S = 15.0


class Told(Protocol):
    """Where health goes beside the broker."""

    def __call__(self, health: Health) -> None:
        """Take it; called on the telemetry's thread."""
        ...


@dataclass(frozen=True, slots=True)
class Gauges:
    """Where the figures come from that telemetry does not count itself. Each may be asked from any thread.

    ``reopened`` is how often the camera was opened anew. ``queue`` is the outbox's counts, ``backlog`` says how many
    pictures wait for the detector and for judgement, and how many cases for their evidence. ``status`` is the arming
    state, None where there is none. ``inputs`` is what the lamp inputs have been through, None where none
    are wired. ``certificate_days_left`` are those of the node's own certificates, None where it has none. ``state`` is
    the folder of the outbox.
    """

    reopened: Callable[[], int] = lambda: 0
    queue: Callable[[], Counts] | None = None
    backlog: Callable[[], messages.Backlog] = messages.Backlog
    status: Callable[[], Status | None] = lambda: None
    clock_bound_ms: Callable[[], float | None] = chrony_bound_ms
    inputs: Callable[[], messages.Inputs | None] = lambda: None
    certificate_days_left: Callable[[], float | None] = lambda: None
    state: Path = Path()


class Telemetry:
    """Tells the broker, and ``also`` where that is given, how the node is.

    In a ``with`` a thread tells it; without, ``frame`` does, as is enough for a recording. ``dropped`` counts live
    pictures that nobody took in time. ``checkpoints`` are those of the node's ledger; None where it has none of its
    own. ``live`` says that frames bear the monotonic clock's time, so that latencies mean something. Where neither an
    uplink nor ``also`` is given nothing is told.
    """

    def __init__(
        self,
        uplink: Uplink | None,
        approach: Approach,
        recorder: Recorder,
        dropped: Callable[[], int],
        checkpoints: Publisher | None = None,
        *,
        gauges: Gauges | None = None,
        deliveries: Deliveries | None = None,
        also: Told | None = None,
        live: bool = False,
    ) -> None:
        self._uplink = uplink
        self._checkpoints = checkpoints
        self._approach = approach
        self._recorder = recorder
        self._dropped = dropped
        self._gauges = gauges or Gauges()
        self._deliveries = deliveries or Deliveries()
        self._also = also
        self._live = live
        self._judged = Durations()
        self._frames = 0
        self._frame_s: float | None = None
        self._shown: dict[str, PhaseInterval] = {}
        self._faults: dict[str, Counter[str]] = {group: Counter() for group in approach.phases}
        self._ambers: dict[str, Counter[str]] = {group: Counter() for group in approach.phases}
        self._name = secrets.token_hex(8)
        self._number = 0
        self._start_s = self._told_s = time.monotonic()
        self._told_frames = 0
        self._telling = threading.Lock()
        self._over = threading.Event()
        self._worker = Worker("telemetry", self._run)

    def __enter__(self) -> Self:
        if self._is_told:
            self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._worker.join(_JOIN_S)

    def check(self) -> None:
        """NodeError where the thread has failed: a node that no longer says how it is must be started again."""
        self._worker.check()

    @property
    def _is_told(self) -> bool:
        return self._uplink is not None or self._also is not None

    @property
    def frames(self) -> int:
        """How many pictures have been judged so far."""
        return self._frames

    def frame(self, t_ns: int = 0) -> None:
        """One more frame, taken at ``t_ns``, has been judged; called in the main thread."""
        self._frames += 1
        self._frame_s = now_s = time.monotonic()
        if self._live:
            self._judged.add(time.monotonic_ns() - t_ns)
        for group, phases in self._approach.phases.items():
            shown = phases.current
            if shown != self._shown.get(group):
                self._shown[group] = shown
                self._say(group, shown)
        if self._checkpoints is not None:
            self._checkpoints.look(now_s)
        if not self._worker.is_alive and self._is_due:
            self.health()

    @property
    def _is_due(self) -> bool:
        return self._is_told and time.monotonic() - self._told_s >= HEALTH_EVERY_S

    def _say(self, group: str, shown: PhaseInterval) -> None:
        if shown.fault is not None:
            self._faults[group][shown.fault.value] += 1
        if shown.amber_ns is not None:
            self._ambers[group][_hundredths(shown.amber_ns)] += 1
        if self._uplink is not None and shown.phase is not Phase.UNKNOWN:
            self._uplink.send_signal(Signal(group, shown.phase, shown.start_ns / NS_PER_S, shown.fault))

    def health(self) -> None:
        """Tell now how the node is."""
        if not self._is_told:
            return
        with self._telling:
            health = self._health()
            if self._uplink is not None:
                self._uplink.send_health(health)
            if self._also is not None:
                self._also(health)

    def _run(self) -> None:
        noted = None
        while not self._over.wait(_LOOK_EVERY_S):
            now = self._notable()
            if now != noted or self._is_due:
                noted = now
                with suppress(StoplineError):  # an outbox that cannot be read now is asked again the next time
                    self.health()

    def _notable(self) -> tuple[object, ...]:
        """What is told at once when it changes."""
        status = self._gauges.status()
        state = None if status is None else (status.state, tuple(finding.check for finding in status.reasons))
        silent_s = self._silent_s()
        picture = "none yet" if silent_s is None else "silent" if silent_s > SILENT_AFTER_S else "comes"
        connected = self._uplink is not None and self._uplink.state.connected
        return state, self._lamp_faults(), picture, connected

    def _lamp_faults(self) -> tuple[tuple[str, Fault | None], ...]:
        return tuple((group, phases.current.fault) for group, phases in self._approach.phases.items())

    def _silent_s(self) -> float | None:
        frame_s = self._frame_s
        return None if frame_s is None else time.monotonic() - frame_s

    def _health(self) -> Health:
        uptime_s = round(time.monotonic() - self._start_s, 3)
        self._number += 1
        return Health(
            uptime_s,
            self._frame_counts(),
            arming=_arming(self._gauges.status()),
            latency=messages.Latency(self._judged.quantiles(), self._deliveries.durations.quantiles()),
            outbox=_outbox(self._gauges.queue),
            backlog=self._gauges.backlog(),
            machine=self._machine(),
            link=_link(self._uplink),
            inputs=self._gauges.inputs(),
            lamps={group: self._lamps(group) for group in self._approach.phases},
            passages=_by_verdict(self._recorder.verdicts),
            classes=_by_class(self._recorder.classes),
            unrecorded=self._recorder.unrecorded,
            disarmed=self._recorder.disarmed,
            duplicates=self._approach.duplicates,
            run=self._name,
            number=self._number,
        )

    def _frame_counts(self) -> messages.Frames:
        now_s, frames = time.monotonic(), self._frames
        elapsed_s, self._told_s = now_s - self._told_s, now_s
        fps = (frames - self._told_frames) / elapsed_s if elapsed_s > 0 else 0.0
        self._told_frames = frames
        silent_s = self._silent_s()
        return messages.Frames(
            frames,
            self._dropped(),
            self._approach.skipped,
            round(fps, 2),
            None if silent_s is None else round(silent_s, 2),
            self._gauges.reopened(),
        )

    def _machine(self) -> messages.Machine:
        bound_ms = self._gauges.clock_bound_ms() if self._live else None
        return messages.Machine(
            machine.temperature_c(),
            machine.throttling(),
            machine.disk_free_bytes(self._gauges.state),
            machine.memory_bytes(),
            None if bound_ms is None else round(bound_ms, 3),
            self._gauges.certificate_days_left(),
        )

    def _lamps(self, group: str) -> messages.Lamps:
        phases = self._approach.phases[group]
        current = phases.current
        minimum_ns = phases.times.min_amber_ns
        return messages.Lamps(
            current.phase,
            current.fault,
            dict(self._faults[group]),
            phases.glitches,
            phases.late_edges,
            dict(self._ambers[group]),
            None if minimum_ns is None else round(minimum_ns / NS_PER_S, 6),
        )


def _hundredths(amber_ns: int) -> str:
    """A length in seconds, cut and not rounded, so that one below a minimum stays below it."""
    return f"{min(amber_ns // _NS_PER_HUNDREDTH / 100, MOST_AMBER_S):.2f}"


def _arming(status: Status | None) -> messages.Arming | None:
    if status is None:
        return None
    checks = tuple(
        messages.Check(finding.check.value, finding.outcome.value, finding.words, finding.value)
        for finding in status.findings
    )
    for_s = round((time.monotonic_ns() - status.since_ns) / NS_PER_S, 1)
    return messages.Arming(status.state.value, for_s, checks)


def _outbox(queue: Callable[[], Counts] | None) -> messages.Queued:
    if queue is None:
        return messages.Queued()
    counts = queue()
    return messages.Queued(
        counts.pending, counts.refused, counts.sent, counts.open_cases, counts.waiting_bytes, counts.delivered
    )


def _link(uplink: Uplink | None) -> messages.Link:
    if uplink is None:
        return messages.Link()
    state = uplink.state
    return messages.Link(state.connected, state.connections, state.telemetry_dropped, state.refusal)


def _by_verdict(verdicts: Mapping[Verdict, int]) -> dict[str, int]:
    return {verdict.value: number for verdict, number in sorted(verdicts.items())}


def _by_class(classes: Mapping[tuple[VehicleClass, Verdict], int]) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for (vehicle_class, verdict), number in sorted(classes.items()):
        counted.setdefault(vehicle_class.value, {})[verdict.value] = number
    return counted
