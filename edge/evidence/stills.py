"""Which two pictures show the violation, and how a picture becomes a JPEG file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from edge.crossing import bottom_centre
from edge.evidence.subject import Subject, ns_in_us

if TYPE_CHECKING:
    from collections.abc import Iterable

    import av

    from edge.records import Box

BEFORE = "before the stop line on red"
BEFORE_ALONE = "before the stop line"
PAST = "past the confirm line on red"
PAST_ALONE = "past the confirm line"

# Clearly before or past: by this share of the box's height, so that the eye can see it, and by two pixels of the grid.
_CLEAR_SHARE = 0.1
_CLEAR_PX = 2.0
_JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True)
class Still:
    """A picture chosen: its instant, the vehicle's box in it (site's grid) and what it shows."""

    t_ns: int
    box_px: Box
    claim: str

    @property
    def name(self) -> str:
        """The stem of its files: the first still is that before the stop line, even where it is all there is."""
        return "still-1" if self.claim in {BEFORE, BEFORE_ALONE} else "still-2"


def choose_stills(subject: Subject, times_ns: Iterable[int]) -> tuple[tuple[Still, ...], tuple[str, ...]]:
    """The picture before the stop line and the one past the confirm line, and sentences on what cannot be shown.

    Only pictures in which the vehicle was observed are taken: a box is never guessed.
    """
    seen = [(t_ns, box) for t_ns in sorted(times_ns) if (box := subject.track.get(ns_in_us(t_ns))) is not None]
    stills: list[Still] = []
    missing: list[str] = []
    for still, place in ((_before(subject, seen), "before the stop line"), (_past(subject, seen), PAST_ALONE)):
        if still is None:
            missing.append(f"There is no picture of the vehicle {place}.")
            continue
        stills.append(still)
        if still.claim in {BEFORE_ALONE, PAST_ALONE}:
            missing.append(f"The picture {place} was taken when red was not shown beyond doubt.")
    return tuple(stills), tuple(missing)


def _before(subject: Subject, seen: list[tuple[int, Box]]) -> Still | None:
    """The last picture clearly before the stop line on red; failing that barely before it, failing that not on red."""
    before = [(t_ns, box) for t_ns, box in seen if ns_in_us(t_ns) <= subject.cross_us]
    choices = [(t_ns, box, -subject.stop_line.distance(bottom_centre(box))) for t_ns, box in before]
    clear = [(t_ns, box) for t_ns, box, distance in choices if distance >= _clear_px(box)]
    barely = [(t_ns, box) for t_ns, box, distance in choices if distance > 0]
    for among in (clear, barely):
        for t_ns, box in reversed(among):
            if subject.is_red(ns_in_us(t_ns)):
                return Still(t_ns, box, BEFORE)
    return next((Still(t_ns, box, BEFORE_ALONE) for t_ns, box in reversed(clear or barely)), None)


def _past(subject: Subject, seen: list[tuple[int, Box]]) -> Still | None:
    """The first picture past the confirm line on red, clearly so if there is one within half a second."""
    distances = [(t_ns, box, subject.confirm_line.distance(bottom_centre(box))) for t_ns, box in seen]
    past = [(t_ns, box, px) for t_ns, box, px in distances if ns_in_us(t_ns) >= subject.confirm_us and px > 0]
    on_red = [choice for choice in past if subject.is_red(ns_in_us(choice[0]))]
    clear = [choice for choice in on_red if choice[2] >= _CLEAR_PX]
    for among, claim in ((clear, PAST), (on_red, PAST), (past, PAST_ALONE)):
        if among:
            return Still(among[0][0], among[0][1], claim)
    return None


def _clear_px(box: Box) -> float:
    return max(_CLEAR_PX, _CLEAR_SHARE * (box[3] - box[1]))


def to_image(frame: av.VideoFrame) -> Image.Image:
    """A decoded picture in RGB."""
    return Image.fromarray(frame.to_ndarray(format="rgb24"), "RGB")


def to_jpeg(image: Image.Image) -> bytes:
    """A JPEG file without thumbnail or metadata; the same picture gives the same bytes."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    return out.getvalue()
