"""Health as Prometheus reads it, for the textfile collector of node_exporter.

The text exposition format 0.0.4; names and units as Prometheus recommends: base units, counters end in ``_total``.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edge.latency import Quantiles
    from edge.messages import Health

_MODE = 0o644  # node_exporter runs as a user of its own
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Sample:
    """One value with what tells it from others of its name."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name, which goes without the prefix ``stopline_``."""

    name: str
    kind: str
    words: str
    samples: tuple[Sample, ...]


class PrometheusFile:
    """A file that is replaced whole each time, so that it is never read half written. ConfigError where it cannot be.

    ``labels`` are those of every sample: the site and the node.
    """

    def __init__(self, path: Path, labels: Mapping[str, str]) -> None:
        self._path = path
        self._labels = dict(labels)
        self.failures = 0

    def check(self) -> None:
        """Raise ConfigError where the file could not be made."""
        if self._path.suffix != ".prom":
            raise ConfigError(f"telemetry.prometheus is {self._path}: node_exporter reads only names that end in .prom")
        try:
            self._replace(b"")
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be written ({error.strerror}): set telemetry.prometheus to a file in a folder "
                "that this user may write"
            ) from None

    def __call__(self, health: Health) -> None:
        """Write it. A disk that is full is told by health itself, so a failure here is counted and passed over."""
        try:
            self._replace(exposition(health, self._labels).encode())
        except OSError:
            self.failures += 1

    def remove(self) -> None:
        """Take the file away, so that a node that has ended is not taken for one at work."""
        with suppress(OSError):
            self._path.unlink()

    def _replace(self, text: bytes) -> None:
        handle, passing = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
                os.fchmod(file.fileno(), _MODE)
            Path(passing).replace(self._path)
        except BaseException:
            with suppress(OSError):
                Path(passing).unlink()
            raise


def exposition(health: Health, labels: Mapping[str, str]) -> str:
    """The text. No sample bears a time, as the textfile collector demands."""
    lines = []
    for family in families(health):
        if family.samples:
            lines += [f"# HELP stopline_{family.name} {family.words}", f"# TYPE stopline_{family.name} {family.kind}"]
            lines += [_line(family.name, sample, labels) for sample in family.samples]
    return "\n".join(lines) + "\n"


def families(health: Health) -> Iterator[Family]:
    """What is told, name by name."""
    yield _gauge("uptime_seconds", "How long the node has run.", health.uptime_s)
    yield from _of_arming(health)
    yield from _of_frames(health)
    yield from _of_queues(health)
    yield from _of_machine(health)
    yield from _of_lamps(health)
    passages = tuple(
        Sample(number, {"class": kind, "verdict": verdict})
        for kind, verdicts in health.classes.items()
        for verdict, number in verdicts.items()
    )
    yield Family("passages_total", "counter", "Passages by class of vehicle and verdict.", passages)
    yield _counter("duplicate_passages_total", "Passages of a second box on one vehicle.", health.duplicates)
    yield _counter("disarmed_violations_total", "Violations while disarmed, not kept.", health.disarmed)
    yield _counter("unrecorded_violations_total", "Violations that the disk had no room for.", health.unrecorded)


def _of_arming(health: Health) -> Iterator[Family]:
    if health.arming is None:
        return
    yield _gauge("armed", "Whether violations are recorded.", float(health.arming.state == "armed"))
    checks = tuple(Sample(float(one.outcome == "ok"), {"check": one.check}) for one in health.arming.checks)
    yield Family("check_ok", "gauge", "Whether a check lets the node be armed.", checks)


def _of_frames(health: Health) -> Iterator[Family]:
    frames, latency = health.frames, health.latency
    yield _counter("frames_judged_total", "Frames that were judged.", frames.judged)
    yield _counter("frames_dropped_total", "Frames of a live camera that came too fast.", frames.dropped)
    yield _counter("frames_skipped_total", "Frames that were not later than the one before.", frames.skipped)
    yield _counter("camera_reopened_total", "How often the camera was lost and opened anew.", frames.reopened)
    yield _gauge("frames_per_second", "Frames judged a second of late.", frames.fps)
    yield _gauge("silent_seconds", "How long ago the last frame was judged.", frames.silent_s)
    stages = {"judged": latency.judged, "delivered": latency.delivered}
    samples = tuple(one for stage, found in stages.items() if found is not None for one in _quantiles(stage, found))
    yield Family("latency_seconds", "summary", "From a frame until it is judged, or its event delivered.", samples)


