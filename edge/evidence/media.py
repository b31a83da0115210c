"""The pictures of a case: two stills, each with and without its data block, and the clip, all of them masked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import av
import av.error

from edge.errors import EvidenceError
from edge.evidence.clip import Clip, ClipWriter
from edge.evidence.datablock import Place, entries, with_block
from edge.evidence.masking import (
    LOOK_EVERY_NS,
    Sighting,
    masks_csv,
    plan_masks,
    region_masks,
    seen_outside,
    veil_at,
)
from edge.evidence.pixels import pixelated
from edge.evidence.stills import choose_stills, to_image, to_jpeg
from edge.evidence.subject import US_PER_S, Subject, ns_in_us
from edge.geometry import area, shared_area
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from edge.evidence.excerpt import Excerpt
    from edge.evidence.masking import Mask, Masker
    from edge.evidence.stills import Still
    from edge.records import Box, Size

CLIP = "clip.mp4"
MASKS = "masks.csv"
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class StillInfo:
    """A still in the bundle: its file's name, its instant, the vehicle's box (site's grid) and what it shows."""

    name: str
    t_s: float
    box_px: Box
    claim: str


@dataclass(frozen=True, slots=True)
class Media:
    """``files`` by name; ``clip_span_s`` is the clip's first and last instant; ``missing`` says what is not there.

    ``size_px`` is width and height of the pictures, in whose pixels the masks are; None where there is no picture.
    """

    files: Mapping[str, bytes] = field(repr=False)
    stills: tuple[StillInfo, ...] = ()
    clip_span_s: tuple[float, float] | None = None
    missing: tuple[str, ...] = ()
    size_px: Size | None = None

    @classmethod
    def without_pictures(cls, *reasons: str) -> Media:
        """No picture at all, for the reasons given in sentences."""
        return cls({}, missing=reasons)


def make_media(
    document: Mapping[str, Any],
    excerpt: Excerpt,
    masker: Masker,
    *,
    site_name: str = "",
    regions_px: Sequence[Box] = (),
) -> Media:
    """Stills and clip of a violation. ``document`` is its event, signed or not; the same input gives the same bytes.

    ``regions_px`` are the site file's mask regions, in its grid: no picture shows anything of them.
    The excerpt is decoded twice, a picture at a time: once to find what must be masked, once to mask and encode.
    Raises EvidenceError where the pictures cannot be encoded and ModelError where the masker's model cannot run: then
    there must be no picture, since none could be masked.
    """
    times_ns = excerpt.times_ns
    if not times_ns:
        return Media.without_pictures(*excerpt.shortened)
    subject = Subject.of(document)
    stills, not_shown = choose_stills(subject, times_ns)
    chosen = frozenset(still.t_ns for still in stills)
    try:
        masks, size_px = _plan(excerpt, subject, masker, chosen, regions_px)
        clip, kept = _encode(excerpt, masks, subject, chosen)
    except (av.error.FFmpegError, MemoryError) as error:
        raise EvidenceError(f"the pictures of the case cannot be encoded ({error}): free some memory") from None
    files = _still_files(document, stills, kept, site_name) | {CLIP: clip.data, MASKS: masks_csv(masks)}
    missing = (*excerpt.shortened, *not_shown, *_hidden(stills, regions_px))
    return Media(files, _infos(stills), clip.span_s, missing, size_px)


def _hidden(stills: Iterable[Still], regions_px: Sequence[Box]) -> Iterator[str]:
    """Of which stills a single mask region hides most of the vehicle, in sentences."""
    for still in stills:
        if any(shared_area(region, still.box_px) > _MOST * area(still.box_px) for region in regions_px):
            yield f"The picture {still.claim} shows little of the vehicle: a mask region of the site file hides it."


def _plan(
    excerpt: Excerpt, subject: Subject, masker: Masker, chosen: frozenset[int], regions_px: Sequence[Box]
) -> tuple[tuple[Mask, ...], Size]:
    """Look at some pictures a second, the stills, the first and the last among them, and decide on the masks.

    The pictures' size goes with them. Regions come first: they hold for all pictures, whatever is seen.
    """
    sightings: list[Sighting] = []
    size_px, due_ns = (0, 0), excerpt.times_ns[0]
    must = chosen | {excerpt.times_ns[-1]}
    for t_ns, frame in excerpt.pictures():
        if t_ns >= due_ns or t_ns in must:
            sightings.append(masker.look(t_ns, frame))
            size_px, due_ns = (frame.width, frame.height), t_ns + LOOK_EVERY_NS
    span_ns = excerpt.times_ns[0], excerpt.times_ns[-1]
    regions = region_masks(regions_px, subject, size_px, span_ns)
    return regions + seen_outside(plan_masks(sightings, subject, size_px, masker.low), regions), size_px


def _encode(
    excerpt: Excerpt, masks: tuple[Mask, ...], subject: Subject, chosen: frozenset[int]
) -> tuple[Clip, Mapping[int, av.VideoFrame]]:
    """The clip of all pictures, masked, and those masked ones that were chosen."""
    times_ns = excerpt.times_ns
    writer: ClipWriter | None = None
    kept: dict[int, av.VideoFrame] = {}
    for t_ns, frame in excerpt.pictures():
        masked = pixelated(frame, veil_at(t_ns, masks, subject, (frame.width, frame.height)))
        writer = writer or ClipWriter((frame.width, frame.height), _fps(times_ns), len(times_ns))
        writer.add(t_ns, masked)
        if t_ns in chosen:
            kept[t_ns] = masked
    if writer is None:
        raise EvidenceError("the pictures of the case cannot be decoded again: the video may be damaged there")
    return writer.finish(), kept


def _fps(times_ns: tuple[int, ...]) -> float:
    span_ns = times_ns[-1] - times_ns[0]
    return (len(times_ns) - 1) * NS_PER_S / span_ns if span_ns else 25.0


def _still_files(
    document: Mapping[str, Any], stills: tuple[Still, ...], kept: Mapping[int, av.VideoFrame], site_name: str
) -> dict[str, bytes]:
    times_s = tuple(ns_in_us(still.t_ns) / US_PER_S for still in stills)
    files: dict[str, bytes] = {}
    for number, still in enumerate(stills, start=1):
        image = to_image(kept[still.t_ns])
        lines = entries(document, Place(number, times_s, still.claim), site_name)
        files[f"{still.name}.jpg"] = to_jpeg(image)
        files[f"{still.name}-data.jpg"] = to_jpeg(with_block(image, lines))
    return files


def _infos(stills: tuple[Still, ...]) -> tuple[StillInfo, ...]:
    return tuple(
        StillInfo(f"{still.name}.jpg", ns_in_us(still.t_ns) / US_PER_S, still.box_px, still.claim) for still in stills
    )
