"""What the independent verifier says of mask regions: as recorded, otherwise recorded, and in bundles from before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge import verify
from edge.verify import Outcome
from tests.verify.casefile import KEY, CaseFile, casefile

if TYPE_CHECKING:
    from pathlib import Path

KEYS = dict([verify.load_key(KEY.public.pem)])
MASKS = """
[[masks]]
region_px = [0, 0, 100.7, 33]
why = "a house"

[[masks]]
region_px = [500, 300, 640, 360]
"""
HEADER = "from_s,until_s,x1,y1,x2,y2,kind"
PERSON = "7.000000,9.000000,10.1,20.2,30.3,40.4,person"
ROWS = ("6.000000,18.000000,0.0,0.0,202.0,67.0,region", "6.000000,18.000000,1000.0,603.0,1280.0,724.0,region")
SIZE = (1280, 724)  # not quite the grid's aspect, as streams are
FITS = "Each mask region of the site file (2) is recorded as black in every picture."
FITS_NOT = "What the bundle records as black are not the mask regions of the site file."


def case(folder: Path, masks: str, *rows: str) -> CaseFile:
    """A case whose site file has these masks and whose ``masks.csv`` has these rows."""
    made = casefile(folder)
    made.site_toml += masks.encode()
    made.document["data"]["origin"]["site_sha256"] = hashlib.sha256(made.site_toml).hexdigest()
    written = {"masks.csv": "".join(f"{row}\n" for row in (HEADER, *rows)).encode()}
    made.pictures = replace(made.pictures, files={**made.pictures.files, **written}, size_px=SIZE)
    made.masking = {"method": "all of them"}
    return made.finish()


def test_regions_that_are_recorded_are_told(tmp_path: Path) -> None:
    made = case(tmp_path, MASKS, *ROWS, PERSON)
    report = verify.check(made.event, KEYS, made.sent)
    assert report.outcome is Outcome.RECOMPUTED, report.findings
    assert FITS in [finding.words for finding in report.findings]


@pytest.mark.parametrize(
    ("masks", "rows"),
    [
        (MASKS, (PERSON,)),
        (MASKS, (*ROWS[:1], PERSON)),
        (MASKS, (*ROWS, ROWS[1])),
        (MASKS, (ROWS[0].replace("202.0", "201.0"), ROWS[1])),
        (MASKS, (ROWS[0].replace("6.0", "6.1"), ROWS[1])),
        (MASKS, (ROWS[0].replace("18.0", "17.0"), ROWS[1])),
        ("", ROWS[:1]),
    ],
    ids=["none", "one", "one more", "smaller", "later", "shorter", "not in the site file"],
)
def test_regions_that_are_recorded_otherwise_are_found(masks: str, rows: tuple[str, ...], tmp_path: Path) -> None:
    made = case(tmp_path, masks, *rows)
    report = verify.check(made.event, KEYS, made.sent)
    assert report.outcome is Outcome.INCOMPLETE
    assert [finding.words for finding in report.findings if finding.outcome is Outcome.INCOMPLETE] == [FITS_NOT]


def test_a_bundle_from_before_there_were_regions_is_as_good_as_ever(tmp_path: Path) -> None:
    made = case(tmp_path, "", PERSON)
    made.pictures, made.masking = replace(made.pictures, size_px=None), {"method": "persons alone"}
    made.finish()
    report = verify.check(made.event, KEYS, made.sent)
    assert report.outcome is Outcome.RECOMPUTED
    assert not [finding for finding in report.findings if "mask region" in finding.words]


def test_where_there_are_no_pictures_nothing_need_be_black(tmp_path: Path) -> None:
    made = case(tmp_path, MASKS, *ROWS)
    made.pictures = made.pictures.without_pictures("There are no pictures: the node was restarted.")
    made.finish()
    report = verify.check(made.event, KEYS, made.sent)
    assert report.outcome is Outcome.INCOMPLETE
    assert not [finding for finding in report.findings if "mask region" in finding.words]
