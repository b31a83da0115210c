"""``stopline doctor`` on a sound set-up and on broken ones: real broker with TLS, real camera stream, real keys."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from gpiozero.pins.mock import MockFactory

from edge.commands import commission, doctor
from edge.commands.commission import CommissionRequest
from edge.commands.doctor import DoctorRequest, Found, State, examine
from edge.commands.lamps_now import lamps_on_wires
from edge.config import load_site
from edge.keys import create_key
from edge.outbox import MAX_BYTES, Message, Outbox
from edge.sources.gpio import GpioLamps
from tests.broker import MOSQUITTO, Authority, Mosquitto
from tests.command import ROOT, stopline
from tests.live import free_udp_port, live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from edge.records import LampEdge
    from edge.sources.gpio import LampPins

pytestmark = [pytest.mark.broker, pytest.mark.alone]

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
RECIPIENT = "age1yaau8j38fp5fxkdlcjry4fl3legp57c9zxlz34g3mw95lj7cacaqemac68"
GROUPS = {"north": (17, 27, 22), "cross": (5, 6, 13)}


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("node")
    return folder


@pytest.fixture
def broker(folder: Path) -> Iterator[Mosquitto]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    authority = Authority(folder / "tls", "authority")
    cert, key = authority.issue("broker", server=True)
    authority.issue("edge-1")
    listener = (f"cafile {authority.file}", f"certfile {cert}", f"keyfile {key}", "require_certificate true")
    rights = folder / "mosquitto.acl"
    shutil.copyfile(ROOT / "firmware-config" / "mosquitto.acl", rights)
    rights.chmod(0o644)
    options = (f"acl_file {rights}",)
    with Mosquitto(folder / "broker", options, (*listener, "use_identity_as_username true")) as running:
        yield running


def site_file(folder: Path, *, wired: bool = True) -> Path:
    text = (CASE / "site.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[signal_groups\.view\]\n(.+\n)+", "", text)
    for group, pins in GROUPS.items() if wired else ():
        wires = "red = {}, amber = {}, green = {}".format(*pins)
        text = text.replace(f'id = "{group}"\n', f'id = "{group}"\npins = {{ {wires} }}\n')
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    return file


def node_file(folder: Path, broker: str) -> Path:
    file = folder / "node.toml"
    evidence = f'[evidence]\nrecipients = ["{RECIPIENT}"]\n'
    file.write_text(f'schema = 1\n\n[node]\nid = "edge-1"\nkey = "node.key"\n\n{broker}\n{evidence}', encoding="utf-8")
    return file


def tls(port: int) -> str:
    files = 'ca = "tls/authority-ca.pem"\ncert = "tls/edge-1.pem"\nkey = "tls/edge-1.key"\n'
    return f'[broker]\nurl = "mqtts://127.0.0.1:{port}"\n{files}'


def chrony(folder: Path, monkeypatch: pytest.MonkeyPatch, offset_s: float) -> None:
    program = folder / "bin" / "chronyc"
    program.parent.mkdir()
    fields = ["7F000001", "test", "2", "0", str(offset_s), *["0"] * 5, "0.001", "0.0005", "64.0", "Normal"]
    program.write_text(f"#!/bin/sh\necho {','.join(fields)}\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def lamps(lit: dict[str, str]) -> Callable[[Sequence[LampPins], Callable[[LampEdge], None]], GpioLamps]:
    """gpiozero's own mock pins in place of this machine's, which has none: each group with one lamp lit."""
    factory = MockFactory()

    def opened(groups: Sequence[LampPins], on_edge: Callable[[LampEdge], None]) -> GpioLamps:
        for group in groups:
            for lamp, number in group.numbers():
                pin = factory.pin(number)
                inputs: Any = pin
                inputs._set_pull = lambda _value: None
                if lamp.value == lit[group.group]:
                    pin.drive_high()
                else:
                    pin.drive_low()
        return GpioLamps(groups, factory, on_edge)

    return opened


def by_name(found: Iterator[Found]) -> dict[str, Found]:
    return {one.what: one for one in found}


@pytest.mark.slow
def test_all_is_well_with_a_sound_node(folder: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    chrony(folder, monkeypatch, 0.0005)
    monkeypatch.setattr(doctor, "open_gpio", lamps({"north": "red", "cross": "green"}))
    create_key(folder / "node.key")
    monkeypatch.setattr(doctor, "RENEW_DAYS", 0)  # the certificates of a test are valid for an hour
    port = free_udp_port()
    site, node = site_file(folder), node_file(folder, tls(broker.port))
    monkeypatch.setattr(commission, "open_gpio", lamps({"north": "red", "cross": "green"}))
    asked = CommissionRequest(str(CASE / "video.mp4"), site, node, None, "somebody", None, 5.0)
    commission.commission(asked, lambda _: None)
    request = DoctorRequest(site, node, f"udp://127.0.0.1:{port}", watch_s=1.5)
    looked: list[Found] = []
    with live(CASE / "video.mp4", port):
        found = by_name(examine(request, looked.append))
    assert {what: one.words for what, one in found.items() if one.state is not State.WORKS} == {}
    assert "640 x 360" in found["camera"].words
    assert found["lamps"].words == "north red, cross green"
    assert {(one.what, one.words) for one in looked[1:]} == {("lamps", "north red, cross green")}
    assert "1.5 ms" in found["clock"].words
    assert "TLS, certificate until" in found["broker"].words
    assert "ms a frame" in found["model"].words
    assert "commissioned by somebody" in found["commissioned"].words
    site.write_text(site.read_text(encoding="utf-8") + "\n# moved\n", encoding="utf-8")
    changed = by_name(examine(replace(request, source=None)))["commissioned"]
    assert changed.state is State.FAILS
    assert "the site file" in changed.words


def test_each_broken_thing_is_named_with_what_to_do(
    folder: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    chrony(folder, monkeypatch, 0.25)
    monkeypatch.setattr(doctor, "open_gpio", lamps({"north": "none", "cross": "green"}))
    key = folder / "node.key"
    create_key(key)
    key.chmod(0o644)
    other = Authority(folder / "other", "other").issue("edge-1")
    foreign = tls(broker.port).replace("tls/edge-1.pem", str(other[0])).replace("tls/edge-1.key", str(other[1]))
    node = node_file(folder, foreign)
    monkeypatch.setattr(doctor, "RENEW_DAYS", 0)
    (folder / "state").mkdir()
    with Outbox(folder / "state" / "outbox.sqlite") as outbox:
        outbox.append(Message("a", "a/b", "text/plain", b"1"))
        outbox.refused("a", "Not authorized")
    request = DoctorRequest(site_file(folder), node, f"udp://127.0.0.1:{free_udp_port()}", watch_s=0.5)
    found = by_name(examine(request))
    said = {what: one.words for what, one in found.items() if one.state is State.FAILS}
    assert set(said) == {"camera", "lamps", "clock", "signing key", "broker", "outbox", "commissioned"}
    assert "check the address" in said["camera"]
    assert "north shows a fault (dark; lit: no lamp): look at" in said["lamps"]
    assert "251.0 ms" in said["clock"]
    assert "chmod 600" in said["signing key"]
    assert "certificate" in said["broker"]
    assert "stopline outbox retry" in said["outbox"]
    assert "chmod 600" in said["commissioned"]
    for words in said.values():
        assert words.endswith(".")
        assert ":" in words, "what to do follows a colon"


def test_a_full_outbox_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "outbox.sqlite"
    with Outbox(file) as outbox:
        outbox.append(Message("a", "a/b", "text/plain", b"1"))
    assert doctor._outbox(file).startswith("1 wait")
    monkeypatch.setattr("edge.outbox.CASE_BYTES", MAX_BYTES)
    found = doctor._tried("outbox", lambda: doctor._outbox(file))
    assert found.state is State.FAILS
    assert found.words.startswith("It is full with 1 unsent messages of 1 bytes: ")


def test_a_source_that_is_none_keeps_its_name(folder: Path, broker: Mosquitto) -> None:
    node = node_file(folder, tls(broker.port))
    for source, says in (("nofile", "does not exist: give"), ("http://127.0.0.1:1/", "is no address that is read")):
        _, camera = islice(examine(DoctorRequest(site_file(folder), node, source)), 2)
        assert camera.state is State.FAILS
        assert camera.words.startswith(f"{source} {says}")


def test_the_lamps_are_told_as_they_change(tmp_path: Path) -> None:
    factory = MockFactory()

    def opened(groups: Sequence[LampPins], on_edge: Callable[[LampEdge], None]) -> GpioLamps:
        for group in groups:
            for lamp, number in group.numbers():
                pin: Any = factory.pin(number)
                pin._set_pull = lambda _value: None
                pin.drive_high() if (group.group, lamp.value) == ("north", "red") else pin.drive_low()
        return GpioLamps(groups, factory, on_edge)

    def light(group: str, lamp: int, *, lit: bool) -> None:
        pin = factory.pin(GROUPS[group][lamp])
        pin.drive_high() if lit else pin.drive_low()

    with closing(lamps_on_wires(load_site(site_file(tmp_path)), opened)) as looks:
        assert list(islice(looks, 4))[-1].groups == ("north red", "cross fault")
        light("north", 0, lit=False)
        light("north", 2, lit=True)
        light("cross", 2, lit=True)  # after a fault no red is believed before a green was seen
        seen = list(islice(looks, 4))[-1]
        assert seen.groups == ("north green", "cross green")
        assert seen.wrong == ()
        light("north", 1, lit=True)
        seen = list(islice(looks, 4))[-1]
    assert "north shows a fault (conflict; lit: amber+green)" in seen.wrong


@pytest.mark.slow
def test_a_site_whose_lamps_are_seen_alone_has_them_read_in_the_picture(folder: Path) -> None:
    """Nothing is said to work that was not tried, and regions in which there are no lamps are told."""
    create_key(folder / "node.key")
    node, port = node_file(folder, ""), free_udp_port()
    beside = folder / "beside.toml"
    text = (CASE / "site.toml").read_text(encoding="utf-8")
    beside.write_text(re.sub(r"_px = \[40", "_px = [20", text).replace(", 41", ", 21"), encoding="utf-8")
    camera = f"udp://127.0.0.1:{port}"
    with live(CASE / "video.mp4", port):
        found = by_name(examine(DoctorRequest(CASE / "site.toml", node, camera, watch_s=1.5)))
        missed = by_name(examine(DoctorRequest(beside, node, camera, watch_s=1.5)))["lamps seen"]
    assert (found["lamps"].state, found["lamps seen"].state) == (State.NOT_TRIED, State.WORKS)
    assert re.fullmatch("north (red|amber|green)", found["lamps seen"].words)
    assert missed.state is State.FAILS
    assert "draw its lamps again" in missed.words
    untried = by_name(examine(DoctorRequest(CASE / "site.toml", node)))
    assert untried["lamps seen"].state is State.NOT_TRIED


def test_rights_that_are_missing_are_named(folder: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that lets the node in and refuses what it says, as where the certificate bears another name."""
    monkeypatch.setattr(doctor, "RENEW_DAYS", 0)
    create_key(folder / "node.key")
    node = node_file(folder, tls(broker.port))
    node.write_text(node.read_text(encoding="utf-8").replace('id = "edge-1"', 'id = "edge-2"'), encoding="utf-8")
    request = DoctorRequest(site_file(folder, wired=False), node, watch_s=0.1)
    found = by_name(examine(request))
    assert found["broker"].state is State.FAILS
    assert "refuses messages on stopline/v1/plain-red-runner/edge-2/doctor" in found["broker"].words
    assert "mosquitto.acl" in found["broker"].words
    assert "has no pins in the site file: add" in found["lamps"].words
    assert found["camera"].state is State.NOT_TRIED


