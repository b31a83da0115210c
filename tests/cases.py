"""A violation with every field filled, for the tests of the event, the uplink and their documents."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.config import Site
from edge.event import Clock, EvidenceRef, Origin, ViolationCase, build, with_evidence
from edge.keys import FileKey
from edge.records import Judgement, Lamp, LampEdge, Passage, Phase, TrackPoint, VehicleClass, Verdict

EVENT_ID = "01976f3e-5a10-7c3b-9d52-3f8a1c6e2b47"
NONCE = bytes(range(16))
UTC_ZERO_NS = 1_749_880_800_000_000_000  # 2025-06-14 06:00 UTC

SITE = Site.model_validate(
    {
        "schema": 1,
        "site": {"id": "main-and-3rd"},
        "camera": {"size_px": [640, 352]},
        "signal_groups": [{"id": "north", "min_amber_s": 3.0}],
        "lanes": [
            {
                "id": "through",
                "signal_group": "north",
                "stop_line_px": [[110, 137], [495, 178]],
                "confirm_line_px": [[110, 122], [495, 157]],
                "direction": [0.73, -0.68],
                "contact": "rear",
            }
        ],
    }
).model_copy(update={"sha256": "5b" * 32})

EVIDENCE = EvidenceRef("b0" * 32, 1_843_200, "5e" * 32, 1_843_912, "age", 8)
ORIGIN = Origin(node="edge-1", software="0.1.0", model_sha256="a7" * 32)


def signing_key(secret: int = 0x5EED) -> FileKey:
    """A key for tests and for the example in the documents, the same every time; never use it for anything else."""
    private = ec.derive_private_key(secret, ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return FileKey.from_pem(pem)


def track(frames: int = 11, start_ns: int = 41_300_000_000) -> tuple[TrackPoint, ...]:
    """A vehicle that drives away over stop line and confirm line, seen 10 times a second."""
    return tuple(
        TrackPoint(
            t_ns=start_ns + index * 100_000_000,
            box_px=(214.0 + 4.65 * index, 117.0 - 4.4 * index, 275.0 + 4.2 * index, 177.25 - 4.3 * index),
            score=0.8125 + 0.01 * (index % 5),
        )
        for index in range(frames)
    )


def lamps() -> tuple[LampEdge, ...]:
    """Green, 3.2 s of amber, red, as a timeline records them; and a lamp of another signal group."""
    return (
        LampEdge(-1_000_000_000, "north", Lamp.RED, lit=False),
        LampEdge(-1_000_000_000, "north", Lamp.AMBER, lit=False),
        LampEdge(-1_000_000_000, "north", Lamp.GREEN, lit=True),
        LampEdge(-1_000_000_000, "east", Lamp.RED, lit=True),
        LampEdge(36_400_000_000, "north", Lamp.GREEN, lit=False),
        LampEdge(36_400_000_000, "north", Lamp.AMBER, lit=True),
        LampEdge(39_600_000_000, "north", Lamp.AMBER, lit=False),
        LampEdge(39_600_000_000, "north", Lamp.RED, lit=True),
    )


def case(frames: int = 11) -> ViolationCase:
    """A car that crosses 2.24 s into red, 1.49 s of which are beyond doubt; the node's own figures for this track."""
    passage = Passage(
        lane="through",
        track=7,
        vehicle_class=VehicleClass.CAR,
        t_cross_ns=41_843_392_428,
        uncertainty_ns=185_017_304,
        t_confirm_ns=42_214_934_751,
        speed_mps=None,
        cross_px=(268.545208041, 153.884035124),
        points=track(frames),
    )
    judgement = Judgement(
        verdict=Verdict.VIOLATION,
        phase=Phase.RED,
        fault=None,
        red_elapsed_s=2.243392428,
        red_at_least_s=1.494982696,
        deductions_s={"crossing": 0.185017304, "lamp": 0.02, "clock": 0.0, "rear_margin": 0.543392428},
        amber_s=3.2,
    )
    return ViolationCase(passage, judgement, lamps(), SITE, ORIGIN, Clock(UTC_ZERO_NS, 12.5))


def without_utc(violation: ViolationCase) -> ViolationCase:
    """The same case from a recording whose place in UTC is not known."""
    return replace(violation, clock=Clock())


def unsigned(sequence: int = 1, frames: int = 11) -> dict[str, object]:
    """The event of ``case`` with its evidence, not signed."""
    return with_evidence(build(case(frames), event_id=EVENT_ID, nonce=NONCE, sequence=sequence), EVIDENCE)
