"""The record: signed, compared, and none where it was touched; the self test; the command."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from edge.commissioning import (
    RECORD,
    VIEW,
    Fitness,
    compare,
    compare_with_start,
    read_record,
    read_view,
    software_sha256,
    write_record,
)
from edge.detector import Detector, load_model
from edge.embedded import embedded_model
from edge.errors import ConfigError
from edge.health import Outcome
from edge.keys import create_key
from edge.outbox import Outbox
from edge.selftest import self_test
from edge.view import features, hash_of
from tests.bench import commission
from tests.command import ROOT, stopline

if TYPE_CHECKING:
    from pathlib import Path

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
TOLD = {"site": "s", "node": "n", "by": "Ada", "at": "2026-05-04T08:00:00Z"}
LOOK = features([np.random.default_rng(1).integers(0, 255, (180, 320)).astype(np.uint8)]).packed()
FITNESS = Fitness("a" * 64, "b" * 64, "1.0", "c" * 64, hash_of(LOOK))


def test_a_record_reads_back_as_it_was_signed(tmp_path: Path) -> None:
    key, installer = create_key(tmp_path / "node.key"), create_key(tmp_path / "installer.key")
    write_record(tmp_path, TOLD, FITNESS, LOOK, key, installer)
    record = read_record(tmp_path, key)
    assert (record.by, record.at, record.fitness, record.installer_kid) == ("Ada", TOLD["at"], FITNESS, installer.kid)
    assert read_view(tmp_path)[1] == FITNESS.view_sha256
    assert (tmp_path / RECORD).stat().st_mode & 0o777 == 0o600
    assert compare(record, "s", "n", FITNESS).outcome is Outcome.OK


def test_a_record_that_was_touched_or_is_another_nodes_counts_as_none(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    with pytest.raises(ConfigError, match="stopline commission"):
        read_record(tmp_path, key)
    write_record(tmp_path, TOLD, FITNESS, LOOK, key)
    raw = (tmp_path / RECORD).read_bytes()
    (tmp_path / RECORD).write_bytes(raw.replace(b"Ada", b"Eve"))
    with pytest.raises(ConfigError, match="was changed since"):
        read_record(tmp_path, key)
    (tmp_path / RECORD).write_bytes(raw[:-20])
    with pytest.raises(ConfigError, match="no record"):
        read_record(tmp_path, key)
    (tmp_path / RECORD).write_bytes(raw)
    with pytest.raises(ConfigError, match="not signed by this node's key"):
        read_record(tmp_path, create_key(tmp_path / "other.key"))


def test_where_the_record_cannot_be_written_the_view_is_as_it_was(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    write_record(tmp_path, TOLD, FITNESS, LOOK, key)
    before = read_record(tmp_path, key)
    record = (tmp_path / RECORD).rename(tmp_path / "kept")
    (tmp_path / RECORD).mkdir()
    with pytest.raises(ConfigError):
        write_record(tmp_path, TOLD, FITNESS, LOOK + b"another", key)
    (tmp_path / RECORD).rmdir()
    record.rename(tmp_path / RECORD)
    assert read_record(tmp_path, key) == before
    assert read_view(tmp_path)[1] == before.fitness.view_sha256


def test_an_installers_signature_that_does_not_hold_voids_the_record(tmp_path: Path) -> None:
    key, installer = create_key(tmp_path / "node.key"), create_key(tmp_path / "installer.key")
    write_record(tmp_path, TOLD, FITNESS, LOOK, key, installer)
    signed = json.loads((tmp_path / RECORD).read_bytes())
    write_record(tmp_path, TOLD | {"by": "Eve"}, FITNESS, LOOK, key)
    forged = json.loads((tmp_path / RECORD).read_bytes())
    forged["installer"] = signed["installer"]
    del forged["signature"]
    from edge.keys.jws import sign_document

    (tmp_path / RECORD).write_bytes(sign_document(forged, key))
    with pytest.raises(ConfigError, match="installer's signature"):
        read_record(tmp_path, key)


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("site_sha256", "the site file"),
        ("model_sha256", "the detector"),
        ("software", "the software's version"),
        ("software_sha256", "the software's files"),
        ("view_sha256", "the reference view"),
    ],
)
def test_what_has_changed_is_named(field: str, named: str, tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    write_record(tmp_path, TOLD, FITNESS, LOOK, key)
    found = compare(read_record(tmp_path, key), "s", "n", replace(FITNESS, **{field: "d" * 64}))
    assert found.outcome is Outcome.NOT_OK
    assert named in found.words
    assert "stopline commission" in found.words


def test_what_has_changed_since_the_start_wants_a_restart() -> None:
    assert compare_with_start(FITNESS, FITNESS) is None
    assert compare_with_start(FITNESS, replace(FITNESS, view_sha256="d" * 64)) is None, "read anew with each record"
    found = compare_with_start(FITNESS, replace(FITNESS, site_sha256="d" * 64, software_sha256="d" * 64))
    assert found is not None
    assert found.outcome is Outcome.NOT_OK
    assert found.words == "Changed since the node was started: the site file, the software's files; restart it."


def test_a_record_of_another_site_is_named(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    write_record(tmp_path, TOLD, FITNESS, LOOK, key)
    assert "s/n, not of s/m" in compare(read_record(tmp_path, key), "s", "m", FITNESS).words


def test_any_changed_file_of_the_software_changes_its_hash(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "one.py").write_text("x = 1\n")
    before = software_sha256(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "one.pyc").write_text("compiled")
    assert software_sha256(tmp_path) == before
    (tmp_path / "sub" / "one.py").write_text("x = 2\n")
    changed = software_sha256(tmp_path)
    (tmp_path / "sub" / "one.py").rename(tmp_path / "sub" / "two.py")
    assert len({before, changed, software_sha256(tmp_path)}) == 3


@pytest.mark.parametrize("region_px", [None, (200.0, 100.0, 500.0, 340.0)])
def test_the_detector_passes_the_self_test_on_any_region(
    region_px: tuple[float, float, float, float] | None, tmp_path: Path
) -> None:
    key = create_key(tmp_path / "node.key")
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        detector = Detector(load_model(embedded_model()), (640, 360), region_px)
        assert self_test(detector, key, outbox).outcome is Outcome.OK


def test_a_detector_that_finds_nothing_fails_it(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    model = load_model(embedded_model())
    blind = replace(model, thresholds=model.thresholds.model_copy(update={"low": 0.999, "high": 0.999}))
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        found = self_test(Detector(blind, (640, 360)), key, outbox)
    assert found.outcome is Outcome.NOT_OK
    assert "does not find the car" in found.words


def test_the_command_writes_a_record_that_holds(tmp_path: Path) -> None:
    key, installer = create_key(tmp_path / "node.key"), create_key(tmp_path / "installer.key")
    node = tmp_path / "node.toml"
    node.write_text('schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\nstate = "state"\n')
    said = commission(CASE, node, "--key", tmp_path / "installer.key")
    assert "self test was passed" in said
    record = read_record(tmp_path / "state", key)
    assert (record.site, record.node, record.by) == ("plain-red-runner", "bench", "the test bench")
    assert record.installer_kid == installer.kid
    assert read_view(tmp_path / "state")[1] == record.fitness.view_sha256
    assert {file.name for file in (tmp_path / "state").iterdir()} >= {RECORD, VIEW}


def test_a_camera_that_shows_one_picture_only_is_not_commissioned(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    node = tmp_path / "node.toml"
    node.write_text('schema = 1\n\n[node]\nid = "n"\nkey = "node.key"\nstate = "state"\n', encoding="utf-8")
    with av.open(str(CASE / "video.mp4")) as recording, av.open(str(tmp_path / "frozen.mp4"), "w") as out:
        picture = next(recording.decode(video=0)).to_ndarray(format="bgr24")
        stream = out.add_stream("libx264", rate=5, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(np.zeros_like(picture) + picture, format="bgr24")
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    site = ("--site", CASE / "site.toml")
    done = stopline("commission", tmp_path / "frozen.mp4", *site, "--node", node, "--by", "Ada", "--for", 8)
    assert done.code == 2
    assert "The picture is frozen" in done.err
    assert not (tmp_path / "state" / RECORD).exists()


def test_a_commissioning_by_nobody_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    node = tmp_path / "node.toml"
    node.write_text('schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\nstate = "state"\n')
    site = ("--site", CASE / "site.toml")
    done = stopline("commission", CASE / "video.mp4", *site, "--node", node, "--by", " ")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--by" in done.err
    assert not (tmp_path / "state").exists()
