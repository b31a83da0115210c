"""``stopline run``: a fixture sent live over UDP, judged as it comes, and ended in order."""

from __future__ import annotations

import io
import json
import signal
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pyrage
import pytest

from edge import event
from edge.evidence.parts import Assembler, Parcel
from edge.keys import create_key, trust
from edge.outbox import Outbox
from tests.bench import commission, lamps_with_past, path_with_chronyc
from tests.command import ROOT, running_stopline, stopline
from tests.live import free_udp_port, send_live, wait_for_listener

if TYPE_CHECKING:
    from pathlib import Path

    from edge.outbox import Row

pytestmark = pytest.mark.alone

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
AUTHORITY = pyrage.x25519.Identity.generate()
_SENT_S = 14.0


def _node_file(folder: Path) -> Path:
    node = folder / "node.toml"
    evidence = f'[evidence]\nrecipients = ["{AUTHORITY.to_public()}"]\nafter_s = 1.0\n'
    node.write_text(f'schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\nstate = "state"\n\n{evidence}')
    return node


@pytest.mark.slow
@pytest.mark.replay
def test_a_live_camera_is_judged_and_the_node_ends_in_order(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    port = free_udp_port()
    camera = f"udp://127.0.0.1:{port}?timeout=20000000"
    node_file, lamps = _node_file(tmp_path), lamps_with_past(CASE, tmp_path)
    commission(CASE, node_file)
    words = ["--site", CASE / "site.toml", "--node", node_file, "--signal", lamps]
    with running_stopline("run", camera, *words, path=path_with_chronyc(tmp_path / "bin")) as node:
        wait_for_listener(port)
        send_live(CASE / "video.mp4", port, _SENT_S)
        time.sleep(1.0)
        node.send_signal(signal.SIGTERM)
        out, err = node.communicate(timeout=60)
    assert node.returncode == 0, err
    assert "frames judged" in out
    with Outbox(tmp_path / "state" / "outbox.sqlite") as outbox:
        everything = outbox.pending(100)
        assert outbox.open_cases() == []
        size = outbox.ledger().size
    states = [row for row in everything if row.message.topic.endswith("event/state")]
    said = [event.verify(row.message.payload, trust(key.public)).document["data"] for row in states]
    assert [(one["previous"], one["state"]) for one in said[:2]] == [(None, "disarmed"), ("disarmed", "armed")], err
    assert size == 1 + len(said)  # a camera that has sent all it has is silent, and the node may have said so too
    assert said[1]["commissioned"]["by"] == "the test bench"
    waiting = [row for row in everything if row not in states]
    checked = [event.verify(row.message.payload, trust(key.public)) for row in waiting[:1]]
    assert [one.lane for one in checked] == ["lane-2"]
    document = json.loads(waiting[0].message.payload)
    assert document["data"]["clock"] == {"basis": "utc", "utc_bound_ms": 1.5}
    sealed = assembled(document, waiting[1:])
    manifest = manifest_of(pyrage.decrypt(sealed, [AUTHORITY]))
    assert (manifest["event_id"], manifest["missing"]) == (document["id"], [])
    assert [still["claim"] for still in manifest["stills"]] == [
        "before the stop line on red",
        "past the confirm line on red",
    ]
    # The played lamps start with the first picture judged, a moment after the first one sent: the red is that later.
    assert checked[0].red_at_least_s is not None
    assert 0.5 < checked[0].red_at_least_s < 2.2


@pytest.mark.slow
@pytest.mark.replay
def test_a_node_that_was_not_commissioned_judges_and_records_nothing(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    port = free_udp_port()
    camera = f"udp://127.0.0.1:{port}?timeout=20000000"
    lamps = lamps_with_past(CASE, tmp_path)
    words = ["--site", CASE / "site.toml", "--node", _node_file(tmp_path), "--signal", lamps]
    with running_stopline("run", camera, *words, path=path_with_chronyc(tmp_path / "bin")) as node:
        wait_for_listener(port)
        send_live(CASE / "video.mp4", port, _SENT_S)
        time.sleep(1.0)
        node.send_signal(signal.SIGTERM)
        out, err = node.communicate(timeout=60)
    assert node.returncode == 0, err
    assert "1 violation" in out
    assert err.count("The node is disarmed.") == 1
    assert "stopline commission" in err
    with Outbox(tmp_path / "state" / "outbox.sqlite") as outbox:
        row, *_ = outbox.pending(100)
    found = event.verify(row.message.payload, trust(key.public))
    assert (found.is_violation, found.lane, found.document["data"]["commissioned"]) == (False, "arming", None)


def assembled(document: dict[str, Any], rows: list[Row]) -> bytes:
    """The bundle that belongs to an event, out of the messages that follow it."""
    assembler = Assembler(document["id"], document["data"]["evidence"]["sent_sha256"])
    for index, row in enumerate(rows):
        assembler.add(Parcel(index, row.message.content_type, row.message.payload))
    assert assembler.whole is not None, assembler.reason
    return assembler.whole.data


def manifest_of(bundle: bytes) -> dict[str, Any]:
    """The manifest of an open bundle."""
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        manifest: dict[str, Any] = json.load(member)
    return manifest


@pytest.mark.parametrize("words", ["", '\n[evidence]\nseal = "none"\n'])
def test_a_node_that_would_not_seal_does_not_start(words: str, tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    node = tmp_path / "node.toml"
    node.write_text(f'schema = 1\n\n[node]\nid = "bench"\n{words}')
    done = stopline(
        "run", "udp://127.0.0.1:9", "--site", CASE / "site.toml", "--node", node, "--signal", CASE / "lamps.csv"
    )
    assert done.code == 2
    assert "recipients" in done.err
    assert done.err.count("\n") == 1


def test_a_recording_is_sent_to_replay(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    node = _node_file(tmp_path)
    lamps = ("--signal", CASE / "lamps.csv")
    done = stopline("run", CASE / "video.mp4", "--site", CASE / "site.toml", "--node", node, *lamps)
    assert done.code == 2
    assert "stopline replay" in done.err
    assert "Traceback" not in done.err


def test_lamps_without_pins_are_named(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    done = stopline("run", "udp://127.0.0.1:9", "--site", CASE / "site.toml", "--node", _node_file(tmp_path))
    assert done.code == 2
    assert "signal group north has no pins" in done.err
    assert done.err.count("\n") == 1
