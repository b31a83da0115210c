"""The bundle: deterministic bytes, readable by any tar, naming all that it holds and all that it lacks."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import event
from edge.errors import EvidenceError
from edge.evidence import bundle as module
from edge.evidence.bundle import MAX_MISSING, MAX_SENTENCE_CHARS, Bundle, build_bundle
from edge.evidence.media import Media, StillInfo
from edge.evidence.seal import Seal
from edge.evidence.shipment import ship
from edge.mqtt import Topics
from edge.outbox import LEAST_PART_BYTES, Case
from tests.cases import EVENT_ID, NONCE, SITE, case, signing_key, track

if TYPE_CHECKING:
    from pathlib import Path

SITE_TOML = b'schema = 1\n\n[site]\nid = "main-and-3rd"\n'
MASKING = {"method": "blocks"}
RECIPIENT = "age1yaau8j38fp5fxkdlcjry4fl3legp57c9zxlz34g3mw95lj7cacaqemac68"
ORDER = [
    "manifest.json",
    "still-1.jpg",
    "still-1-data.jpg",
    "still-2.jpg",
    "still-2-data.jpg",
    "clip.mp4",
    "masks.csv",
    "track.csv",
    "lamps.csv",
    "site.toml",
    "origin.json",
]


def document() -> dict[str, Any]:
    """An event of this site file."""
    site = SITE.model_copy(update={"sha256": hashlib.sha256(SITE_TOML).hexdigest()})
    return event.build(replace(case(), site=site), event_id=EVENT_ID, nonce=NONCE, sequence=1)


def media() -> Media:
    names = ["clip.mp4", "masks.csv", "still-2.jpg", "still-1.jpg", "still-2-data.jpg", "still-1-data.jpg"]
    stills = (
        StillInfo("still-1.jpg", 41.5, (223.3, 108.2, 283.4, 168.65), "before the stop line on red"),
        StillInfo("still-2.jpg", 42.3, (260.5, 73.0, 317.0, 134.25), "past the confirm line on red"),
    )
    return Media({name: name.encode() * 100 for name in names}, stills, (35.5, 48.25), ("the clip is short",))


def opened(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_everything_is_in_it_in_its_order() -> None:
    files = opened(build_bundle(document(), SITE_TOML, media()).data)
    assert list(files) == ORDER
    assert files["site.toml"] == SITE_TOML
    assert files["clip.mp4"] == b"clip.mp4" * 100


def test_its_hash_is_of_its_bytes() -> None:
    bundle = build_bundle(document(), SITE_TOML, media())
    assert bundle.sha256 == hashlib.sha256(bundle.data).hexdigest()


def test_the_manifest_names_every_file_and_what_is_to_be_known_of_it() -> None:
    files = opened(build_bundle(document(), SITE_TOML, media(), MASKING).data)
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    assert (manifest["format"], manifest["event_id"]) == ("stopline-evidence/1", EVENT_ID)
    assert manifest["source"] == "stopline://main-and-3rd/edge-1"
    assert manifest["clip"] == {"name": "clip.mp4", "from_s": 35.5, "to_s": 48.25}
    assert manifest["stills"][1] == {
        "name": "still-2.jpg",
        "t_s": 42.3,
        "box_px": [260.5, 73, 317, 134.25],
        "claim": "past the confirm line on red",
    }
    assert manifest["missing"] == ["the clip is short"]
    assert manifest["masking"] == MASKING


def test_tables_say_what_the_event_says_number_by_number() -> None:
    files = opened(build_bundle(document(), SITE_TOML, media()).data)
    data = document()["data"]
    header, *rows = csv.reader(io.StringIO(files["track.csv"].decode()))
    assert header == ["t_s", "x1", "y1", "x2", "y2", "confidence"]
    assert [[float(cell) for cell in row] for row in rows] == data["track"]
    header, *lamps = csv.reader(io.StringIO(files["lamps.csv"].decode()))
    assert header == ["t_s", "lamp", "lit"]
    assert [[float(t_s), lamp, lit == "true"] for t_s, lamp, lit in lamps] == data["lamps"]
    assert {lit for _, _, lit in lamps} == {"true", "false"}
    # Spelled as in the event's own bytes.
    assert f"[{files['track.csv'].decode().splitlines()[1]}]".encode() in event.canonical(document())
    assert json.loads(files["origin.json"]) == {**data["origin"], "clock": data["clock"]}


def test_without_pictures_the_data_are_still_there() -> None:
    bundle = build_bundle(document(), SITE_TOML, Media.without_pictures("the node was restarted"), MASKING)
    files = opened(bundle.data)
    assert list(files) == ["manifest.json", "track.csv", "lamps.csv", "site.toml", "origin.json"]
    manifest = json.loads(files["manifest.json"])
    assert (manifest["clip"], manifest["stills"], manifest["masking"]) == (None, [], None)
    assert manifest["missing"] == list(bundle.missing) == ["the node was restarted"]


def test_a_site_file_that_was_changed_meanwhile_is_told() -> None:
    bundle = build_bundle(document(), SITE_TOML + b"\n", media())
    assert bundle.missing == (module._OTHER_SITE, "the clip is short")


def test_what_is_missing_stays_within_what_an_event_may_carry() -> None:
    reasons = tuple(f"{number} " + "x" * 1000 for number in range(100))
    bundle = build_bundle(document(), SITE_TOML, Media.without_pictures(*reasons))
    assert len(bundle.missing) == MAX_MISSING
    assert {len(reason) for reason in bundle.missing} == {MAX_SENTENCE_CHARS}


def test_the_same_input_gives_the_same_bytes_whatever_the_order() -> None:
    first = build_bundle(document(), SITE_TOML, media(), MASKING)
    turned = media()
    turned = replace(turned, files=dict(reversed(turned.files.items())))
    assert build_bundle(dict(reversed(document().items())), SITE_TOML, turned, MASKING) == first


FROM_ANOTHER_PROCESS = """
import sys
from tests.evidence.test_bundle import MASKING, SITE_TOML, document, media
from edge.evidence.bundle import build_bundle
print(build_bundle(document(), SITE_TOML, media(), MASKING).sha256)
"""


def test_another_process_with_another_hash_seed_makes_the_same_bundle() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", FROM_ANOTHER_PROCESS],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert hashes == {build_bundle(document(), SITE_TOML, media(), MASKING).sha256}


def test_nothing_of_the_machine_is_in_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(build_bundle(document(), SITE_TOML, media()).data)) as archive:
        for member in archive:
            assert member.isreg()
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
            assert (member.uname, member.gname) == ("", "")


@given(st.dictionaries(st.sampled_from(ORDER[1:7]), st.binary(max_size=2000)))
def test_any_content_comes_out_as_it_went_in(files: dict[str, bytes]) -> None:
    data = build_bundle(document(), SITE_TOML, Media(files)).data
    assert len(data) % 512 == 0
    assert {name: content for name, content in opened(data).items() if name in files} == files


def test_the_tar_of_the_system_reads_it_without_a_word(tmp_path: Path) -> None:
    if shutil.which("tar") is None:
        pytest.skip("there is no tar here")
    (tmp_path / "bundle.tar").write_bytes(build_bundle(document(), SITE_TOML, media()).data)
    done = subprocess.run(["tar", "-xvf", "bundle.tar"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ORDER
    assert done.stderr == ""
    assert (tmp_path / "site.toml").read_bytes() == SITE_TOML


def test_a_bundle_that_is_far_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUNDLE_BYTES", 100_000)
    with pytest.raises(EvidenceError, match="more than 100000"):
        build_bundle(document(), SITE_TOML, Media({"clip.mp4": bytes(100_000)}))


def test_a_track_of_the_greatest_length_fits_into_the_room_of_its_case() -> None:
    longest = case()
    longest = replace(
        longest,
        passage=replace(longest.passage, points=track(event.MAX_ROWS)),
        lamp_edges=longest.lamp_edges * (event.MAX_ROWS // 5 + 1),
    )
    for violation in (case(), longest):
        for site_toml in (SITE_TOML, b"# \xc3\xa4 long comment\n" * 30_000):
            made = event.build(violation, event_id=EVENT_ID, nonce=NONCE, sequence=1)
            payload = event.canonical({"event": made, "site_toml": site_toml.decode()})
            bundle = build_bundle(made, site_toml, Media.without_pictures("x" * 300))
            shipment = ship(EVENT_ID, bundle, Seal([RECIPIENT] * 16), Topics("s", "s", "n"), LEAST_PART_BYTES)
            raw = event.sign(event.with_evidence(made, shipment.reference), signing_key())
            kept = Case(EVENT_ID, payload)
            assert len(raw) + sum(len(message.payload) for message in shipment.messages) <= kept.room_bytes
            assert 1 + len(shipment.messages) <= kept.room_messages


@pytest.mark.parametrize(("megabytes", "part_kb", "fits"), [(40, 64, True), (60, 64, False), (60, 128, True)])
def test_the_list_of_parts_fits_where_they_do_or_it_is_told(megabytes: int, part_kb: int, fits: bool) -> None:
    bundle = Bundle(bytes(megabytes * 1_000_000), "0" * 64, ())
    if not fits:
        with pytest.raises(EvidenceError, match=r"raise evidence\.part_kb"):
            ship(EVENT_ID, bundle, Seal([]), Topics("s", "s", "n"), part_kb * 1024)
        return
    shipment = ship(EVENT_ID, bundle, Seal([]), Topics("s", "s", "n"), part_kb * 1024)
    assert max(len(message.payload) for message in shipment.messages) == part_kb * 1024
    assert shipment.reference.parts == len(shipment.messages) - 1
