"""Each command does its work, and says so to people and to programs."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from edge import __version__
from edge.delivery import Keeping
from edge.outbox import Message, Outbox
from tests.command import ROOT, events, stopline
from tests.recordings import FIRST, Recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, Inputs
    from tests.recordings import Replays

COMMANDS = [
    ["replay"],
    ["run"],
    ["inspect"],
    ["verify"],
    ["report"],
    ["check"],
    ["ca"],
    ["keys"],
    ["keys", "new"],
    ["keys", "show"],
    ["ledger"],
    ["ledger", "audit"],
    ["ledger", "prove"],
    ["ledger", "check"],
    ["ledger", "witness"],
    ["ledger", "key"],
    ["ledger", "vkey"],
    ["ledger", "leaves"],
    ["receive"],
    ["receive", "erase"],
    ["receive", "export"],
    ["receive", "refused"],
    ["ui"],
    ["propose"],
    ["commission"],
    ["doctor"],
    ["outbox"],
    ["outbox", "list"],
    ["outbox", "retry"],
    ["model"],
    ["model", "list"],
    ["model", "pull"],
    ["model", "check"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: list[str], command: Command) -> None:
    outcome = command(*words, "--help")
    assert outcome.code == 0
    assert re.search(r"Usage: .*" + " ".join(words), outcome.out)
    explained = [line for line in outcome.out.splitlines() if line.strip().endswith(".")]
    assert explained, "no sentence says what it does"


def test_help_lists_every_command(command: Command) -> None:
    listed = command("--help").out
    assert {words[0] for words in COMMANDS} == set(re.findall(r"^│ ([a-z]+)  ", listed, re.MULTILINE))


def test_the_version_is_that_of_the_package(command: Command) -> None:
    assert command("--version").out == f"stopline {__version__}\n"


# --- replay


def test_a_replay_tells_people_and_programs_the_same(command: Command, inputs: Inputs) -> None:
    told = command(*inputs.words())
    assert told.code == 0
    assert "0 passages in 10 frames" in told.out
    assert str(inputs.out / "passages.csv") in told.out
    for_programs = command(*inputs.words("--json"))
    assert for_programs.json() == {
        "frames": 10,
        "verdicts": {},
        "waiting": 0,
        "problem": "no broker was named",
        "notes": [],
    }


def test_a_replay_leaves_what_is_needed_to_check_it(replays: Replays) -> None:
    out = replays.of(FIRST)
    assert {file.name for file in out.iterdir()} == {
        "passages.csv",
        "tracks.jsonl",
        "lamps.csv",
        "site.toml",
        "events.jsonl",
        "checkpoint",
        "evidence",
        "outbox.sqlite",
        "node.key",
        "node.pub.pem",
    }
    assert stat.S_IMODE((out / "node.key").stat().st_mode) == 0o600


def test_a_replay_passes_the_audit_of_its_ledger(replays: Replays, command: Command, tmp_path: Path) -> None:
    out = replays.of(FIRST)
    outcome = command("ledger", "audit", out, "--key", out / "node.pub.pem")
    assert (outcome.code, outcome.out) == (
        0,
        "plain-red-runner/replay: 1 of 1 events are as the node logged them.\n",
    )
    (tmp_path / "events.jsonl").write_bytes(b"")
    words = ["--checkpoint", out / "checkpoint", "--key", out / "node.pub.pem"]
    outcome = command("ledger", "audit", tmp_path, *words)
    assert outcome.code == 1
    assert outcome.out.startswith("DROPPED: event 1 is missing")


def test_an_event_of_a_replay_says_what_made_it(replays: Replays) -> None:
    [event] = events(replays.of(FIRST))
    assert event["source"] == "stopline://plain-red-runner/replay"
    assert event["data"]["origin"]["software"] == __version__
    assert event["data"]["review"] == "required"
    assert event["data"]["clock"] == {"basis": "recording", "utc_bound_ms": None}
    assert "time" not in event


def test_a_node_file_names_the_signer(command: Command, inputs: Inputs, tmp_path: Path) -> None:
    assert command("keys", "new", tmp_path / "edge.key").code == 0
    (tmp_path / "node.toml").write_text('schema = 1\n[node]\nid = "edge-7"\nkey = "edge.key"\n', encoding="utf-8")
    assert command(*inputs.words("--node", tmp_path / "node.toml", "--start", "2026-05-04T08:00:00+02:00")).code == 0
    assert (inputs.out / "node.pub.pem").read_bytes() == (tmp_path / "edge.pub.pem").read_bytes()
    assert not (inputs.out / "node.key").exists()


# --- verify


def test_genuine_events_verify(command: Command, replays: Replays) -> None:
    out = replays.of(FIRST)
    outcome = command("verify", out / "events.jsonl", "--key", out / "node.pub.pem")
    assert outcome.code == 0
    assert "1 of 1 events are intact." in outcome.out
    assert "give one you trust" not in outcome.out


def test_a_key_that_lies_beside_the_events_is_not_called_trusted(command: Command, replays: Replays) -> None:
    outcome = command("verify", replays.of(FIRST) / "events.jsonl")
    assert outcome.code == 0
    assert "give one you trust with --key" in outcome.out
    document = command("verify", replays.of(FIRST) / "events.jsonl", "--json").json()
    assert (document["intact"], document["key_trusted"]) == (True, False)


@pytest.mark.parametrize("place", range(0, 100, 9))
def test_one_changed_byte_fails(place: int, command: Command, replays: Replays, tmp_path: Path) -> None:
    out = replays.of(FIRST)
    raw = bytearray((out / "events.jsonl").read_bytes())
    position = (len(raw) - 2) * place // 100
    raw[position] ^= 0x01
    (tmp_path / "changed.jsonl").write_bytes(raw)
    outcome = command("verify", tmp_path / "changed.jsonl", "--key", out / "node.pub.pem")
    assert outcome.code == 1
    assert "FAILED line 1" in outcome.out
    assert "0 of 1 events are intact." in outcome.out


def test_one_bad_event_does_not_hide_the_good_ones(command: Command, replays: Replays, tmp_path: Path) -> None:
    out = replays.of(FIRST)
    good = (out / "events.jsonl").read_bytes()
    (tmp_path / "mixed.jsonl").write_bytes(good + good.replace(b'"violation"', b'"on_green"') + b"hello\n" + good)
    outcome = command("verify", tmp_path / "mixed.jsonl", "--key", out / "node.pub.pem", "--json")
    assert outcome.code == 1
    findings = outcome.json()["events"]
    assert [finding["intact"] for finding in findings] == [True, False, False, True]
    assert [finding["line"] for finding in findings] == [1, 2, 3, 4]


def test_events_of_another_key_fail(command: Command, replays: Replays, tmp_path: Path) -> None:
    assert command("keys", "new", tmp_path / "other.key").code == 0
    outcome = command("verify", replays.of(FIRST) / "events.jsonl", "--key", tmp_path / "other.pub.pem")
    assert outcome.code == 1
    assert "its key is not trusted" in outcome.out


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_file_without_events_does_not_count_as_intact(more: list[str], command: Command, inputs: Inputs) -> None:
    assert command(*inputs.words()).code == 0
    outcome = command("verify", inputs.out / "events.jsonl", *more)
    assert (outcome.code, outcome.out) == (2, "")
    assert "events.jsonl is empty, so there is nothing to check: " in outcome.err


def test_the_example_of_the_event_format_verifies(command: Command) -> None:
    docs = ROOT / "docs"
    assert command("verify", docs / "example-event.jsonl", "--key", docs / "example-key.pem").code == 0


# --- check


@pytest.mark.parametrize("file", sorted(ROOT.glob("sim_fixtures/*/site.toml")), ids=lambda file: file.parent.name)
def test_the_site_files_of_the_recordings_are_good(file: Path, command: Command) -> None:
    outcome = command("check", file)
    assert outcome.code == 0
    assert f"{file} is good." in outcome.out


def test_check_tells_a_program_what_the_file_holds(command: Command, inputs: Inputs) -> None:
    document = command("check", inputs.site, "--json").json()
    assert document["site"] == "main-and-3rd"
    assert document["signal_groups"] == ["north"]
    assert list(document["lanes"]) == ["through"]


# --- keys


def test_a_new_key_is_private_and_its_public_part_is_shown(command: Command, tmp_path: Path) -> None:
    made = command("keys", "new", tmp_path / "node.key")
    assert made.code == 0
    assert stat.S_IMODE((tmp_path / "node.key").stat().st_mode) == 0o600
    shown = command("keys", "show", tmp_path / "node.key")
    assert shown.out.encode() == (tmp_path / "node.pub.pem").read_bytes()
    assert "PRIVATE" not in shown.out
    kid = shown.err.split()[-1]
    assert made.out.strip().endswith(kid)


def test_a_key_is_replaced_only_by_force(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "node.key"
    assert command("keys", "new", file).code == 0
    before = file.read_bytes()
    assert command("keys", "new", file).code == 2
    assert file.read_bytes() == before
    assert command("keys", "new", file, "--force").code == 0
    assert file.read_bytes() != before
    assert command("keys", "show", file).out.encode() == (tmp_path / "node.pub.pem").read_bytes()


# --- outbox


def test_the_outbox_shows_what_waits(command: Command, replays: Replays) -> None:
    out = replays.of(FIRST)
    [event] = events(out)
    document = command("outbox", "list", out / "outbox.sqlite", "--json").json()
    assert (document["refused"], document["delivered"]) == (0, 0)
    message, *evidence = document["messages"]
    assert document["pending"] == 1 + len(evidence)
    assert {one["kind"] for one in evidence} == {"evidence"}
    assert message["id"] == event["id"]
    assert message["topic"] == "stopline/v1/plain-red-runner/replay/event/violation"
    assert message["bytes"] == len((out / "events.jsonl").read_bytes()) - 1
    told = command("outbox", "list", out / "outbox.sqlite")
    assert f"{document['pending']} wait, 0 were refused, 0 have been delivered." in told.out


def test_refused_messages_are_shown_with_their_reason_and_wait_again(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    with Outbox(file) as outbox:
        outbox.append(Message("one", "stopline/v1/a/b/event/violation", "application/json", b"{}"))
        outbox.refused("one", "Not authorized")
    assert "Not authorized" in command("outbox", "list", file).out
    assert command("outbox", "retry", file).out == "1 messages wait to be sent again\n"
    assert command("outbox", "list", file, "--json").json()["messages"][0]["state"] == "pending"


def test_what_awaits_a_receipt_or_is_kept_is_shown(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    with Outbox(file, keeping=Keeping(receipts=True, keep_s=3600)) as outbox:
        for name in ("one", "two", "three"):
            outbox.append(Message(name, "stopline/v1/a/b/event/violation", "application/json", b"{}"))
        outbox.delivered(["one", "two"])
        outbox.confirmed("one", whole=True)
    told = command("outbox", "list", file).out
    assert "1 wait, 0 were refused, 1 have been delivered." in told
    assert "1 await a receipt, 1 were delivered and are kept on." in told
    document = command("outbox", "list", file, "--json").json()
    assert (document["sent"], document["kept"]) == (1, 1)
    assert [one["state"] for one in document["messages"]] == ["kept", "sent", "pending"]


# --- model


def test_the_embedded_model_finds_vehicles_in_a_recording() -> None:
    outcome = stopline("model", "check", Recording(FIRST).video, "--json")
    assert outcome.code == 0, outcome.err
    tried = json.loads(outcome.out)
    assert tried["name"] == "stopline-s"
    assert tried["found"]["car"] > 0


def test_the_list_of_models_names_the_embedded_one(command: Command) -> None:
    rows = command("model", "list", "--json").json()
    assert any(row["name"] == "stopline-s" for row in rows)


def test_a_model_that_finds_nothing_is_told(command: Command, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "grey.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((96, 160, 3), 128, np.uint8), format="rgb24")))
        out.mux(stream.encode())
    outcome = command("model", "check", tmp_path / "grey.mp4")
    assert outcome.code == 1
    assert "found nothing" in outcome.out


def test_a_model_is_not_tried_on_a_page_of_the_web(command: Command) -> None:
    outcome = command("model", "check", "http://example.org/a.mp4")
    assert outcome.code == 2
    assert "http://example.org/a.mp4 is no address that is read here" in outcome.err


def test_an_unknown_model_cannot_be_pulled(command: Command, tmp_path: Path) -> None:
    outcome = command("model", "pull", "oracle", "--out", tmp_path / "models")
    assert outcome.code == 2
    assert "oracle" in outcome.err
    assert not (tmp_path / "models").exists()
