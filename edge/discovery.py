"""What Home Assistant is told so that it shows a node by itself: MQTT device discovery, every key by its full name.

One retained message makes one device of the node's telemetry. https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from edge.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.messages import Birth
    from edge.mqtt import Topics

ONLINE: Final = b"online"
"""What Home Assistant says on its status topic when it has (re)started and wants to be told again."""

_EXPIRE_S = 60  # health comes every ten seconds
_MOST_STATE_CHARS = 250  # Home Assistant keeps no state over 255


def status_topic(prefix: str) -> str:
    """Where Home Assistant says that it is there."""
    return f"{prefix}/status"


def object_id(topics: Topics) -> str:
    """The node's name in Home Assistant's alphabet."""
    return _allowed(f"stopline_{topics.site}_{topics.node}")


def discovery_topic(prefix: str, topics: Topics) -> str:
    """Where the node's message goes. The level of its own name lets a broker give each node the right to its own."""
    return f"{prefix}/device/{_allowed(topics.node)}/{object_id(topics)}/config"


def _allowed(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def discovery(topics: Topics, birth: Birth, site_name: str, groups: Sequence[str]) -> bytes:
    """The message: the node as a device, and what it tells as that device's entities."""
    name = object_id(topics)
    components = {**_state(topics), **_figures(), **_passages(), **_phases(topics, groups)}
    return json.dumps(
        {
            "device": {
                "identifiers": [name],
                "name": f"Stopline {site_name or topics.site} {topics.node}",
                "manufacturer": "Stopline",
                "model": "Red-light node",
                "sw_version": birth.software,
            },
            "origin": {"name": "Stopline", "sw_version": birth.software},
            "availability_topic": topics.status,
            "payload_available": "online",
            "payload_not_available": "offline",
            "state_topic": topics.health,
            "qos": 1,
            "components": {key: {"unique_id": f"{name}_{key}", **entity} for key, entity in components.items()},
        },
        separators=(",", ":"),
    ).encode()


def _state(topics: Topics) -> dict[str, dict[str, Any]]:
    reasons = "value_json.arming.checks | rejectattr('outcome', 'eq', 'ok') | map(attribute='words') | join(' ')"
    return {
        "disarmed": {
            "platform": "binary_sensor",
            "name": "Disarmed",
            "device_class": "problem",
            "value_template": "{{ 'OFF' if value_json.arming.state == 'armed' else 'ON' }}",
            "payload_on": "ON",
            "payload_off": "OFF",
            "expire_after": _EXPIRE_S,
        },
        "reasons": {
            "platform": "sensor",
            "name": "Reasons",
            "value_template": f"{{{{ ({reasons} or 'Every check is good.')[:{_MOST_STATE_CHARS}] }}}}",
            "json_attributes_topic": topics.health,
            "json_attributes_template": "{{ value_json.arming | tojson }}",
            "expire_after": _EXPIRE_S,
        },
    }


def _figures() -> dict[str, dict[str, Any]]:
    return {
        "fps": _measured("Frames a second", "frames.fps", "fps"),
        "dropped": _counted("Frames dropped", "value_json.frames.dropped"),
        "temperature": _measured("Temperature", "machine.temperature_c", "°C", "temperature"),
        "disk_free": _measured("Disk free", "machine.disk_free_bytes", "B", "data_size"),
        "memory": _measured("Memory", "machine.memory_bytes", "B", "data_size"),
        "clock_bound": _measured("Clock bound", "machine.clock_bound_ms", "ms", "duration"),
        "certificate": _measured("Certificate days left", "machine.certificate_days_left", "d", "duration"),
        "waiting": _measured("Messages waiting", "outbox.pending", None),
        "refused": _measured("Messages refused", "outbox.refused", None),
        "latency": {
            **_measured("Latency to judgement (95 %)", "latency.judged.p95_ms", "ms", "duration"),
            "value_template": "{{ value_json.latency.judged.p95_ms if value_json.latency.judged else 'None' }}",
        },
    }


def _measured(name: str, field: str, unit: str | None, device_class: str | None = None) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "platform": "sensor",
        "name": name,
        "value_template": f"{{{{ value_json.{field} }}}}",
        "state_class": "measurement",
        "entity_category": "diagnostic",
        "expire_after": _EXPIRE_S,
    }
    if unit is not None:
        entity["unit_of_measurement"] = unit
    if device_class is not None:
        entity["device_class"] = device_class
    return entity


def _counted(name: str, expression: str) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": name,
        "value_template": f"{{{{ {expression} }}}}",
        "state_class": "total_increasing",
    }


def _passages() -> dict[str, dict[str, Any]]:
    return {
        f"passages_{verdict.value}": _counted(
            f"Passages: {verdict.value.replace('_', ' ')}", f"value_json.passages.{verdict.value} | default(0)"
        )
        for verdict in Verdict
    }


def _phases(topics: Topics, groups: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The phase of each group, at the instant it begins: a message about another group leaves the state as it is."""
    entities = {}
    for number, group in enumerate(groups, 1):
        ours = f"value_json.phase if value_json.group == {json.dumps(group)} else this.state"
        entities[f"phase_{number}"] = {
            "platform": "sensor",
            "name": f"Signal {group}",
            "state_topic": topics.signal,
            "value_template": f"{{{{ {ours} }}}}",
        }
    return entities