def test_a_certificate_that_ends_soon_fails(folder: Path, broker: Mosquitto) -> None:
    create_key(folder / "node.key")
    request = DoctorRequest(site_file(folder, wired=False), node_file(folder, tls(broker.port)), watch_s=0.1)
    words = by_name(examine(request))["broker"].words
    assert "ends on" in words
    assert "stopline keys request" in words


def test_the_screen_names_what_fails_and_the_exit_code_says_so(folder: Path) -> None:
    create_key(folder / "node.key")
    node = node_file(folder, '[broker]\nurl = "mqtt://127.0.0.1:1"\n')
    done = stopline("doctor", "--site", site_file(folder, wired=False), "--node", node)
    assert done.code == 1
    assert "✘ broker" in done.out
    assert "nothing listens on that port" in done.out
    assert "✔ model" in done.out
    assert "[signal_groups.pins]" in done.out
    assert "do not work." in done.out
    told = stopline("doctor", "--site", folder / "site.toml", "--node", node, "--json")
    assert told.code == 1
    document = told.json()
    assert document["well"] is False
    assert {one["state"] for one in document["found"]} == {"works", "fails", "not tried"}


def test_files_that_are_no_good_end_it_with_one_sentence(folder: Path) -> None:
    done = stopline("doctor", "--site", folder / "absent.toml", "--node", folder / "absent.toml")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "does not exist" in done.err
