"""Lamps that the mains chop, from the edges on their wires to the check of the event: it follows in long cycles too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge import event, verify
from edge.approach import Approach
from edge.config import Site
from edge.evidence.subject import Subject
from edge.records import Lamp, Verdict
from edge.tracker import TrackerSettings
from edge.verify import Outcome
from tests.cases import EVENT_ID, NONCE, ORIGIN, signing_key
from tests.core import motion as m
from tests.core.mains import (
    FULL_WAVE_50_HZ,
    FULL_WAVE_60_HZ,
    HALF_WAVE_50_HZ,
    HALF_WAVE_60_HZ,
    edges_of,
    sparks_every,
)
from tests.core.motion import MS, Motion, S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.approach import Judged
    from edge.records import LampEdge
    from tests.core.mains import Mains

KEY = signing_key()
KEYS = dict([verify.load_key(KEY.public.pem)])
SITE = Site.model_validate(
    {
        "schema": 1,
        "site": {"id": "main-and-3rd"},
        "camera": {"size_px": [640, 352]},
        "signal_groups": [{"id": "north", "min_amber_s": 2.98}],
        "lanes": [
            {
                "id": "through",
                "signal_group": "north",
                "stop_line_px": [[220, 200], [420, 200]],
                "confirm_line_px": [[220, 140], [420, 140]],
                "direction": [0, -1],
                "contact": "front",
            }
        ],
    }
).model_copy(update={"sha256": "5b" * 32})
FRAME_NS = 40 * MS
AMBER_S = 3
SHAPES = {
    "steady": None,
    "full waves of 50 Hz": FULL_WAVE_50_HZ,
    "full waves of 60 Hz": FULL_WAVE_60_HZ,
    "half-waves of 50 Hz": HALF_WAVE_50_HZ,
    "half-waves of 60 Hz": HALF_WAVE_60_HZ,
}
SPARKS = {Lamp.AMBER: 250 * MS, Lamp.GREEN: 750 * MS}


def cycle(length_s: int, red_s: int) -> list[tuple[str, int]]:
    """Green, 3 s of amber, red, a second of red and amber; begun by the green."""
    return [("g", (length_s - AMBER_S - red_s - 1) * S), ("a", AMBER_S * S), ("r", red_s * S), ("ra", S)]


def crossed(edges: Sequence[LampEdge], t_ns: int) -> Judged:
    """What the node makes of a vehicle that crosses at an instant, with 25 pictures a second."""
    approach = Approach(SITE, TrackerSettings(), trust_start=False)
    vehicle, enters_ns = Motion(m.steady(100.0)), t_ns - 1400 * MS
    queue, results = iter(edges), []
    edge = next(queue, None)
    for frame_ns in range(0, t_ns + 4 * S, FRAME_NS):
        while edge is not None and edge.t_ns <= frame_ns:
            approach.lamp(edge)
            edge = next(queue, None)
        there = 0 <= frame_ns - enters_ns < 3200 * MS
        results += approach.frame(frame_ns, [m.detection(vehicle.box((frame_ns - enters_ns) / S))] if there else [])
    (result,) = results
    return result


def document_of(judged: Judged) -> dict[str, Any]:
    """The event of a violation, not signed."""
    case = event.ViolationCase(judged.passage, judged.judgement, judged.lamps, SITE, ORIGIN)
    return event.build(case, event_id=EVENT_ID, nonce=NONCE, sequence=1)


def subject_of(judged: Judged) -> Subject:
    """What the pictures of its evidence are chosen by."""
    return Subject.of(document_of(judged))


def checked(judged: Judged) -> dict[str, Any]:
    """The data of a violation's event, in which the verifier has found nothing that does not follow."""
    assert judged.judgement.verdict is Verdict.VIOLATION
    raw = event.sign(document_of(judged), KEY)
    report = verify.check(raw, KEYS)
    odd = [finding.words for finding in report.findings if finding.outcome is not Outcome.RECOMPUTED]
    assert odd == ["The node made no evidence bundle for this event."]
    data: dict[str, Any] = report.event["data"]
    assert data["omitted"]["lamps"] == 0
    return data


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    ("length_s", "red_s", "into_s"),
    [(48, 24, 3.5), (73, 40, 21.0), (88, 64, 3.5), (88, 64, 60.0), (180, 90, 85.0)],
)
def test_the_event_follows_however_long_the_cycle(
    shape: Mains | None, length_s: int, red_s: int, into_s: float
) -> None:
    stretches = [*cycle(length_s, red_s), *cycle(length_s, red_s)]
    edges, end_ns = edges_of(stretches, dict.fromkeys(Lamp, shape))
    onset_ns = end_ns - S - red_s * S
    data = checked(crossed(edges, onset_ns + round(into_s * S)))
    dark_s = 0.0 if shape is None else shape.dark_ns / S
    assert data["red_time"]["elapsed_s"] == pytest.approx(into_s, abs=dark_s + 0.002)
    assert AMBER_S - 2 * dark_s - 1e-6 <= data["amber"]["measured_s"] <= AMBER_S
    assert len(data["lamps"]) <= 12


