"""The site file's mask regions, from a stream of another size than its grid to what a reader of the bundle sees."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tarfile
import time
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
import pytest
from PIL import Image

from edge import event, verify
from edge.commands.chain import desk_for
from edge.config import Evidence, load_site
from edge.evidence.keeper import CaseKeeper, Finished
from edge.evidence.media import make_media
from edge.evidence.ring import PacketRing
from edge.mqtt import Topics
from edge.outbox import Outbox
from edge.sources.video import open_video
from edge.verify import Outcome
from tests.cases import signing_key
from tests.evidence.frames import excerpt_of
from tests.evidence.keeping import CONFIRMED_NS, CROSSED_NS, SHORT, Unmasked, early_case

if TYPE_CHECKING:
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.config import Site
    from edge.evidence.masking import Masker
    from edge.records import Box, Size

SITE = """schema = 1
site = { id = "main-and-3rd" }
camera = { size_px = [640, 352] }

[[signal_groups]]
id = "north"
min_amber_s = 3.0

[[lanes]]
id = "through"
signal_group = "north"
stop_line_px = [[110, 137], [495, 178]]
confirm_line_px = [[110, 122], [495, 157]]
direction = [0.73, -0.68]
contact = "rear"
"""
HOUSE, CORNER = (37.3, 220.5, 171.9, 300.1), (560, 0, 640, 90)
SIZES: list[Size] = [(854, 480), (480, 264), (640, 352)]
NOBODY = cast("Masker", Unmasked())
FPS, SECONDS = 10, 4  # the case's vehicle is seen at every tenth of a second


def video(folder: Path, size: Size) -> Path:
    """A stream in which no pixel is dark and each differs from picture to picture."""
    path = folder / "video.mp4"
    random = np.random.default_rng(3)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"preset": "ultrafast", "bf": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for _ in range(FPS * SECONDS):
            coarse = random.integers(120, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
            pixels = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def site(folder: Path, *regions: Box) -> tuple[Site, bytes]:
    toml = SITE + "".join(f"[[masks]]\nregion_px = {list(region)}\n" for region in regions)
    (folder / "site.toml").write_text(toml)
    return load_site(folder / "site.toml"), toml.encode()


def completed(folder: Path, size: Size, *regions: Box) -> Finished:
    """A violation's event and open bundle, from the site file and the stream on."""
    here, toml = site(folder, *regions)
    case = replace(early_case(), site=here.model_copy(update={"sha256": hashlib.sha256(toml).hexdigest()}))

    def document(sequence: int) -> dict[str, Any]:
        event_id = event.uuid7(time.time_ns() // 1_000_000, os.urandom(10))
        return event.build(case, event_id=event_id, nonce=os.urandom(16), sequence=sequence)

    evidence = Evidence(seal="none")
    desk = desk_for(evidence, here, toml, signing_key(), Topics("stopline", "main-and-3rd", "edge-1"))
    done: list[Finished] = []
    with Outbox(folder / "outbox.sqlite") as outbox:
        keeper = CaseKeeper(outbox, desk, _filled(video(folder, size)), SHORT, NOBODY, done.append)
        keeper.take(document, CROSSED_NS, CONFIRMED_NS)
        keeper.close()
    return done[0]


def _filled(path: Path) -> PacketRing:
    ring = PacketRing(60.0, 1 << 28)
    with open_video(path, tap=ring) as source:
        for _ in source:
            pass
    return ring


def files_of(bundle: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def pictures_of(files: dict[str, bytes]) -> dict[str, NDArray[uint8]]:
    """Every picture that a reader of the bundle can see, as RGB: four stills and all of the clip."""
    stills = {name: np.asarray(Image.open(io.BytesIO(raw))) for name, raw in files.items() if name.endswith(".jpg")}
    with av.open(io.BytesIO(files["clip.mp4"]), "r") as clip:
        frames = {f"clip {index}": frame.to_ndarray(format="rgb24") for index, frame in enumerate(clip.decode(video=0))}
    return stills | frames


def pixels_of(region: Box, size: Size) -> tuple[slice, slice]:
    """Rows and columns of all pixels that a region of the grid touches in a picture."""
    x, y = (Fraction(side, grid) for side, grid in zip(size, (640, 352), strict=True))
    left, top, right, bottom = (Fraction(str(side)) for side in region)
    return slice(int(top * y), -int(-bottom * y // 1)), slice(int(left * x), -int(-right * x // 1))


@pytest.mark.parametrize("size", SIZES)
def test_regions_are_black_in_every_still_and_every_picture_of_the_clip(size: Size, tmp_path: Path) -> None:
    files = files_of(completed(tmp_path, size, HOUSE, CORNER).sent)
    pictures = pictures_of(files)
    clip = json.loads(files["manifest.json"])["clip"]
    assert len(pictures) == 4 + 1 + round(FPS * (clip["to_s"] - clip["from_s"])) > 16
    for name, picture in pictures.items():
        for region in (HOUSE, CORNER):
            rows, columns = pixels_of(region, size)
            inside = picture[rows, columns]
            assert inside[8:-8, 8:-8].max() <= 12, name
            assert inside.mean() < 6, name  # encoders let a little of the surroundings into the outermost pixels
            assert np.percentile(inside, 99) < 60, name
        rows, columns = pixels_of(HOUSE, size)
        beside = picture[rows.start : rows.stop, columns.stop + 4 : columns.stop + 24]
        assert beside.min() > 60, name  # nothing beyond it
        above = picture[rows.start - 24 : rows.start - 4, columns]
        assert above.min() > 60, name


@pytest.mark.parametrize("size", SIZES)
def test_the_record_and_the_independent_verifier_say_so(size: Size, tmp_path: Path) -> None:
    finished = completed(tmp_path, size, HOUSE, CORNER)
    files = files_of(finished.sent)
    manifest = json.loads(files["manifest.json"])
    assert manifest["masking"]["size_px"] == list(size)
    rows = [row for row in csv.DictReader(io.StringIO(files["masks.csv"].decode())) if row["kind"] == "region"]
    for row, region in zip(rows, (HOUSE, CORNER), strict=True):
        assert [float(row[name]) for name in ("from_s", "until_s")] == [
            manifest["clip"]["from_s"],
            manifest["clip"]["to_s"],
        ]
        down, across = pixels_of(region, size)
        sides = [across.start, down.start, across.stop, down.stop]
        assert [float(row[name]) for name in ("x1", "y1", "x2", "y2")] == sides
    report = verify.check(finished.event, dict([verify.load_key(signing_key().public.pem)]), finished.sent)
    said = {finding.words: finding.outcome for finding in report.findings}
    assert said["Each mask region of the site file (2) is recorded as black in every picture."] is Outcome.RECOMPUTED
    assert Outcome.CHANGED not in said.values()


def test_a_site_without_regions_has_none_recorded(tmp_path: Path) -> None:
    finished = completed(tmp_path, SIZES[0])
    assert b"region" not in files_of(finished.sent)["masks.csv"]
    report = verify.check(finished.event, dict([verify.load_key(signing_key().public.pem)]), finished.sent)
    assert not [finding for finding in report.findings if "mask region" in finding.words]


def test_a_still_whose_vehicle_a_region_hides_is_told_of(tmp_path: Path) -> None:
    """Not to be had by a site file that keeps the lanes free, unless a vehicle stands out of its lane by far."""
    case = event.build(early_case(), event_id="0" * 36, nonce=bytes(16), sequence=1)
    excerpt = excerpt_of(video(tmp_path, (640, 352)), 1.2, 2.5)
    whole = make_media(case, excerpt, NOBODY)
    first = whole.stills[0].box_px
    upper = (first[0], first[1], first[2], (first[1] + first[3]) / 2 - 1)
    assert make_media(case, excerpt, NOBODY, regions_px=[upper]).missing == whole.missing
    hidden = make_media(case, excerpt, NOBODY, regions_px=[first])
    words = (
        "The picture before the stop line on red shows little of the vehicle: a mask region of the site file hides it."
    )
    assert words in hidden.missing
