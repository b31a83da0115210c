"""All pictures of a case at once, made from the ring of a recording and the event that was made of it."""

from __future__ import annotations

import csv
import io
import resource
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from PIL import Image

from edge.detector import load_model
from edge.embedded import embedded_model
from edge.errors import EvidenceError
from edge.evidence.excerpt import Excerpt
from edge.evidence.masking import Mask, Masker, MaskKind, veil_at
from edge.evidence.media import Media, make_media
from edge.evidence.pixels import Veil, covered
from edge.evidence.subject import Subject
from edge.records import NS_PER_S
from tests.cases import unsigned
from tests.command import events
from tests.evidence.frames import excerpt_of
from tests.recordings import FIRST, Recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.recordings import Replays

pytestmark = [pytest.mark.replay, pytest.mark.slow]
SIZE = (640, 360)
NAMES = {"still-1.jpg", "still-1-data.jpg", "still-2.jpg", "still-2-data.jpg", "clip.mp4", "masks.csv"}


@pytest.fixture(scope="module", params=[FIRST, "front_view"])
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording(request.param)


@pytest.fixture(scope="module")
def event(recording: Recording, replays: Replays) -> Any:
    return events(replays.of(recording.name))[0]


@pytest.fixture(scope="module")
def excerpt(recording: Recording, event: Any) -> Excerpt:
    crossing = event["data"]["crossing"]
    return excerpt_of(recording.video, crossing["t_cross_s"] - 6, crossing["t_confirm_s"] + 6)


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker(load_model(embedded_model()))


@pytest.fixture(scope="module")
def media(event: Any, excerpt: Excerpt, masker: Masker) -> Media:
    return make_media(event, excerpt, masker, site_name="Fixture")


def image(media: Media, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(media.files[name])))


