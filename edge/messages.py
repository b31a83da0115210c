"""What a node says of itself: birth, health and signal, as they stand in JSON.

No identity, no picture, no track of anybody is in any of them. docs/telemetry.md tells them field by field.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.latency import Quantiles
    from edge.records import Fault, Phase


@dataclass(frozen=True, slots=True)
class Birth:
    """What runs on the node: said at every connection, retained. ``kid`` names the key that signs its events."""

    software: str
    model_sha256: str
    site_sha256: str
    kid: str


@dataclass(frozen=True, slots=True)
class Signal:
    """A phase that a signal group entered at ``t_s`` on the node's own clock."""

    group: str
    phase: Phase
    t_s: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What one check of the arming state found; ``outcome`` is ok, not_ok or unknown."""

    check: str
    outcome: str
    words: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Arming:
    """Whether violations are recorded, for how long it has been so, and each check; what is not ok is the reason."""

    state: str
    for_s: float
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Frames:
    """Pictures: judged and dropped since the start, and at what rate they were judged since the last message.

    ``silent_s`` is how long ago the last one was judged, None before the first. ``skipped`` were not later than the one
    before. ``reopened`` is how often the camera was lost and opened anew.
    """

    judged: int
    dropped: int
    skipped: int
    fps: float
    silent_s: float | None
    reopened: int = 0


@dataclass(frozen=True, slots=True)
class Latency:
    """From when a picture was taken: until it was judged, and until the broker had the event that it completes."""

    judged: Quantiles | None = None
    delivered: Quantiles | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """What lies in the outbox: messages that wait, were refused, await a receipt; cases without their evidence yet."""

    pending: int = 0
    refused: int = 0
    sent: int = 0
    open_cases: int = 0
    bytes: int = 0
    delivered: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many pictures wait for the detector and for judgement, and how many cases for their evidence."""

    prepared: int = 0
    inferred: int = 0
    evidence: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer: None where it does not tell.

    ``certificate_days_left`` are those of the node's own certificate that ends first, less than 0 where it has ended.
    """

    temperature_c: float | None = None
    throttling: tuple[str, ...] | None = None
    disk_free_bytes: int | None = None
    memory_bytes: int | None = None
    clock_bound_ms: float | None = None
    certificate_days_left: float | None = None


@dataclass(frozen=True, slots=True)
class Lamps:
    """A signal group now, and what was met since the start.

    ``faults`` counts how often each fault began, ``glitches`` pulses too short for a lamp, ``late_edges`` edges that
    came too late to count. ``ambers`` counts the ambers that led into a red by their length: seconds, cut to the
    hundredth, 10 at most. ``min_amber_s`` is the lawful minimum that the site file gives, None where it gives none.
    """

    phase: Phase
    fault: Fault | None
    faults: Mapping[str, int] = field(default_factory=dict)
    glitches: int = 0
    late_edges: int = 0
    ambers: Mapping[str, int] = field(default_factory=dict)
    min_amber_s: float | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the wired lamp inputs have been through; ``edge.sources.gpio.GpioCounts`` says what each is."""

    edges: int
    unseen: int
    overruns: int
    slowest_ms: float


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to the broker since the start; ``refusal`` is what the broker last refused, None where nothing."""

    connected: bool = False
    connections: int = 0
    telemetry_dropped: int = 0
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the node is, and its counters since it started.

    ``arming`` is None where a recording is replayed, ``inputs`` where no lamp is wired. ``passages`` counts by verdict,
    the basis of a public report; ``classes`` by class of vehicle, and in it by verdict. ``unrecorded`` counts
    violations that the disk had no room for, ``disarmed`` those of which nothing was kept since the node was disarmed,
    ``duplicates`` second boxes on one vehicle. ``run`` is drawn by lot at the node's start and tells one start from the
    next; ``number`` counts such messages from 1 since then, so that a missing one shows.
    """

    uptime_s: float
    frames: Frames
    arming: Arming | None = None
    latency: Latency = Latency()
    outbox: Queued = Queued()
    backlog: Backlog = Backlog()
    machine: Machine = Machine()
    link: Link = Link()
    inputs: Inputs | None = None
    lamps: Mapping[str, Lamps] = field(default_factory=dict)
    passages: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unrecorded: int = 0
    disarmed: int = 0
    duplicates: int = 0
    run: str = ""
    number: int = 0


def encoded(message: Birth | Signal | Health) -> bytes:
    """The message as it is sent: JSON in UTF-8, its keys in order."""
    return json.dumps(asdict(message), separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
