"""The node's watch over itself: makes the checks, feeds the state machine, and tells each change of state.

A thread of its own makes all that takes time; the main thread hands over pictures and phases and asks whether a
violation may be recorded.
"""

from __future__ import annotations

import math
import secrets
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from edge import __version__, event, machine
from edge.clock import ClockWatch, monotonic_to_utc
from edge.commissioning import (
    Commissioned,
    Fitness,
    compare,
    compare_with_start,
    read_record,
    read_view,
    software_sha256,
)
from edge.errors import ConfigError, NodeError, OutboxError, StoplineError
from edge.health import (
    ArmingMachine,
    Change,
    CheckName,
    Finding,
    Outcome,
    Status,
    judge_clock,
    judge_disk,
    judge_phases,
    judge_temperature,
)
from edge.outbox import Message
from edge.picture_check import SMALL_PX, PictureCheck
from edge.records import NS_PER_S
from edge.view import ViewCheck
from edge.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.config import Health, Site
    from edge.keys import SigningKey
    from edge.outbox import Outbox
    from edge.phases import SignalPhases
    from edge.records import Frame, PhaseInterval

LOOK_EVERY_S: Final = 0.25
VIEW_EVERY_S: Final = 1.0  # a picture for the median
VIEW_OVER: Final = 7
VIEW_FIRST: Final = 2  # pictures that do for a first answer
_CLOCK_EVERY_S = 2.0
_MACHINE_EVERY_S = 5.0
_FILES_EVERY_S = 60.0
_JOIN_S = 15.0
# The checks are weighed four times a second. Where that stands still (a disk that hangs, a program that does not
# answer) nothing is known: first no violation is recorded any more, then the node ends, to be started again.
STALE_S: Final = 10.0
STUCK_S: Final = 60.0
_NS_PER_MS = 1_000_000
_MB = 1_000_000

NEEDED: Final = tuple(check for check in CheckName if check is not CheckName.LAMP_AGREEMENT)


