"""Bad input ends with one clear sentence, exit code 2, no traceback, and nothing half written."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from edge.keys import create_key
from tests.command import ROOT, STOPLINE, Outcome, stopline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Command, Inputs

    Spoil = Callable[[Inputs], list[object]]

as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everywhere")


def refused(outcome: Outcome, words: str) -> None:
    """One sentence of the program's own, for people, and no other output."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("stopline: "), lines
    assert words in lines[0]
    assert ": " in lines[0].removeprefix("stopline: ") or "," in lines[0], "it does not say what to do"


def spoilt(inputs: Inputs, old: str, new: str) -> list[object]:
    """The site file with one thing wrong."""
    text = inputs.site.read_text(encoding="utf-8")
    assert old in text
    inputs.site.write_text(text.replace(old, new), encoding="utf-8")
    return []


def timeline(inputs: Inputs, text: str) -> list[object]:
    inputs.lamps.write_text(text, encoding="utf-8")
    return []


def no_video(inputs: Inputs) -> list[object]:
    inputs.video.unlink()
    return []


def text_as_video(inputs: Inputs) -> list[object]:
    inputs.video.write_text("This is no film.\n" * 100, encoding="utf-8")
    return []


def empty_video(inputs: Inputs) -> list[object]:
    inputs.video.write_bytes(b"")
    return []


