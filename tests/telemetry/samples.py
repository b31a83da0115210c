"""Health at its emptiest and at its fullest: with every field, check, fault, verdict and class that there is."""

from __future__ import annotations

from edge.health import CheckName, Outcome
from edge.latency import Quantiles
from edge.machine import limits_of
from edge.messages import Arming, Backlog, Check, Frames, Health, Inputs, Lamps, Latency, Link, Machine, Queued
from edge.records import Fault, Phase, VehicleClass, Verdict

RUN = "00112233445566ff"
LEAST = Health(0.0, Frames(0, 0, 0, 0.0, None), run=RUN, number=1)
MOST = Health(
    60.5,
    Frames(1500, 2, 1, 24.98, 0.04, 3),
    Arming(
        "disarmed",
        12.5,
        tuple(Check(name, tuple(Outcome)[number % 3], "Some words.", 1.5) for number, name in enumerate(CheckName)),
    ),
    Latency(Quantiles(1500, 60.1, 80.2, 95.3), Quantiles(3, 7010.1, 7211.2, 7211.2)),
    Queued(1, 2, 3, 4, 50_000, 6),
    Backlog(1, 2, 3),
    Machine(61.5, limits_of(0xF000F), 10**10, 10**8, 1.25, 29.5),
    Link(
        connected=True,
        connections=2,
        telemetry_dropped=1,
        refusal="The broker refuses messages on a/b (Not authorized): they are kept; correct its permissions",
    ),
    Inputs(1000, 1, 2, 3.5),
    {"north": Lamps(Phase.FAULT, Fault.DARK, {fault.value: 1 for fault in Fault}, 2, 1, {"2.98": 1, "3.00": 40}, 3.0)},
    {verdict.value: 2 for verdict in Verdict},
    {kind.value: {verdict.value: 2 for verdict in Verdict} for kind in VehicleClass if kind is not VehicleClass.PERSON},
    1,
    3,
    2,
    RUN,
    7,
)
