"""What the event format may never hold: anything about a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from edge import event
from edge.records import VehicleClass
from tests.cases import signing_key, unsigned

if TYPE_CHECKING:
    from collections.abc import Iterator

FORBIDDEN = (
    *("person", "people", "human", "face", "facial", "plate", "licence", "license", "owner", "driver", "passenger"),
    *(
        "identity",
        "identi",
        "name",
        "gender",
        "age_",
        "skin",
        "score",
        "rating",
        "rank",
        "reputation",
        "watch",
        "embedding",
    ),
)


def properties(node: Any) -> Iterator[str]:
    """Every property name that a JSON Schema or a document knows, and every value of an enumeration."""
    if isinstance(node, dict):
        yield from node.get("enum", ())
        for name, value in node.items():
            yield name
            yield from properties(value)
    elif isinstance(node, list):
        for value in node:
            yield from properties(value)


def offending(names: Iterator[str]) -> list[str]:
    return [name for name in names if any(word in str(name).lower() for word in FORBIDDEN)]


def test_the_schema_knows_no_field_about_a_person() -> None:
    assert offending(properties(event.schema())) == []


def test_a_real_event_has_no_field_about_a_person() -> None:
    assert offending(properties(json.loads(event.sign(unsigned(), signing_key())))) == []


@pytest.mark.parametrize("name", ["person", "plate_text", "face", "car_owner", "Driver", "score", "identity"])
def test_the_check_itself_finds_such_a_field(name: str) -> None:
    assert offending(properties({"data": {"crossing": [{name: 1}]}})) == [name]
    assert offending(properties({"properties": {name: {}}})) == [name]
    assert offending(properties({"enum": [name]})) == [name]


def test_only_vehicles_can_be_named() -> None:
    allowed = event.schema()["$defs"]["violation"]["properties"]["vehicle_class"]["enum"]
    assert sorted(allowed) == sorted(kind for kind in VehicleClass if kind is not VehicleClass.PERSON)


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "properties" in node or node.get("type") == "object":
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def test_nothing_may_be_added_and_nothing_left_out() -> None:
    found = list(objects(event.schema()))
    assert len(found) > 10
    for node in found:
        assert node["additionalProperties"] is False
        assert set(node["required"]) >= set(node["properties"]) - {"time"}


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(event.schema())


def test_every_string_and_list_has_a_bound() -> None:
    def leaves(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            yield node
            for value in node.values():
                yield from leaves(value)

    for node in leaves(event.schema()):
        if node.get("type") == "string":
            assert "pattern" in node or "maxLength" in node, node
        if node.get("type") == "array":
            assert "maxItems" in node or node.get("items") is False, node
