"""``stopline inspect --save``: events and their evidence from a real broker into a folder, opened with the real age."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge import event
from edge.config import Broker
from edge.evidence.bundle import Bundle, build_bundle
from edge.evidence.media import Media
from edge.evidence.seal import Seal
from edge.evidence.shipment import ship
from edge.messages import Birth
from edge.mqtt import Connection, Publication, Topics
from edge.outbox import Case, Message, Outbox
from edge.uplink import Uplink
from tests.cases import EVENT_ID, NONCE, case, signing_key
from tests.command import running_stopline

if TYPE_CHECKING:
    from pathlib import Path

    from tests.broker import Mosquitto
    from tests.cli.conftest import Command

pytestmark = pytest.mark.broker

TOPICS = Topics("stopline", "main-and-3rd", "edge-1")
KEY = signing_key()
AUTHORITY = pyrage.x25519.Identity.generate()
SITE_TOML = b"schema = 1\n"


def numbered(number: int) -> str:
    return EVENT_ID[:-2] + f"{number:02x}"


def violation(number: int, seal: Seal | None = None) -> tuple[Bundle, list[Message]]:
    """The messages of a whole case, the event first, its evidence in five parts or so."""
    document = event.build(case(), event_id=numbered(number), nonce=NONCE, sequence=number)
    bundle = build_bundle(document, SITE_TOML, Media({"clip.mp4": os.urandom(70_000)}))
    shipment = ship(document["id"], bundle, seal or Seal([str(AUTHORITY.to_public())]), TOPICS, 16_384)
    raw = event.sign(event.with_evidence(document, shipment.reference), KEY)
    return bundle, [Message(document["id"], TOPICS.violation, event.CONTENT_TYPE, raw), *shipment.messages]


def send(broker: Mosquitto, folder: Path, *cases: list[Message]) -> None:
    """As a node sends them, from its outbox."""
    with Outbox(folder / "sent.sqlite") as outbox:
        for messages in cases:
            outbox.open_case(lambda _: Case(messages[0].id, bytes(100_000)))  # noqa: B023 - used at once
            outbox.complete_case(messages[0].id, messages)
        uplink = Uplink(Broker(url=broker.url), TOPICS.site, TOPICS.node, outbox, Birth("0", "a", "b", KEY.kid))
        uplink.start()
        assert uplink.close(20) == 0


def saved(broker: Mosquitto, tmp_path: Path, *cases: list[Message], more: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """Exit code and output of inspect while these are sent."""
    (tmp_path / "node.pub.pem").write_bytes(KEY.public.pem)
    words = ["inspect", "--broker", broker.url, "--key", tmp_path / "node.pub.pem", "--save", tmp_path / "kept", *more]
    with running_stopline(*words) as watching:
        assert watching.stderr is not None
        assert "listening" in watching.stderr.readline()
        send(broker, tmp_path, *cases)
        out, err = watching.communicate(timeout=60)
    return watching.returncode, out, err


def test_events_are_kept_with_their_evidence_which_age_opens(broker: Mosquitto, tmp_path: Path) -> None:
    (first, messages), (second, others) = violation(1), violation(2)
    code, out, err = saved(broker, tmp_path, messages, others, more=("--count", "2", "--for", "60"))
    assert code == 0, err
    assert out.count("evidence complete") == 2
    kept = tmp_path / "kept"
    names = [f"{numbered(number)}{suffix}" for number in (1, 2) for suffix in (".json", ".tar.age")]
    assert sorted(path.name for path in kept.iterdir()) == names
    assert (kept / f"{numbered(1)}.json").read_bytes() == messages[0].payload
    if shutil.which("age") is None:
        pytest.skip("the age program is not installed, so the rest cannot be seen")
    (tmp_path / "authority.key").write_text(f"{AUTHORITY}\n")
    for number, bundle in ((1, first), (2, second)):
        words = ["age", "-d", "-i", tmp_path / "authority.key", kept / f"{numbered(number)}.tar.age"]
        assert subprocess.run(words, check=True, capture_output=True).stdout == bundle.data


def test_a_part_that_does_not_come_is_told_and_nothing_is_kept_of_it(broker: Mosquitto, tmp_path: Path) -> None:
    _, messages = violation(1)
    without = [message for message in messages if not message.id.endswith("/3")]
    code, out, err = saved(broker, tmp_path, without, more=("--for", "4", "--json"))
    assert code == 1
    seen, evidence = map(json.loads, out.splitlines())
    assert (seen["check"], seen["id"]) == ("verified", numbered(1))
    assert evidence == {
        "id": numbered(1),
        "evidence": "evidence incomplete: 1 of 5 parts are missing: 3",
        "complete": False,
        "file": None,
    }
    assert "1 came without all of their evidence" in err
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [f"{numbered(1)}.json"]


def test_evidence_of_another_event_is_not_taken_for_it(broker: Mosquitto, tmp_path: Path) -> None:
    _, messages = violation(1)
    _, others = violation(2)
    swapped = [
        messages[0],
        *(
            Message(own.id, own.topic, other.content_type, other.payload, own.kind)
            for own, other in zip(messages[1:], others[1:], strict=True)
        ),
    ]
    code, out, _ = saved(broker, tmp_path, swapped, more=("--for", "4"))
    assert code == 1
    assert "evidence incomplete" in out
    assert not list((tmp_path / "kept").glob("*.tar*"))


def test_what_does_not_verify_is_not_kept(broker: Mosquitto, tmp_path: Path) -> None:
    _, (signed, *evidence) = violation(1)
    changed = Message(signed.id, signed.topic, signed.content_type, signed.payload.replace(b'"car"', b'"bus"'))
    code, out, _ = saved(broker, tmp_path, [changed, *evidence], more=("--for", "3"))
    assert code == 1
    assert "its event has not come, or did not verify" in out
    assert list((tmp_path / "kept").iterdir()) == []


def test_unsealed_evidence_is_kept_as_a_tar(broker: Mosquitto, tmp_path: Path) -> None:
    bundle, messages = violation(1, Seal([]))
    code, _, err = saved(broker, tmp_path, messages, more=("--count", "1", "--for", "60"))
    assert code == 0, err
    assert (tmp_path / "kept" / f"{numbered(1)}.tar").read_bytes() == bundle.data


def test_what_is_no_evidence_of_ours_below_its_topic_does_no_harm(broker: Mosquitto, tmp_path: Path) -> None:
    _, messages = violation(1)
    connection = Connection(Broker(url=broker.url), "stranger")
    connection.open()
    for topic in ("", "/", "/a/b/c", "/x/0", "/../../x"):
        connection.publish(Publication(f"stopline/v1/a/b/evidence{topic}", b"x", "text/plain", retain=True))
    connection.pump(0.5)
    connection.close()
    code, out, err = saved(broker, tmp_path, messages, more=("--count", "1", "--for", "60"))
    assert "evidence complete" in out, err
    assert sorted(path.suffix for path in (tmp_path / "kept").iterdir()) == [".age", ".json"]
    assert code == 0


def test_a_folder_that_cannot_be_made_ends_with_2(command: Command, broker: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = command("inspect", "--broker", broker.url, "--save", tmp_path / "file" / "folder", "--for", "5")
    assert outcome.code == 2
    assert "cannot be written" in outcome.err


def test_the_outbox_shows_open_cases(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    with Outbox(file) as outbox:
        outbox.open_case(lambda _: Case(EVENT_ID, b"{}"))
        outbox.append(Message("one", TOPICS.violation, "application/json", b"{}"))
    told = command("outbox", "list", file).out
    assert "1 violations wait for their evidence to be complete." in told
    document = command("outbox", "list", file, "--json").json()
    assert document["open_cases"] == 1
    assert [(row["id"], row["kind"], row["state"]) for row in document["messages"]] == [
        ("one", "event", "pending"),
        (EVENT_ID, "case", "open"),
    ]