def veil(media: Media, event: Any, t_s: float, but: frozenset[MaskKind] = frozenset()) -> Veil:
    """What the recorded masks say of an instant, some kinds left aside."""
    rows = [
        Mask(
            round(float(row["from_s"]) * NS_PER_S),
            round(float(row["until_s"]) * NS_PER_S),
            (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"])),
            MaskKind(row["kind"]),
        )
        for row in csv.DictReader(io.StringIO(media.files["masks.csv"].decode()))
        if row["kind"] not in but
    ]
    return veil_at(round(t_s * NS_PER_S), rows, Subject.of(event), SIZE)


def test_a_case_has_two_stills_with_and_without_data_a_clip_and_its_masks(media: Media) -> None:
    assert set(media.files) == NAMES
    assert media.missing == ()
    assert [still.name for still in media.stills] == ["still-1.jpg", "still-2.jpg"]


def test_the_clip_has_the_promised_span_and_the_times_of_its_pictures(
    media: Media, event: Any, excerpt: Excerpt
) -> None:
    crossing = event["data"]["crossing"]
    assert media.clip_span_s is not None
    assert media.clip_span_s[0] == pytest.approx(crossing["t_cross_s"] - 6, abs=1)
    assert media.clip_span_s[1] == pytest.approx(crossing["t_confirm_s"] + 6, abs=1)
    with av.open(io.BytesIO(media.files["clip.mp4"])) as clip:
        times_s = [media.clip_span_s[0] + float(frame.time or 0) for frame in clip.decode(video=0)]
    assert times_s == pytest.approx([t_ns / NS_PER_S for t_ns in excerpt.times_ns], abs=1e-6)


def test_the_still_with_data_is_the_other_one_above_a_block(media: Media) -> None:
    for number in (1, 2):
        plain, told = image(media, f"still-{number}.jpg"), image(media, f"still-{number}-data.jpg")
        assert plain.shape == (360, 640, 3)
        assert told.shape[0] > 440
        assert np.abs(told[:352].astype(int) - plain[:352]).max() <= 2


def test_stills_are_masked_where_the_record_says_and_nowhere_else(media: Media, event: Any, excerpt: Excerpt) -> None:
    originals = dict(excerpt.pictures())
    for still in media.stills:
        t_ns = next(t_ns for t_ns in originals if abs(t_ns / NS_PER_S - still.t_s) < 1e-6)
        original = originals[t_ns].to_ndarray(format="rgb24").astype(int)
        shown = covered(veil(media, event, still.t_s), SIZE)
        assert 0.01 < shown.mean() < 0.5
        changed = np.abs(image(media, still.name).astype(int) - original).max(axis=2)
        inner = ~np.isin(shown, [True])
        inner[1:, 1:] &= ~shown[:-1, :-1]  # chroma of 4:2:0 reaches one pixel over
        inner[:-1, :-1] &= ~shown[1:, 1:]
        assert np.percentile(changed[inner], 99) <= 24  # JPEG's own
        assert changed[shown].mean() > 3 * changed[inner].mean()


def test_the_first_and_the_last_picture_are_masked_as_all_others(media: Media) -> None:
    assert media.clip_span_s is not None
    for t_s in (*media.clip_span_s, sum(media.clip_span_s) / 2):
        rows = csv.DictReader(io.StringIO(media.files["masks.csv"].decode()))
        kinds = {row["kind"] for row in rows if float(row["from_s"]) <= t_s <= float(row["until_s"])}
        assert "windscreen" in kinds
        assert kinds & {"person", "possible_person"}


def test_the_vehicles_body_is_to_be_seen(media: Media, event: Any) -> None:
    """Nothing but a person near it may hide the subject's body, and that a little."""
    for still in media.stills:
        x1, y1, x2, y2 = (round(side) for side in still.box_px)
        body = slice(y1 + 3 * (y2 - y1) // 4, y2 - 1), slice(x1, x2)  # the last row is half the road
        shown = covered(veil(media, event, still.t_s), SIZE)
        assert covered(veil(media, event, still.t_s, frozenset({MaskKind.PERSON})), SIZE)[body].mean() < 0.05
        assert shown[body].mean() < 0.3
        windscreen = shown[y1 : (y1 + y2) // 2, x1:x2]
        assert windscreen.mean() == 1 if event["data"]["contact"] == "front" else windscreen.mean() < 0.3


def test_the_same_case_gives_the_same_bytes(media: Media, event: Any, excerpt: Excerpt, masker: Masker) -> None:
    assert make_media(event, excerpt, masker, site_name="Fixture") == media


@pytest.mark.alone
def test_a_case_costs_little(event: Any, excerpt: Excerpt, masker: Masker) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    make_media(event, excerpt, masker)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 12  # 4 s where nobody else computes


def test_a_part_of_the_pictures_is_better_than_none_and_says_what_is_missing(
    recording: Recording, event: Any, masker: Masker
) -> None:
    confirm_s = event["data"]["crossing"]["t_confirm_s"]
    media = make_media(event, excerpt_of(recording.video, confirm_s, confirm_s + 0.5), masker)
    assert set(media.files) == NAMES - {"still-1.jpg", "still-1-data.jpg"}
    assert [(still.name, still.claim) for still in media.stills] == [("still-2.jpg", "past the confirm line on red")]
    assert media.missing == ("There is no picture of the vehicle before the stop line.",)


def test_a_case_without_pictures_says_why(masker: Masker, excerpt: Excerpt) -> None:
    nothing = Excerpt(excerpt.video_format, (), {}, (0, NS_PER_S), ("There is no picture of the passage.",))
    assert make_media(unsigned(), nothing, masker) == Media({}, missing=("There is no picture of the passage.",))


def test_pictures_that_cannot_be_decoded_again_are_an_error(event: Any, excerpt: Excerpt, masker: Masker) -> None:
    broken = Excerpt(excerpt.video_format, excerpt.packets[-1:], excerpt.stamps, excerpt.wanted_ns)
    with pytest.raises(EvidenceError, match="cannot be decoded again"):
        make_media(event, broken, masker)


def test_nothing_of_the_project_is_written_to_the_disk(
    event: Any, excerpt: Excerpt, masker: Masker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    make_media(event, excerpt, masker)
    assert list(tmp_path.iterdir()) == []
