"""A proposed site file as text: every value with a comment that says what it rests on and how sure it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.proposals.approach import Ground
from edge.records import Contact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.geometry import Segment
    from edge.proposals.approach import ApproachProposal
    from edge.proposals.lamps import HeadProposal
    from edge.proposals.lanes import LaneProposal
    from edge.records import Box, Size

_FEW = 3
_SMALL_SHARE = 0.07  # of the picture's width: a vehicle narrower than this gains from a smaller region


@dataclass(frozen=True, slots=True)
class Recording:
    """What the proposals were made from; they are in pixels of a picture ``scale`` times as large as the video's."""

    name: str
    size_px: Size
    seconds: float
    frames: int
    scale: float = 1.0


def site_text(
    site: str,
    group: str,
    seen: Recording,
    approach: ApproachProposal,
    heads: Sequence[HeadProposal],
    chosen: str = "",
) -> str:
    """The whole file. ``heads`` are the group's signal heads in view, the best first; the others are told of.

    ``chosen`` says why it is this group, where it was chosen among recorded ones.
    """
    lines = [
        *_head(seen),
        "schema = 1",
        "",
        "[site]",
        f'id = "{site}"',
        "",
        "[camera]",
        f"size_px = [{seen.size_px[0]}, {seen.size_px[1]}]",
        "",
        *_group(group, heads, seen.scale, chosen),
        *(
            line
            for number, lane in enumerate(approach.lanes, 1)
            for line in _lane(number, lane, group, approach, seen.scale)
        ),
        *_detector(approach, seen),
        *_rule(),
    ]
    return "\n".join(lines) + "\n"


def site_name(name: str) -> str:
    """A site's id made of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "site"


def _head(seen: Recording) -> Iterable[str]:
    yield f"# PROPOSED by stopline propose from {seen.seconds:.0f} s of {seen.name!a} ({seen.frames} pictures)."
    yield "# Nobody has checked it. Look at each value in a still of the camera, correct it, and take these lines out."
    yield ""


def _group(group: str, heads: Sequence[HeadProposal], scale: float, chosen: str) -> Iterable[str]:
    yield "[[signal_groups]]"
    if chosen:
        yield f"# {chosen}"
    yield "# One group for all lanes: a recording does not tell whether a lane has lamps of its own."
    yield f'id = "{group}"'
    yield "# min_amber_s = 3.0  # the shortest lawful amber here: not in the picture. Ask, and set it"
    yield ""
    if not heads:
        yield "# No lamps were found in the picture: name pins, or a recorded timeline, or draw [signal_groups.view]."
        yield ""
        return
    yield "[signal_groups.view]"
    yield f"# {heads[0].told()}"
    for other in heads[1:3]:
        yield f"# Another head that may be of this group: {_box(other.whole_px, scale)}"
    for lamp, box in heads[0].lamps_px.items():
        yield f"{lamp.value}_px = {_box(box, scale)}"
    yield ""


def _lane(number: int, lane: LaneProposal, group: str, approach: ApproachProposal, scale: float) -> Iterable[str]:
    yield "[[lanes]]"
    yield f'id = "lane-{number}"  # counted from the left, as its drivers see it'
    yield f'signal_group = "{group}"'
    yield f"# {_line_rests(approach)}"
    yield f"# {_ends_rest(lane)}"
    yield f"stop_line_px = {_segment(lane.stop_px, scale)}"
    yield "# About 5 m on, if the camera's angle of view is an ordinary one: a vehicle length or more is needed."
    yield f"confirm_line_px = {_segment(lane.confirm_px, scale)}"
    yield f"direction = [{lane.direction[0]:.3f}, {lane.direction[1]:.3f}]"
    why = (
        "shrank on the way: seen from behind"
        if lane.contact is Contact.REAR
        else "grew on the way: seen from the front"
    )
    yield f'contact = "{lane.contact.value}"  # the boxes {why}'
    yield 'turn_on_red = "forbidden"  # unless it is allowed here: not in the picture'
    yield ""


def _line_rests(approach: ApproachProposal) -> str:
    line = approach.line
    match approach.ground:
        case Ground.PAINT:
            sure = "Sure" if line.waiting and line.paths > 1 else "Likely"
            return (
                f"{sure}: a painted line, {line.contrast:.0f} of 255 brighter than the road. Vehicles that drove over "
                f"it: {line.paths}. Vehicles that waited before it: {line.waiting}. Drawn where boxes cross it."
            )
        case Ground.STOPS:
            return (
                "Unsure: no painted line was found; drawn before the foremost vehicle that stood. Vehicles that stood: "
                f"{line.waiting}."
            )
        case Ground.GUESS:
            return "A GUESS: no painted line was found and nobody stood. Draw it anew."


def _ends_rest(lane: LaneProposal) -> str:
    if lane.passed < _FEW:
        return (
            f"Check its ends well: they rest on few vehicles that drove here ({lane.passed}) and stood ({lane.stood})."
        )
    return f"Its ends are likely: they rest on vehicles that drove here ({lane.passed}) and stood ({lane.stood})."


def _rule() -> Iterable[str]:
    yield "# [rule]  # grace_s and confirm_within_s are a matter of law, not of the picture: the usual values hold"


def _detector(approach: ApproachProposal, seen: Recording) -> Iterable[str]:
    width = max(lane.width_px for lane in approach.lanes) / (seen.size_px[0] * seen.scale)
    if width >= _SMALL_SHARE:
        yield "# Vehicles are large enough in the whole picture; a region would make them larger still:"
        yield "# [detector]"
        yield f"# region_px = {_box(approach.region_px, seen.scale)}"
    else:
        yield "[detector]"
        yield "# From well before the stop line to past the confirm line."
        yield f"region_px = {_box(approach.region_px, seen.scale)}"
    yield ""


def _segment(segment: Segment, scale: float) -> str:
    (x1, y1), (x2, y2) = ((x / scale, y / scale) for x, y in segment)
    return f"[[{x1:.1f}, {y1:.1f}], [{x2:.1f}, {y2:.1f}]]"


def _box(box: Box, scale: float) -> str:
    return f"[{', '.join(f'{value / scale:.1f}' for value in box)}]"
