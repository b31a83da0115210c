"""docs/asyncapi.yaml says what a node really sends on a real broker, no less and no more."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyrage
import pytest
import yaml
from jsonschema import Draft202012Validator

from edge import event
from edge.arming import StateEvents
from edge.commands.doctor import try_out
from edge.config import Broker
from edge.discovery import discovery, discovery_topic, status_topic
from edge.evidence.bundle import Bundle
from edge.evidence.seal import Seal
from edge.evidence.shipment import ship
from edge.health import Change, CheckName, Finding, Outcome, State
from edge.ledger.checkpoint import Checkpoint, sign
from edge.machine import limits_of
from edge.messages import Birth, Health, Signal, encoded
from edge.mqtt import Connection, Publication, Topics
from edge.outbox import Message
from edge.records import Fault, Phase, VehicleClass, Verdict
from edge.uplink import Announcement, Uplink
from tests.broker import Heard, Listener, Mosquitto, wait_until
from tests.cases import EVENT_ID, ORIGIN, SITE, signing_key, unsigned
from tests.telemetry.samples import LEAST, MOST
from tests.uplink.test_receipts import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.outbox import Outbox

pytestmark = pytest.mark.broker

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
KEY = signing_key()


def resolve(node: Any) -> Any:
    """What a reference points at, in this document or in a file beside it."""
    if not isinstance(node, dict) or "$ref" not in node:
        return node
    file, _, path = node["$ref"].partition("#")
    if file:
        return json.loads((FILE.parent / file).read_text(encoding="utf-8"))
    place: Any = DOCUMENT
    for name in path.strip("/").split("/"):
        place = resolve(place[name])
    return resolve(place)


def whole(node: Any) -> Any:
    """A schema of this document with every reference into it put in its place."""
    if isinstance(node, dict):
        if node.get("$ref", "").startswith("#/components/"):
            return whole(resolve(node))
        return {name: whole(value) for name, value in node.items()}
    return [whole(value) for value in node] if isinstance(node, list) else node


def references(node: Any) -> list[dict[str, str]]:
    if isinstance(node, dict):
        own = [node] if "$ref" in node else []
        return own + [one for value in node.values() for one in references(value)]
    return [one for value in node for one in references(value)] if isinstance(node, list) else []


def channel_of(topic: str) -> str:
    """The one channel whose address matches a topic."""
    matching = [
        name
        for name, channel in DOCUMENT["channels"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", channel["address"]), topic)
    ]
    assert len(matching) == 1, topic
    return matching[0]


def operation_of(channel: str) -> dict[str, Any]:
    (found,) = [one for one in DOCUMENT["operations"].values() if one["channel"]["$ref"] == f"#/channels/{channel}"]
    return found


def evidence_of(event_id: str, topics: Topics) -> Iterator[Message]:
    """Evidence in every form that it may take: sealed and whole, not sealed and whole, in parts."""
    sealed = Seal([str(pyrage.x25519.Identity.generate().to_public())])
    bundle = Bundle(os.urandom(40_000), "0" * 64, ())
    for number, (seal, part_bytes) in enumerate([(sealed, 100_000), (Seal([]), 100_000), (sealed, 16_384)]):
        yield from ship(f"{event_id[:-1]}{number}", bundle, seal, topics, part_bytes).messages


def announcement(birth: Birth) -> Announcement:
    """What Home Assistant is told."""
    topics = Topics("stopline", "main-and-3rd", "edge-1")
    payload = discovery(topics, birth, SITE.site.name, ["north"])
    topic = discovery_topic("homeassistant", topics)
    return Announcement(
        Publication(topic, payload, "application/json", retain=True), status_topic("homeassistant"), b"online"
    )


def attempt(broker: Mosquitto, topics: Topics) -> None:
    """What the doctor says."""
    connection = Connection(Broker(url=broker.url), "doctor")
    connection.open()
    connection.publish(try_out(topics))
    while not connection.take_acks():
        connection.pump(0.1)
    connection.close()


def change_of_state(outbox: Outbox, topics: Topics) -> None:
    """What the watch over the node says."""
    origin = {"software": "1", "model_sha256": ORIGIN.model_sha256, "site_sha256": SITE.sha256}
    finding = Finding(CheckName.CLOCK, Outcome.NOT_OK, "The clock is known to 250.0 ms.", 250.0)
    events = StateEvents(outbox, KEY, topics.state, "stopline://main-and-3rd/edge-1", origin)
    events.tell(Change(0, State.DISARMED, State.ARMED, (finding,)), None)


def everything_sent(broker: Mosquitto, outbox: Outbox) -> list[Heard]:
    """All that a node publishes in its life, from the greeting to the goodbye, and what a receiver answers."""
    raw = event.sign(unsigned(sequence=2), KEY)  # the change of state has the number before it
    with Listener(broker.port) as listener, receiving(outbox._path.parent, broker.url):
        birth = Birth(ORIGIN.software, ORIGIN.model_sha256, SITE.sha256, KEY.kid)
        uplink = Uplink(
            Broker(url=broker.url), "main-and-3rd", "edge-1", outbox, birth, announcement=announcement(birth)
        )
        uplink.start()
        uplink.wait_connected(10)
        for phase in Phase:
            uplink.send_signal(Signal("north", phase, 12.5))
        for fault in Fault:
            uplink.send_signal(Signal("north", Phase.FAULT, 12.5, fault))
        for health in (LEAST, MOST):
            uplink.send_health(health)
        uplink.send_checkpoint(sign(Checkpoint("main-and-3rd/edge-1", 1, bytes(32)), KEY).encoded())
        attempt(broker, uplink.topics)
        outbox.append(Message(EVENT_ID, uplink.topics.violation, event.CONTENT_TYPE, raw))
        change_of_state(outbox, uplink.topics)
        for message in evidence_of(EVENT_ID, uplink.topics):
            outbox.append(message)
        wait_until(lambda: listener.on(uplink.topics.health) and listener.on(uplink.topics.violation))
        wait_until(lambda: listener.on(uplink.topics.state))
        state_id = json.loads(listener.on(uplink.topics.state)[0].payload)["id"]
        uplink.close(10)
        wait_until(lambda: len(listener.on(uplink.topics.status)) == 2)
        wait_until(lambda: listener.on(uplink.topics.receipt(EVENT_ID)), what="the receipt")
        wait_until(lambda: listener.on(uplink.topics.receipt(state_id)), what="the receipt for the change of state")
        assert listener.on(uplink.topics.violation)[0].payload == raw
        return list(listener.heard)


def test_every_message_on_the_wire_is_as_described(broker: Mosquitto, outbox: Outbox) -> None:
    heard = everything_sent(broker, outbox)
    heard_types: set[tuple[str, str]] = set()
    for one in heard:
        channel = channel_of(one.topic)
        (message,) = [
            described
            for described in map(resolve, DOCUMENT["channels"][channel]["messages"].values())
            if described["contentType"] == one.properties["ContentType"]
        ]
        payload = json.loads(one.payload) if "json" in message["contentType"] else one.payload.decode("latin-1")
        Draft202012Validator(whole(resolve(message["payload"]))).validate(payload)
        user_properties = dict(one.properties.get("UserProperty", []))
        Draft202012Validator(resolve(message.get("headers", {"maxProperties": 0}))).validate(user_properties)
        assert ("CorrelationData" in one.properties) == ("bindings" in message)
        if "bindings" in message:
            assert bytes.fromhex(one.properties["CorrelationData"]).decode() in one.topic.split("/")
        heard_types.add((channel, one.properties["ContentType"]))
        binding = operation_of(channel)["bindings"]["mqtt"]
        assert one.qos == binding["qos"]
        expiry = one.properties.get("MessageExpiryInterval")
        assert (expiry is None) == ("messageExpiryInterval" not in binding)
        assert expiry is None or binding["messageExpiryInterval"] - 5 <= expiry <= binding["messageExpiryInterval"]
    assert heard_types == {
        (name, resolve(message)["contentType"])
        for name, channel in DOCUMENT["channels"].items()
        for message in channel["messages"].values()
    }


def test_what_is_retained_is_as_described(broker: Mosquitto, outbox: Outbox) -> None:
    everything_sent(broker, outbox)
    described = {name for name in DOCUMENT["channels"] if operation_of(name)["bindings"]["mqtt"]["retain"]}
    with Listener(broker.port, name="late", session_s=0) as late:
        wait_until(lambda: len(late.heard) >= len(described))
        assert {channel_of(one.topic) for one in late.heard} == described


def test_the_last_will_is_as_described(broker: Mosquitto, outbox: Outbox) -> None:
    will = DOCUMENT["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
    uplink = Uplink(Broker(url=broker.url), "main-and-3rd", "edge-1", outbox, Birth("0", "a", "b", "c"))
    said = uplink._status(b"offline")
    assert channel_of(said.topic) == "status"
    assert will["topic"] == DOCUMENT["channels"]["status"]["address"]
    assert (said.qos, said.retain, said.payload.decode()) == (will["qos"], will["retain"], will["message"])


@pytest.mark.parametrize("health", [LEAST, MOST], ids=["least", "most"])
def test_every_field_of_health_is_described_and_required(health: Health) -> None:
    """One that the description calls optional, or does not know, would be no promise to whoever reads it."""
    schema = resolve(DOCUMENT["components"]["schemas"]["health"])
    for name, value in json.loads(encoded(health)).items():
        described = schema["properties"][name]
        fields = {"passages", "classes", "lamps"}
        if isinstance(value, dict) and name not in fields:
            assert set(described["required"]) == set(described["properties"]) == set(value), name
    assert set(schema["required"]) == set(schema["properties"]) == set(json.loads(encoded(health)))


def test_every_verdict_phase_and_fault_is_described() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    health = schemas["health"]["properties"]
    assert set(schemas["byVerdict"]["properties"]) == set(Verdict)
    assert set(health["classes"]["properties"]) == set(VehicleClass) - {VehicleClass.PERSON}
    assert set(health["lamps"]["additionalProperties"]["properties"]["faults"]["properties"]) == set(Fault)
    checks = health["arming"]["properties"]["checks"]["items"]["properties"]
    assert set(checks["check"]["enum"]) == set(CheckName)
    assert set(checks["outcome"]["enum"]) == set(Outcome)
    assert set(health["machine"]["properties"]["throttling"]["items"]["enum"]) == set(limits_of(0xF000F))
    assert set(schemas["signal"]["properties"]["phase"]["enum"]) == set(Phase)
    assert set(schemas["signal"]["properties"]["fault"]["enum"]) == {*Fault, None}


def test_the_document_is_whole() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"info", "servers", "channels", "operations", "components"} <= set(DOCUMENT)
    for reference in references(DOCUMENT):
        assert resolve(reference), reference
    for channel in DOCUMENT["channels"].values():
        assert set(channel["parameters"]) == set(re.findall(r"\{(\w+)\}", channel["address"]))
    for name, operation in DOCUMENT["operations"].items():
        assert operation["action"] == ("receive" if name == "takeReceipt" else "send")
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