@pytest.mark.parametrize("shape", [FULL_WAVE_50_HZ, HALF_WAVE_50_HZ], ids=["full waves", "half-waves"])
def test_the_longest_red_with_sparks_on_the_dark_lamps_fits_whole(shape: Mains) -> None:
    """Ten minutes but for a moment, and on either dark lamp a spark of 5 ms each second, day in, day out."""
    stretches = [*cycle(640, 598), *cycle(640, 598)]
    whole_ns = 2 * 640 * S
    sparks = {lamp: sparks_every(S, 5 * MS, after_ns, whole_ns) for lamp, after_ns in SPARKS.items()}
    edges, end_ns = edges_of(stretches, dict.fromkeys(Lamp, shape), sparks=sparks)
    judged = crossed(edges, end_ns - 3 * S)
    data = checked(judged)
    assert data["red_time"]["elapsed_s"] > 595
    assert 2 * 595 < len(data["lamps"]) < event.MAX_ROWS


def test_what_has_no_room_is_counted_and_the_check_says_so() -> None:
    """A lamp that sparks 25 times a second for minutes: such an event cannot be whole, and does not claim to be."""
    stretches = [*cycle(180, 140), *cycle(180, 140)]
    sparks = {Lamp.GREEN: sparks_every(40 * MS, 5 * MS, 220 * S, 355 * S)}
    edges, end_ns = edges_of(stretches, dict.fromkeys(Lamp, FULL_WAVE_50_HZ), sparks=sparks)
    judged = crossed(edges, end_ns - 6 * S)
    document = document_of(judged)
    assert document["data"]["omitted"]["lamps"] > 0
    words = [finding.words for finding in verify.check(event.sign(document, KEY), KEYS).findings]
    assert "The event had to leave out its oldest rows, which the verdict may rest on." in words


@pytest.mark.parametrize("after_ms", range(0, 40, 3))
def test_red_is_seen_to_be_lit_at_the_confirm_line_in_whichever_half_wave(after_ms: int) -> None:
    edges, end_ns = edges_of([*cycle(60, 30), *cycle(60, 30)], dict.fromkeys(Lamp, HALF_WAVE_50_HZ))
    judged = crossed(edges, end_ns - 20 * S + after_ms * MS)
    subject = subject_of(judged)
    assert subject.is_red(subject.confirm_us)
    assert subject.is_red(subject.confirm_us + 100_000)


def test_a_red_that_goes_off_just_after_the_confirm_line_is_seen_to() -> None:
    edges, end_ns = edges_of([*cycle(60, 30), *cycle(60, 30)], dict.fromkeys(Lamp, FULL_WAVE_50_HZ))
    edges = [edge for edge in edges if edge.lamp is not Lamp.RED or not end_ns - 8 * S <= edge.t_ns < end_ns - S]
    judged = crossed(edges, end_ns - 8_612 * MS)  # 60 px further on, at 100 px/s, lies the confirm line
    subject = subject_of(judged)
    assert subject.is_red(subject.confirm_us)
    assert not subject.is_red(subject.confirm_us + 10_000)
