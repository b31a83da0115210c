"""docs/evidence.md against the bundles and the messages that are really made."""

from __future__ import annotations

import io
import json
import tarfile

from edge.evidence import bundle, parts
from edge.evidence.masking import METHOD, MaskKind, masks_csv
from edge.evidence.media import Media, StillInfo
from edge.evidence.seal import PLAIN_TYPE, SEALED_TYPE
from edge.mqtt import Topics
from tests.cases import EVENT_ID, unsigned
from tests.docs.pages import ROOT, blocks, table_rows

PAGE = ROOT / "docs" / "evidence.md"
TEXT = PAGE.read_text(encoding="utf-8")


def manifest() -> dict[str, object]:
    """One of a case with pictures."""
    still = StillInfo("still-1.jpg", 41.5, (223.3, 108.2, 283.4, 168.65), "before the stop line on red")
    media = Media({"still-1.jpg": b"picture"}, (still,), (35.84, 47.84), size_px=(640, 360))
    made = bundle.build_bundle(unsigned(), b"schema = 1\n", media, {"method": METHOD})
    with tarfile.open(fileobj=io.BytesIO(made.data)) as archive:
        member = archive.extractfile("manifest.json")
        assert member is not None
        document: dict[str, object] = json.load(member)
        return document


def shape(value: object) -> object:
    """What kinds of things a JSON value is made of; of a list the first, since the rest are alike."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_every_file_is_on_the_page_in_its_order() -> None:
    named = [name.strip("` ") for row in table_rows(PAGE, "## What is in it") for name in row[0].split(",")]
    assert "manifest.json" in named
    assert named[:1] + [name for name in bundle._ORDER if name in named] == named
    assert set(named) == {bundle.MANIFEST, *bundle._ORDER}


def test_the_manifest_on_the_page_is_like_a_real_one() -> None:
    example = json.loads(next(block.text for block in blocks(PAGE) if bundle.FORMAT in block.text))
    real = manifest()
    assert shape({**example, "missing": []}) == shape({**real, "missing": []})
    for name in ("format", "event_id", "source", "stills", "clip", "masking"):
        assert example[name] == real[name]


def test_the_list_of_parts_on_the_page_is_like_a_real_one() -> None:
    example = json.loads(next(block.text for block in blocks(PAGE) if parts.FORMAT in block.text))
    listed, *rest = parts.split(EVENT_ID, SEALED_TYPE, bytes(300_000), 262_144)
    real = json.loads(listed.payload)
    assert shape(example) == shape(real)
    assert [part["bytes"] for part in example["parts"]] == [len(part.payload) for part in rest]
    assert (example["bytes"], example["content_type"]) == (real["bytes"], real["content_type"])


def test_tables_have_the_columns_that_the_page_names() -> None:
    for header in (bundle.TRACK_HEADER, bundle.LAMPS_HEADER, masks_csv([]).decode().strip()):
        assert f"`{header}`" in TEXT


def test_every_kind_of_mask_is_on_the_page() -> None:
    told = TEXT[TEXT.index("`kind` is") :].split("\n\n")[0]
    assert set(told.split("`")[3::2]) == set(MaskKind)


def test_topics_and_content_types_are_those_on_the_wire() -> None:
    rows = table_rows(PAGE, "## How it travels")
    topics = Topics("<prefix>", "<site>", "<node>")
    below = topics.evidence("<event id>").removeprefix("<prefix>/v1/<site>/<node>/")
    assert [row[0].strip("`") for row in rows] == [below, below, f"{below}/<index>"]
    told = " ".join(row[1] for row in rows)
    for content_type in (SEALED_TYPE, PLAIN_TYPE, parts.LIST_TYPE, parts.PART_TYPE):
        assert f"`{content_type}`" in told