def truncated_video(inputs: Inputs) -> list[object]:
    whole = inputs.video.read_bytes()
    inputs.video.write_bytes(whole[: len(whole) // 2])
    return []


def folder_as_video(inputs: Inputs) -> list[object]:
    inputs.video.unlink()
    inputs.video.mkdir()
    return []


def model(inputs: Inputs, weights: bytes, sha256: str | None = None, head: str = "stopline") -> list[object]:
    """Another model than the embedded one: its description is good but for what the caller says."""
    (inputs.folder / "model.onnx").write_bytes(weights)
    embedded = (ROOT / "models" / "stopline-s.toml").read_text(encoding="utf-8")
    lines = [line for line in embedded.splitlines() if not line.startswith(("file =", "sha256 =", "head ="))]
    named = ['file = "model.onnx"', f'sha256 = "{sha256 or hashlib.sha256(weights).hexdigest()}"', f'head = "{head}"']
    file = inputs.folder / "model.toml"
    file.write_text("\n".join([lines[0], *named, *lines[1:]]), encoding="utf-8")
    return ["--model", file]


def embedded_weights() -> bytes:
    return (ROOT / "models" / "stopline-s.onnx").read_bytes()


def readable_key(inputs: Inputs) -> list[object]:
    inputs.out.mkdir()
    shutil.copyfile(ROOT / "LICENSE", inputs.out / "node.key")
    (inputs.out / "node.key").chmod(0o644)
    return []


def node_file(inputs: Inputs, broker: str) -> list[object]:
    file = inputs.folder / "node.toml"
    file.write_text(f'schema = 1\n[node]\nid = "edge-1"\n[broker]\n{broker}\n', encoding="utf-8")
    return ["--node", file]


def out_below_a_file(inputs: Inputs) -> list[object]:
    (inputs.folder / "file").write_text("not a folder", encoding="utf-8")
    return ["--out", inputs.folder / "file" / "out"]


CASES: dict[str, tuple[Spoil, str]] = {
    "video missing": (no_video, "video.mp4 does not exist"),
    "video is a text": (text_as_video, "video.mp4 is no recording that can be read"),
    "video is empty": (empty_video, "video.mp4 is no recording that can be read"),
    "video truncated": (truncated_video, "video.mp4 was cut short"),
    "video is a folder": (folder_as_video, "video.mp4 is a folder"),
    "video of another aspect": (
        lambda inputs: spoilt(inputs, "[160, 96]", "[160, 160]"),
        "another aspect than the site's camera.size_px",
    ),
    "site missing": (lambda inputs: inputs.site.unlink() or [], "site.toml does not exist"),
    "site is no TOML": (lambda inputs: spoilt(inputs, "[camera]", "[camera"), "site.toml is not valid TOML"),
    "site with crossed lines": (
        lambda inputs: spoilt(inputs, "[[20, 30], [140, 30]]", "[[20, 30], [140, 90]]"),
        "site.toml, line 12: lanes[1]: stop_line_px and confirm_line_px cross",
    ),
    "site with the confirm line before the stop line": (
        lambda inputs: spoilt(inputs, "[0.0, -1.0]", "[0.0, 1.0]"),
        "site.toml, line 12: lanes[1]: confirm_line_px lies before stop_line_px",
    ),
    "site with an unknown group": (
        lambda inputs: spoilt(inputs, 'signal_group = "north"', 'signal_group = "south"'),
        'site.toml, line 14: lanes[1].signal_group: "south" is no signal group of this file',
    ),
    "site with an unknown key": (
        lambda inputs: spoilt(inputs, "contact =", "turn_on_rde = true\ncontact ="),
        "site.toml, line 18: lanes[1].turn_on_rde: is not known here",
    ),
    "lamps missing": (lambda inputs: inputs.lamps.unlink() or [], "lamps.csv does not exist"),
    "lamps of an unknown group": (
        lambda inputs: timeline(inputs, "t_s,group,red,amber,green\n0,north,0,0,1\n0,west,1,0,0\n"),
        'plays the signal group "west"',
    ),
    "lamps without the lane's group": (
        lambda inputs: (
            spoilt(
                inputs, '[[lanes]]\nid = "through"\n', '[[signal_groups]]\nid = "west"\n\n[[lanes]]\nid = "through"\n'
            )
            + timeline(inputs, "t_s,group,red,amber,green\n0,west,1,0,0\n")
        ),
        'has no row of the signal group "north" that lane through needs',
    ),
    "lamps are garbage": (
        lambda inputs: timeline(inputs, "\x00\x01 what is this?\n"),
        "lamps.csv, line 1: the header must read t_s,group,red,amber,green",
    ),
    "lamps with a bad number": (
        lambda inputs: timeline(inputs, "t_s,group,red,amber,green\n0,north,0,0,1\nsoon,north,1,0,0\n"),
        'lamps.csv, line 3: t_s is "soon"',
    ),
    "lamps with a bad lamp": (
        lambda inputs: timeline(inputs, "t_s,group,red,amber,green\n0,north,0,0,yes\n"),
        'lamps.csv, line 2: green is "yes"',
    ),
    "lamps are binary": (
        lambda inputs: inputs.lamps.write_bytes(bytes(range(256))) and [],
        "lamps.csv is no text file",
    ),
    "model missing": (lambda inputs: ["--model", inputs.folder / "none.toml"], "none.toml does not exist"),
    "model is no ONNX": (lambda inputs: model(inputs, b"This is no network.\n" * 50), "model"),
    "model with the wrong hash": (
        lambda inputs: model(inputs, embedded_weights(), sha256="0" * 64),
        "model.onnx is not the file that model.toml describes",
    ),
    "model with a head it does not have": (
        lambda inputs: model(inputs, embedded_weights(), head="yolox"),
        "the model",
    ),
    "model with an unknown head": (lambda inputs: model(inputs, b"", head="oracle"), 'head "oracle" is not known'),
    "out lies below a file": (out_below_a_file, "cannot be written"),
    "key of the results readable by others": (readable_key, "can be read by other users"),
    "broker is no address": (lambda _: ["--broker", "broker.example.org"], '"broker.example.org" is no broker'),
    "broker without a port that is one": (lambda _: ["--broker", "mqtt://127.0.0.1:port"], "is no broker"),
    "certificates for a broker without TLS": (
        lambda inputs: node_file(inputs, 'url = "mqtt://127.0.0.1:1883"\nca = "ca.pem"'),
        "use mqtts://",
    ),
    "certificates that are missing": (
        lambda inputs: node_file(inputs, 'url = "mqtts://127.0.0.1:8883"\nca = "ca.pem"'),
        "ca.pem cannot be used as the broker's CA certificate",
    ),
    "start without a zone": (lambda _: ["--start", "2026-05-04 08:00"], "is no instant with its zone"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_replay_of_bad_input_says_so_and_leaves_nothing(case: str, command: Command, inputs: Inputs) -> None:
    spoil, words = CASES[case]
    more = spoil(inputs)
    there = {path: path.stat().st_size for path in inputs.folder.rglob("*")}
    refused(command(*inputs.words(*more)), words)
    left = {path: path.stat().st_size for path in inputs.folder.rglob("*")}
    assert left == there, "something was written"


def test_good_input_is_not_refused(command: Command, inputs: Inputs) -> None:
    """Else the cases above could be refused for a reason of their own."""
    outcome = command(*inputs.words())
    assert outcome.code == 0, outcome
    assert (inputs.out / "events.jsonl").read_bytes() == b""


def test_what_an_earlier_replay_left_outlives_bad_input(command: Command, inputs: Inputs) -> None:
    assert command(*inputs.words()).code == 0
    results = {path.name: path.read_bytes() for path in inputs.out.iterdir() if not path.name.startswith("outbox")}
    text_as_video(inputs)
    refused(command(*inputs.words()), "is no recording")
    assert results == {name: (inputs.out / name).read_bytes() for name in results}


@as_root
def test_results_that_may_not_be_written(command: Command, inputs: Inputs) -> None:
    inputs.out.mkdir(mode=0o500)
    refused(command(*inputs.words()), "cannot be written")


def test_results_on_a_full_disk(inputs: Inputs) -> None:
    """A limit on the size of files stands for the full disk: one sentence, and no result file, half or whole."""
    words = " ".join(str(word) for word in inputs.words())
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 1; exec {STOPLINE} {words}"], capture_output=True, text=True, timeout=60, check=False
    )
    refused(Outcome(full.returncode, full.stdout, full.stderr), "outbox.sqlite")
    assert not [path.name for path in inputs.out.iterdir() if path.name.startswith(("passages", "events"))]


def test_the_installed_command_prints_no_traceback(inputs: Inputs) -> None:
    text_as_video(inputs)
    refused(stopline(*inputs.words()), "is no recording")


@pytest.mark.parametrize(
    "words",
    [[], ["replay"], ["replay", "x.mp4", "--site", "s.toml"], ["reply"], ["replay", "--threads", "0"], ["verify"]],
    ids=" ".join,
)
def test_a_command_line_that_is_none_ends_with_its_usage(words: list[str], command: Command) -> None:
    outcome = command(*words)
    assert outcome.code == 2
    assert "Usage: " in outcome.out + outcome.err


RECEIVE = ["receive", "--store", "{}/store", "--broker", "mqtt://127.0.0.1:1"]
RECEIVE_TLS = ["receive", "--store", "{}/store", "--node", "{}/node.toml"]
COMMISSION = ["commission", "{}/none.mp4", "--site", "{}/site.toml", "--node", "{}/node.toml", "--by", "somebody"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "{}/none.toml"], "none.toml does not exist"),
        (["check", "{}/video.mp4"], "is no text file"),
        (["verify", "{}/none.jsonl"], "none.jsonl cannot be read"),
        (["verify", "{}/lamps.csv"], "No key to check"),
        (["verify", "{}/lamps.csv", "--key", "{}/lamps.csv"], "holds no public key"),
        (["verify", "{}/lamps.csv", "--key", "{}/none.pem"], "none.pem does not exist"),
        (["verify", "{}/site.toml", "--key", "{}/trusted.pem"], "site.toml holds no events: give the"),
        (["verify", "{}/video.mp4", "--key", "{}/trusted.pem"], "video.mp4 holds no events: give the"),
        (["verify", "--decisions", "{}/site.toml", "--key", "{}/trusted.pem"], "holds no decisions: give the"),
        (["keys", "show", "{}/none.key"], "none.key does not exist"),
        (["keys", "new", "{}/none/node.key"], "cannot be written"),
        (["keys", "new", "{}/site.toml"], "exists"),
        (["outbox", "list", "{}/none.sqlite"], "none.sqlite does not exist"),
        (["outbox", "list", "{}/video.mp4"], "video.mp4"),
        (["outbox", "retry", "{}/lamps.csv"], "lamps.csv"),
        (["outbox", "retry", "{}/none.sqlite"], "none.sqlite does not exist"),
        (["outbox", "list", "{}"], "is a folder: give the outbox.sqlite"),
        (["outbox", "retry", "{}"], "is a folder: give the outbox.sqlite"),
        (["outbox", "list", "{}/empty"], "empty is empty, and so no outbox: give the outbox.sqlite"),
        (["outbox", "retry", "{}/empty"], "empty is empty, and so no outbox: give the outbox.sqlite"),
        (["receive", "refused", "--store", "{}/typo"], "typo does not exist: give the folder"),
        (["receive", "refused", "--store", "{}"], "is no store: give the folder"),
        (["receive", "refused", "--store", "{}/lamps.csv"], "lamps.csv is no store: give the folder"),
        (["receive", "erase", "01976f3e-5a10-7c3b-9d52-3f8a1c6e2b47", "--store", "{}/typo"], "typo does not exist"),
        (["receive", "erase", "01976f3e-5a10-7c3b-9d52-3f8a1c6e2b47", "--store", "{}"], "is no store"),
        (["receive", "export", "main-and-3rd/edge-1", "--out", "{}/copy", "--store", "{}/typo"], "does not exist"),
        (["receive", "export", "main-and-3rd/edge-1", "--out", "{}/copy", "--store", "{}"], "is no store"),
        (["ui", "--no-browser", "--store", "{}/typo", "--key", "{}/none.pem"], "typo does not exist"),
        (["ui", "--no-browser", "--store", "{}", "--key", "{}/none.pem"], "is no store"),
        ([*RECEIVE, "--trust", "{}/none"], "none/ca.pem does not exist"),
        ([*RECEIVE, "--key", "{}/none.pem"], "none.pem does not exist"),
        (RECEIVE, "Whom to trust is not said"),
        ([*RECEIVE, "--key", "{}/trusted.pem", "--sign-with", "{}/none.key"], "none.key does not exist"),
        ([*RECEIVE, "--key", "{}/trusted.pem", "--name", "a/b"], "cannot be part of a subscription"),
        ([*RECEIVE_TLS, "--key", "{}/trusted.pem"], "ca.pem cannot be used"),
        (["propose", "{}/video.mp4", "--out", "{}/none/q.toml"], "none/q.toml cannot be written"),
        (["propose", "{}/video.mp4", "--out", "{}/lamps.csv/q.toml"], "q.toml cannot be written"),
        (["propose", "{}/video.mp4", "--out", "{}/site.toml"], "site.toml is there already"),
        (["ui", "{}/video.mp4", "--no-browser", "--site", "{}/none/x.toml"], "none/x.toml cannot be written"),
        (["propose", "http://127.0.0.1:1/x.mp4"], "http://127.0.0.1:1/x.mp4 is no address that is read here: give"),
        (COMMISSION, "none.mp4 does not exist"),
        (["run", "{}/video.mp4", "--site", "{}/site.toml", "--node", "{}/none.toml"], "none.toml does not exist"),
    ],
    ids=lambda value: " ".join(value).replace("{}/", "") if isinstance(value, list) else "",
)
def test_other_commands_refuse_bad_input(words: list[str], said: str, command: Command, inputs: Inputs) -> None:
    shutil.copyfile(ROOT / "docs" / "example-key.pem", inputs.folder / "trusted.pem")
    (inputs.folder / "empty").touch()
    node_file(inputs, 'url = "mqtts://127.0.0.1:1"\nca = "ca.pem"')
    create_key(inputs.folder / "node.key")
    there = {path: path.read_bytes() for path in inputs.folder.rglob("*")}
    refused(command(*(word.format(inputs.folder) for word in words)), said)
    assert there == {path: path.read_bytes() for path in inputs.folder.rglob("*")}
