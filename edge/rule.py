"""Judges one passage against the phase history. Pure, and every doubt is the driver's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.records import NS_PER_S, Contact, Fault, Judgement, Phase, PhaseInterval, VehicleClass, Verdict

if TYPE_CHECKING:
    from edge.records import Passage


LONGEST_M = {
    VehicleClass.CAR: 6.0,
    VehicleClass.VAN: 7.5,
    VehicleClass.TRUCK: 18.75,
    VehicleClass.BUS: 18.75,
    VehicleClass.MOTORCYCLE: 3.0,
    VehicleClass.BICYCLE: 3.0,
    VehicleClass.PERSON: 1.0,
}
"""Generous lengths by class, used where the site file gives none; 18.75 m is the EU's limit (Directive 96/53/EC)."""


_SLOWEST_MPS = 0.1
"""A vehicle that hardly moves is taken to move at this speed, so that its rear margin stays a number."""


@dataclass(frozen=True, slots=True)
class LaneRule:
    """What the rule needs of a lane and its site; the meaning of each value is that of ``config.Rule`` and ``Lane``."""

    contact: Contact
    grace_s: float
    rear_margin_s: float
    vehicle_length_m: float | None
    lamp_uncertainty_s: float
    clock_uncertainty_s: float
    turn_on_red: bool


def judge(passage: Passage, shown: PhaseInterval, rule: LaneRule) -> Judgement:
    """The verdict on a passage, given what its signal group showed at the instant of crossing."""
    if shown.phase is not Phase.RED:
        return Judgement(_not_red(shown), shown.phase, shown.fault, None, None, {}, None)
    elapsed_s = (passage.t_cross_ns - shown.start_ns) / NS_PER_S
    deductions_s = _deductions(passage, rule)
    at_least_s = elapsed_s - sum(deductions_s.values())
    verdict = _on_red(passage, shown, rule, at_least_s, at_least_s + deductions_s.get("rear_margin", 0.0))
    amber_s = None if shown.amber_ns is None else shown.amber_ns / NS_PER_S
    return Judgement(verdict, shown.phase, shown.fault, elapsed_s, max(0.0, at_least_s), deductions_s, amber_s)


def latest_crossing_ns(passage: Passage) -> int:
    """The latest instant at which the crossing may have happened; at its last point the track was past the line."""
    return max(passage.t_cross_ns, min(passage.t_cross_ns + passage.uncertainty_ns, passage.points[-1].t_ns))


def _not_red(shown: PhaseInterval) -> Verdict:
    match shown.phase:
        case Phase.GREEN:
            return Verdict.ON_GREEN
        case Phase.AMBER:
            return Verdict.ON_AMBER
        case Phase.RED_AMBER:
            return Verdict.ON_RED_AMBER
        case Phase.FAULT:
            return Verdict.LAMP_FAULT
        case _:
            return Verdict.UNKNOWN_PHASE


def _on_red(passage: Passage, shown: PhaseInterval, rule: LaneRule, at_least_s: float, contact_s: float) -> Verdict:
    """The verdict on red; ``contact_s`` is the least red time of the visible contact, the unseen front left aside."""
    if shown.fault is Fault.SHORT_AMBER:
        return Verdict.SHORT_AMBER
    if shown.end_ns is not None and shown.end_ns <= latest_crossing_ns(passage):
        return Verdict.UNKNOWN_PHASE  # the crossing may have come after the red
    if contact_s <= rule.grace_s:
        return Verdict.WITHIN_GRACE
    if at_least_s <= rule.grace_s:
        return Verdict.REAR_MARGIN
    if passage.t_confirm_ns is None:
        return Verdict.TURN_PERMITTED if rule.turn_on_red else Verdict.STOPPED_PAST_LINE
    return Verdict.DOUBTFUL_TRACK if passage.doubts else Verdict.VIOLATION


def _deductions(passage: Passage, rule: LaneRule) -> dict[str, float]:
    """Everything that could make the true red time shorter than the measured one, in seconds."""
    deductions_s = {
        "crossing": passage.uncertainty_ns / NS_PER_S,
        "lamp": rule.lamp_uncertainty_s,
        "clock": rule.clock_uncertainty_s,
    }
    if rule.contact is Contact.REAR:
        deductions_s["rear_margin"] = _rear_margin_s(passage, rule)
    return deductions_s


def _rear_margin_s(passage: Passage, rule: LaneRule) -> float:
    """How much earlier the unseen front may have crossed: a fixed bound, or length over speed with calibration.

    One that stood or crept before the line takes longer for its own length than its speed at the line tells: its own
    track says when all of it was last before the line; with calibration, when its rear was last a whole length away.
    """
    if passage.speed_mps is None:
        if passage.whole_before_ns is None:
            return rule.rear_margin_s
        return max(rule.rear_margin_s, (passage.t_cross_ns - passage.whole_before_ns) / NS_PER_S)
    length_m = rule.vehicle_length_m or LONGEST_M[passage.vehicle_class]
    margin_s = length_m / max(passage.speed_mps, _SLOWEST_MPS)
    if not passage.to_line_m:
        return margin_s
    away_ns = [t_ns for t_ns, metres in passage.to_line_m if metres >= length_m]
    front_ns = away_ns[-1] if away_ns else passage.to_line_m[0][0]
    return max(margin_s, (passage.t_cross_ns - front_ns) / NS_PER_S)