def grey(frame: Frame) -> NDArray[uint8]:
    """A frame's picture as the checks look at it: (height, width) of ``SMALL_PX``, the view too."""
    small = frame.picture.scaled(SMALL_PX).astype(np.uint16)
    return ((small[:, :, 0] + 2 * small[:, :, 1] + small[:, :, 2]) // 4).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the checks look at. ``fitness`` gives the hashes as they are now; it is asked now and then.

    ``site`` is what the node judges by, whatever its file says by now. ``outbox_full`` says why the outbox would not
    take one more case, as the rest of a sentence; None where it would.
    """

    site: Site
    node: str
    state: Path
    key: SigningKey
    limits: Health
    fitness: Callable[[], Fitness]
    self_test: Callable[[], Finding]
    clock_bound_ms: Callable[[], float | None] = field(default_factory=lambda: ClockWatch().bound_ms)
    lamp_agreement: Callable[[], Finding] | None = None
    outbox_full: Callable[[], str | None] = lambda: None


class Arming:
    """Runs from ``with`` on. ``tell`` is called with each change, on whichever thread it happens.

    Where the checks stand still nothing is recorded after ``stale_s``, and ``check`` fails after ``stuck_s``.
    """

    def __init__(
        self,
        watched: Watched,
        tell: Callable[[Change, Commissioned | None], None],
        *,
        stale_s: float = STALE_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._watched = watched
        self._tell = tell
        checks = [*NEEDED, *([CheckName.LAMP_AGREEMENT] if watched.lamp_agreement else [])]
        self._machine = ArmingMachine(checks, time.monotonic_ns())
        self._lock = threading.Lock()
        self._picture = PictureCheck()
        self._view: ViewCheck | None = None
        self._greys: deque[NDArray[uint8]] = deque(maxlen=VIEW_OVER)
        self._frame: Frame | None = None
        self._frame_ns: int | None = None
        self._look_ns = 0
        self._groups = sorted({lane.signal_group for lane in watched.site.lanes})
        self._shown: dict[str, PhaseInterval] = {}
        self._due_s: dict[str, float] = {}
        self._clock_ms: float | None = None
        self.commissioned: Commissioned | None = None
        self._begun: Fitness | None = None
        self._stale_s = stale_s
        self._stuck_s = stuck_s
        self._looked_ns = time.monotonic_ns()
        self._over = threading.Event()
        self._worker = Worker("arming", self._run)

    def __enter__(self) -> Self:
        self._report(self._watched.self_test())
        self._check_files()
        self._check_clock()
        self._check_machine()
        self._step()
        self._looked_ns = time.monotonic_ns()
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Watch no more, since the video has ended as it was asked to; harmless when done twice."""
        self._over.set()
        self._worker.join(_JOIN_S)

    def check(self) -> None:
        """NodeError where the watch has failed or stands still: without it nobody knows whether the node may record."""
        self._worker.check()
        if self._worker.is_alive and self._unlooked_s > self._stuck_s:
            raise NodeError(
                f"the node's checks have not been made for {self._stuck_s:.0f} s: look at its disk, and start it again"
            )

    @property
    def _unlooked_s(self) -> float:
        return (time.monotonic_ns() - self._looked_ns) / NS_PER_S

    @property
    def status(self) -> Status:
        """How things stand; may be asked from any thread."""
        with self._lock:
            return self._machine.status

    @property
    def clock_bound_ms(self) -> float | None:
        """What chrony said last, so that nobody has to ask it again."""
        return self._clock_ms

    def frame(self, frame: Frame, phases: Mapping[str, SignalPhases]) -> None:
        """One more picture and what the signal groups show; called in the main thread, and cheap."""
        now_ns = time.monotonic_ns()
        self._frame_ns = now_ns
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + round(LOOK_EVERY_S * NS_PER_S)
            self._frame = frame
        shown = {group: phases[group].current for group in self._groups}
        if shown != self._shown:
            self._shown = shown
            self._report(judge_phases({group: tuple(phases[group].intervals) for group in self._groups}))
            self._step()

    def may_record(self, t_cross_ns: int) -> bool:
        """Whether the node has been armed all the time since a crossing, as far as the checks have been made."""
        if self._worker.error is not None or self._unlooked_s > self._stale_s:
            return False
        with self._lock:
            return self._machine.armed_throughout(t_cross_ns, time.monotonic_ns())

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._look()
            for name, every_s, check in (
                ("clock", _CLOCK_EVERY_S, self._check_clock),
                ("machine", _MACHINE_EVERY_S, self._check_machine),
                ("files", _FILES_EVERY_S, self._check_files),
            ):
                if self._is_due(name, every_s):
                    check()
            self._step()
            self._looked_ns = time.monotonic_ns()

    def _is_due(self, name: str, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._due_s.setdefault(name, now_s + every_s):
            return False
        self._due_s[name] = now_s + every_s
        return True

    def _look(self) -> None:
        """Look at the newest picture, if there is a new one, and at how long ago one came."""
        frame, self._frame = self._frame, None
        now_ns = time.monotonic_ns()
        if frame is not None:
            small = grey(frame)
            self._picture.look(small, now_ns)
            if not self._greys or self._is_due("view", VIEW_EVERY_S):
                self._greys.append(small)
                self._check_view()
        self._report(self._picture.finding(self._frame_ns, now_ns))
        if self._watched.lamp_agreement is not None:
            self._report(self._watched.lamp_agreement())

    def _check_view(self) -> None:
        if self._view is not None and len(self._greys) >= VIEW_FIRST:
            self._report(self._view.finding(list(self._greys)))

    def _check_clock(self) -> None:
        self._clock_ms = self._watched.clock_bound_ms()
        self._report(judge_clock(self._clock_ms, self._watched.limits.clock_bound_ms))

    def _check_machine(self) -> None:
        self._report(self._disk())
        self._report(judge_temperature(machine.temperature_c(), self._watched.limits.temperature_c))

    def _disk(self) -> Finding:
        free = machine.disk_free_bytes(self._watched.state)
        free_mb = None if free is None else free / _MB
        try:
            full = self._watched.outbox_full()
        except OutboxError as error:
            return Finding(CheckName.DISK, Outcome.NOT_OK, f"The outbox cannot be asked: {error}.", free_mb)
        return judge_disk(free_mb, self._watched.limits.disk_free_mb, full)

    def _check_files(self) -> None:
        """Hold what there is against the record; a record that does not verify counts as none.

        Lines that were moved and commissioned beside a node at work are good only once it has read them itself.
        """
        watched = self._watched
        try:
            files = watched.fitness()
            if self._begun is None:
                self._begun = replace(files, site_sha256=watched.site.sha256)
            record = read_record(watched.state, watched.key)
            view, view_sha256 = read_view(watched.state)
            if self._view is None or self.commissioned != record:
                self._view = ViewCheck(view, watched.site.camera.size_px, watched.limits.view_shift_px)
            self.commissioned = record
            now = replace(files, view_sha256=view_sha256)
            finding = compare(record, watched.site.site.id, watched.node, now)
            if finding.outcome is Outcome.OK:
                finding = compare_with_start(self._begun, now) or finding
        except ConfigError as error:
            self.commissioned = None
            finding = Finding(CheckName.COMMISSIONING, Outcome.NOT_OK, f"The node is not commissioned. {error}.")
        except OSError as error:
            words = f"The installed software cannot be read ({error.strerror}): look at the disk."
            finding = Finding(CheckName.COMMISSIONING, Outcome.NOT_OK, words)
        self._report(finding)

    def _report(self, finding: Finding) -> None:
        with self._lock:
            self._machine.report(finding, time.monotonic_ns())

    def _step(self) -> None:
        with self._lock:
            change = self._machine.step(time.monotonic_ns())
            if change is not None:  # told within the lock, so that changes are told in their order
                self._tell(change, self.commissioned)


class StateEvents:
    """Makes each change of state a signed event with a place in the ledger, and says it on stderr."""

    def __init__(
        self,
        outbox: Outbox,
        key: SigningKey,
        topic: str,
        source: str,
        origin: Mapping[str, str],
    ) -> None:
        self._outbox = outbox
        self._key = key
        self._topic = topic
        self._source = source
        self._origin = origin

    def tell(self, change: Change, commissioned: Commissioned | None) -> None:
        """Queue the event; where the outbox cannot take it, say so and go on: the state holds all the same."""
        sys.stderr.write(f"The node is {change.state.value}. {change.words}\n")
        try:
            self._outbox.append_numbered(lambda sequence: self._message(change, commissioned, sequence), of_state=True)
        except StoplineError as error:
            sys.stderr.write(f"A change of state could not be recorded: {error}\n")

    def _message(self, change: Change, commissioned: Commissioned | None, sequence: int) -> Message:
        document = self._document(change, commissioned, sequence)
        return Message(document["id"], self._topic, event.CONTENT_TYPE, event.sign(document, self._key))

    def _document(self, change: Change, commissioned: Commissioned | None, sequence: int) -> dict[str, Any]:
        bound_ms = next((one.value for one in change.findings if one.check is CheckName.CLOCK), None)
        utc = monotonic_to_utc(bound_ms)
        unix_ns = utc.utc_zero_ns + change.t_ns
        return {
            "specversion": "1.0",
            "id": event.uuid7(max(0, unix_ns) // _NS_PER_MS, secrets.token_bytes(10)),
            "source": self._source,
            "type": event.STATE_TYPE,
            "subject": "arming",
            "time": event.rfc3339(unix_ns),
            "datacontenttype": "application/json",
            "dataschema": event.STATE_SCHEMA,
            "sequence": f"{sequence:016d}",
            "data": {
                "state": change.state.value,
                "previous": None if change.previous is None else change.previous.value,
                "reason": change.words,
                "t_s": event.instant(change.t_ns),
                "clock": {"utc_bound_ms": event.rounded(utc.bound_ms, 3)},
                "checks": [_check(finding) for finding in change.findings],
                "origin": dict(self._origin),
                "commissioned": None
                if commissioned is None
                else {"sha256": commissioned.sha256, "by": commissioned.by, "at": commissioned.at},
                "nonce": secrets.token_hex(16),
            },
        }


def _check(finding: Finding) -> dict[str, Any]:
    value = finding.value
    return {
        "check": finding.check.value,
        "outcome": finding.outcome.value,
        "words": finding.words[:2000],
        "value": None if value is None or not math.isfinite(value) else round(value, 3),
    }


def fitness_now(site_sha256: Callable[[], str], model_sha256: str) -> Callable[[], Fitness]:
    """How the hashes are taken each time; that of the view is put in by whoever has the view."""
    return lambda: Fitness(site_sha256(), model_sha256, __version__, software_sha256(), "")
