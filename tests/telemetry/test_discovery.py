"""What Home Assistant is told: held against the keys that its integration documents, and heard on a real broker."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from edge.config import Broker
from edge.discovery import ONLINE, discovery, discovery_topic, object_id, status_topic
from edge.messages import Birth, encoded
from edge.mqtt import Connection, Publication, Topics
from edge.outbox import Outbox
from edge.records import Phase, Verdict
from edge.uplink import Announcement, Uplink
from tests.broker import MOSQUITTO, Listener, Mosquitto, wait_until
from tests.command import ROOT
from tests.telemetry.samples import LEAST, MOST

if TYPE_CHECKING:
    from pathlib import Path

TOPICS = Topics("stopline", "main-and-3rd", "edge.1")
BIRTH = Birth("0.1.0", "a" * 64, "b" * 64, "c" * 43)
PREFIX = "homeassistant"
MESSAGE: dict[str, Any] = json.loads(discovery(TOPICS, BIRTH, "Main and 3rd", ["north", 'the "other"']))

# As https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload names them, and the pages of the
# sensor.mqtt and binary_sensor.mqtt integrations; what is not there would be an abbreviation or a mistake.
SHARED = {
    "name": {"type": "string", "minLength": 1},
    "unique_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
    "value_template": {"type": "string"},
    "state_topic": {"type": "string"},
    "expire_after": {"type": "integer", "minimum": 1},
    "entity_category": {"const": "diagnostic"},
    "json_attributes_topic": {"type": "string"},
    "json_attributes_template": {"type": "string"},
}
SENSOR = {
    "platform": {"const": "sensor"},
    "device_class": {"enum": ["temperature", "data_size", "duration"]},
    "state_class": {"enum": ["measurement", "total_increasing"]},
    "unit_of_measurement": {"enum": ["fps", "°C", "B", "ms", "d"]},
}
BINARY_SENSOR = {
    "platform": {"const": "binary_sensor"},
    "device_class": {"const": "problem"},
    "payload_on": {"type": "string"},
    "payload_off": {"type": "string"},
}


def entity(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["platform", "name", "unique_id", "value_template"],
        "properties": {**SHARED, **properties},
    }


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["device", "origin", "components"],
    "properties": {
        "device": {
            "type": "object",
            "additionalProperties": False,
            "required": ["identifiers", "name"],
            "properties": {
                "identifiers": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                "name": {"type": "string"},
                "manufacturer": {"type": "string"},
                "model": {"type": "string"},
                "sw_version": {"type": "string"},
            },
        },
        "origin": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "sw_version": {"type": "string"}},
        },
        "availability_topic": {"type": "string"},
        "payload_available": {"const": "online"},
        "payload_not_available": {"const": "offline"},
        "state_topic": {"type": "string"},
        "qos": {"enum": [0, 1, 2]},
        "components": {"type": "object", "additionalProperties": {"oneOf": [entity(SENSOR), entity(BINARY_SENSOR)]}},
    },
}


def test_the_message_is_as_home_assistant_documents_it() -> None:
    Draft202012Validator(SCHEMA).validate(MESSAGE)
    ids = [one["unique_id"] for one in MESSAGE["components"].values()]
    assert len(set(ids)) == len(ids)
    assert re.fullmatch(r"homeassistant/device/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config", discovery_topic(PREFIX, TOPICS))
    assert object_id(TOPICS) == "stopline_main-and-3rd_edge_1"


def test_it_says_what_a_node_tells() -> None:
    components = MESSAGE["components"]
    assert {f"passages_{verdict.value}" for verdict in Verdict} <= set(components)
    wanted = {
        "disarmed",
        "reasons",
        "fps",
        "dropped",
        "temperature",
        "disk_free",
        "clock_bound",
        "certificate",
        "phase_1",
        "phase_2",
    }
    assert wanted <= set(components)
    assert MESSAGE["availability_topic"] == TOPICS.status
    assert MESSAGE["state_topic"] == TOPICS.health
    assert components["phase_1"]["state_topic"] == TOPICS.signal


def rendered(key: str, value_json: dict[str, Any], state: str = "before") -> str:
    """What Home Assistant makes of a message: it renders the template with Jinja."""
    jinja = pytest.importorskip("jinja2")
    environment = jinja.Environment(undefined=jinja.StrictUndefined, autoescape=False)
    template = environment.from_string(MESSAGE["components"][key]["value_template"])
    return str(template.render(value_json=value_json, this={"state": state}))


@pytest.mark.parametrize("health", [LEAST, MOST], ids=["least", "most"])
def test_every_template_finds_its_value_in_health(health: Any) -> None:
    value_json = json.loads(encoded(health))
    if value_json["arming"] is None:
        value_json["arming"] = {"state": "armed", "for_s": 0.0, "checks": []}
    for key, component in MESSAGE["components"].items():
        if "state_topic" not in component:
            said = rendered(key, value_json)
            assert len(said) <= 255
            if "state_class" in component:
                assert said == "None" or float(said) >= 0, key


def test_the_days_left_of_a_certificate_are_told_and_none_where_there_is_none() -> None:
    assert rendered("certificate", json.loads(encoded(MOST))) == "29.5"
    assert rendered("certificate", json.loads(encoded(LEAST))) == "None"


def test_the_state_and_its_reasons_are_told() -> None:
    value_json = json.loads(encoded(MOST))
    assert rendered("disarmed", value_json) == "ON"
    assert rendered("reasons", value_json).startswith("Some words.")
    value_json["arming"] = {"state": "armed", "for_s": 1.0, "checks": [{"outcome": "ok", "words": "Good."}]}
    assert rendered("disarmed", value_json) == "OFF"
    assert rendered("reasons", value_json) == "Every check is good."


@pytest.mark.parametrize(("number", "group"), [(1, "north"), (2, 'the "other"')])
def test_a_phase_of_another_group_changes_nothing(number: int, group: str) -> None:
    for phase in Phase:
        said = {"group": group, "phase": phase.value}
        assert rendered(f"phase_{number}", said) == phase.value
        assert rendered(f"phase_{number}", {**said, "group": "elsewhere"}) == "before"


@pytest.mark.broker
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
class TestOnABroker:
    """With the sample rights, once as they are and once with the lines for Home Assistant."""

    @pytest.fixture
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder: Path = tmp_path_factory.mktemp("home")
        return folder

    def rights(self, folder: Path, *, allowed: bool) -> tuple[str, ...]:
        target = folder / "mosquitto.acl"
        shutil.copyfile(ROOT / "firmware-config" / "mosquitto.acl", target)
        text = target.read_text(encoding="utf-8")
        asleep = "#pattern "
        assert text.count(asleep) == 2, "the sample shows two lines for Home Assistant, as comments"
        text = text.replace(asleep, "pattern ") if allowed else text
        home = "\nuser homeassistant\ntopic readwrite homeassistant/#\n"
        target.write_text(f"topic read stopline/#\n{text}{home}", encoding="utf-8")
        target.chmod(0o644)
        return (f"acl_file {target}",)

    def uplink(self, broker: Mosquitto, outbox: Outbox) -> Uplink:
        topics = Topics("stopline", "main-and-3rd", "edge-1")
        publication = Publication(discovery_topic(PREFIX, topics), b'{"device":{}}', "application/json", retain=True)
        where = Broker(url=f"mqtt://edge-1@127.0.0.1:{broker.port}")
        announcement = Announcement(publication, status_topic(PREFIX), ONLINE)
        return Uplink(where, "main-and-3rd", "edge-1", outbox, BIRTH, announcement=announcement)

    def home_assistant(self, broker: Mosquitto) -> Connection:
        connection = Connection(Broker(url=f"mqtt://homeassistant@127.0.0.1:{broker.port}"), "ha")
        connection.open()
        connection.subscribe(f"{PREFIX}/device/+/+/config")
        return connection

    def heard(self, connection: Connection, number: int) -> list[Any]:
        found: list[Any] = []

        def more() -> bool:
            connection.pump(0.05)
            found.extend(connection.take_received())
            return len(found) >= number

        wait_until(more, what=f"{number} announcements")
        return found

    def test_it_is_retained_and_said_again_when_home_assistant_is_back(self, folder: Path) -> None:
        with (
            Mosquitto(folder / "broker", options=self.rights(folder, allowed=True)) as broker,
            Outbox(folder / "outbox.sqlite") as outbox,
        ):
            uplink = self.uplink(broker, outbox)
            uplink.start()
            uplink.wait_connected(10)
            home = self.home_assistant(broker)
            (first,) = self.heard(home, 1)
            assert first.topic == "homeassistant/device/edge-1/stopline_main-and-3rd_edge-1/config"
            home.publish(Publication(status_topic(PREFIX), b"offline", "text/plain"))
            home.publish(Publication(status_topic(PREFIX), b"online", "text/plain"))
            (second,) = self.heard(home, 1)
            assert not second.retained
            assert second.payload == first.payload
            assert uplink.state.refusal is None
            home.close()
            uplink.close(5)

    def test_a_broker_that_forbids_it_takes_all_the_rest(self, folder: Path) -> None:
        with (
            Mosquitto(folder / "broker", options=self.rights(folder, allowed=False)) as broker,
            Outbox(folder / "outbox.sqlite") as outbox,
        ):
            uplink = self.uplink(broker, outbox)
            uplink.start()
            uplink.wait_connected(10)
            wait_until(lambda: uplink.state.refusal is not None, what="the refusal")
            assert "homeassistant/device" in (uplink.state.refusal or "")
            with Listener(broker.port, name="review") as listener:
                # Mosquitto 2.0.11 ends a connection over what it forbids; the next one leaves that out.
                wait_until(lambda: uplink.state.connected, what="the connection")
                uplink.send_health(LEAST)
                wait_until(lambda: listener.on(uplink.topics.health), what="telemetry")
            assert uplink.close(5) == 0