def _quantiles(stage: str, found: Quantiles) -> Iterator[Sample]:
    for quantile, value_ms in (("0.5", found.p50_ms), ("0.95", found.p95_ms), ("0.99", found.p99_ms)):
        yield Sample(value_ms / 1000, {"stage": stage, "quantile": quantile})
    yield Sample(found.count, {"stage": stage}, "_count")


def _of_queues(health: Health) -> Iterator[Family]:
    outbox, backlog, link = health.outbox, health.backlog, health.link
    states = {"pending": outbox.pending, "refused": outbox.refused, "sent": outbox.sent}
    yield _by("outbox_messages", "gauge", "Messages in the outbox.", "state", states)
    yield _gauge("outbox_bytes", "Bytes of the messages in the outbox.", outbox.bytes)
    yield _gauge("open_cases", "Violations whose evidence is being made.", outbox.open_cases)
    yield _counter("delivered_messages_total", "Messages that have ever been delivered.", outbox.delivered)
    waiting = {"prepared": backlog.prepared, "inferred": backlog.inferred, "evidence": backlog.evidence}
    yield _by("backlog", "gauge", "Frames and cases that wait between the stages.", "stage", waiting)
    yield _gauge("broker_connected", "Whether the broker is connected.", float(link.connected))
    yield _counter("broker_connections_total", "Connections to the broker.", link.connections)
    yield _counter("telemetry_dropped_total", "Telemetry that found no room.", link.telemetry_dropped)


def _of_machine(health: Health) -> Iterator[Family]:
    machine = health.machine
    bound_s = None if machine.clock_bound_ms is None else machine.clock_bound_ms / 1000
    left_s = None if machine.certificate_days_left is None else machine.certificate_days_left * _DAY_S
    yield _gauge("temperature_celsius", "Of the hottest sensor.", machine.temperature_c)
    yield _gauge("disk_free_bytes", "On the disk of the outbox.", machine.disk_free_bytes)
    yield _gauge("resident_memory_bytes", "Of this process.", machine.memory_bytes)
    yield _gauge("clock_bound_seconds", "Greatest error of the clock by chrony's reckoning.", bound_s)
    yield _gauge("certificate_left_seconds", "Until the first of the node's certificates ends.", left_s)
    limits = dict.fromkeys(machine.throttling or (), 1.0)
    yield _by("throttling", "gauge", "What slows the machine down now, or has (had_).", "limit", limits)


def _of_lamps(health: Health) -> Iterator[Family]:
    lamps = health.lamps.items()
    phases = tuple(Sample(1.0, {"group": group, "phase": one.phase.value}) for group, one in lamps)
    yield Family("signal_phase", "gauge", "The phase that a signal group shows.", phases)
    faults = tuple(
        Sample(number, {"group": group, "fault": fault}) for group, one in lamps for fault, number in one.faults.items()
    )
    yield Family("lamp_faults_total", "counter", "Faults of a signal group that began.", faults)
    glitches = {group: one.glitches for group, one in lamps}
    yield _by("lamp_glitches_total", "counter", "Pulses too short for a lamp.", "group", glitches)
    inputs = health.inputs
    if inputs is not None:
        yield _counter("input_edges_total", "Edges of the wired lamp inputs.", inputs.edges)
        yield _counter("input_unseen_total", "Changes of a lamp input that came without an edge.", inputs.unseen)
        yield _counter("input_overruns_total", "Times that edges of an input may have been lost.", inputs.overruns)
        yield _gauge("input_slowest_seconds", "The longest that an edge waited to be read.", inputs.slowest_ms / 1000)
    late = {group: one.late_edges for group, one in lamps}
    yield _by("lamp_late_edges_total", "counter", "Edges that came too late to count.", "group", late)


def _gauge(name: str, words: str, value: float | None) -> Family:
    return Family(name, "gauge", words, () if value is None else (Sample(value, {}),))


def _counter(name: str, words: str, value: int) -> Family:
    return Family(name, "counter", words, (Sample(value, {}),))


def _by(name: str, kind: str, words: str, label: str, values: Mapping[str, float]) -> Family:
    return Family(name, kind, words, tuple(Sample(value, {label: key}) for key, value in values.items()))


def _line(name: str, sample: Sample, labels: Mapping[str, str]) -> str:
    told = ",".join(f'{label}="{_escaped(value)}"' for label, value in {**labels, **sample.labels}.items())
    return f"stopline_{name}{sample.suffix}{{{told}}} {sample.value:.12g}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
