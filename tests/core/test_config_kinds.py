"""Every value of a site file, a node file and a model's description is of the kind it should be, or is refused."""

from __future__ import annotations

import json
from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from edge import config
from edge.config import Node, Site, load_node, load_site
from edge.detector.model import Description
from edge.errors import ConfigError
from edge.mistakes import _WORDS, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

    Place = tuple[str | int, ...]

LINE = [[100.5, 200], [200, 200]]
BOX = [1.5, 1, 9, 9]
SITE: dict[str, Any] = {
    "schema": 1,
    "site": {"id": "site", "name": "Main Street"},
    "camera": {
        "size_px": [640, 360],
        "frame_rate": 25,
        "stream_px": [640, 360],
        "detect_px": [640, 360],
        "max_exposure_us": 4000,
        "max_gain": 2.5,
    },
    "signal_groups": [
        {
            "id": "north",
            "min_amber_s": 3,
            "debounce_s": 0.01,
            "hold_s": 0.03,
            "transition_s": 0.25,
            "uncertainty_s": 0.02,
            "max_phase_s": 600,
            "pins": {"red": 17, "amber": 27, "green": 22},
            "active_low": True,
            "view": {"red_px": BOX, "amber_px": BOX, "green_px": BOX},
        },
        {"id": "south", "view": {"head_px": BOX}},
    ],
    "lanes": [
        {
            "id": "through",
            "signal_group": "north",
            "stop_line_px": LINE,
            "confirm_line_px": [[100, 100], [200, 100]],
            "direction": [0, -1],
            "contact": "rear",
            "turn_on_red": "allowed",
        }
    ],
    "rule": {"grace_s": 0.5, "confirm_within_s": 4, "dwell_s": 0.1, "rear_margin_s": 0.5, "vehicle_length_m": 6},
    "calibration": {
        "points_px": [[0, 0], [100, 0], [100, 100], [0, 90]],
        "points_m": [[0, 0], [10.5, 0], [10, 10], [0, 10]],
    },
    "detector": {"region_px": [0, 0, 640, 360.0]},
    "masks": [{"region_px": [300, 10, 400, 50], "why": "a school"}],
    "sha256": "",
}
NODE: dict[str, Any] = {
    "schema": 1,
    "node": {"id": "edge-1", "key": "node.key", "state": "state"},
    "broker": {
        "url": "mqtts://broker.example:8883",
        "prefix": "stopline",
        "ca": "ca.pem",
        "cert": "node.pem",
        "key": "node.key",
        "username": "edge-1",
        "password_file": "password",
    },
    "receiver": {"keys": ["receiver.pub.pem"]},
    "evidence": {
        "seal": "age",
        "recipients": ["age1yaau8j38fp5fxkdlcjry4fl3legp57c9zxlz34g3mw95lj7cacaqemac68"],
        "keep_hours": 1,
        "before_s": 6,
        "after_s": 6,
        "ring_mb": 64,
        "part_kb": 256,
    },
    "ledger": {"every_events": 1, "every_minutes": 60},
    "telemetry": {"home_assistant": False, "home_assistant_prefix": "homeassistant", "prometheus": "stopline.prom"},
    "health": {"clock_bound_ms": 100, "view_shift_px": 2, "disk_free_mb": 200, "temperature_c": 85},
}
MODEL: dict[str, Any] = {
    "schema": 1,
    "name": "small",
    "file": "small.onnx",
    "sha256": "0" * 64,
    "head": "stopline",
    "input": {
        "size_px": [640, 352],
        "dynamic": True,
        "stride": 32,
        "colour": "bgr",
        "mean": [0.5, 0, 0],
        "std": [1, 1, 1],
        "pad": 114,
    },
    "classes": {"0": "car"},
    "thresholds": {"high": 0.5, "low": 0.1, "nms_iou": 0.6},
    "release": {"url": "https://example.org/small.onnx", "licence": "MIT"},
}
FILES: list[tuple[dict[str, Any], type[BaseModel]]] = [(SITE, Site), (NODE, Node), (MODEL, Description)]


NUMBER = "is no number: write one without quotation marks, like 3.5"


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every single value with its place."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        yield place, value
        return
    for key, one in inside:
        yield from leaves(one, (*place, key))


def replaced(document: dict[str, Any], place: Place, value: object) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(document))  # no list is there twice
    inside: Any = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return changed


def models(model: BaseModel) -> Iterator[BaseModel]:
    yield model
    for value in vars(model).values():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, BaseModel):
                yield from models(one)


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every value and every table or list of them."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*place, key)
        yield from places(one, (*place, key))


def mistakes(document: dict[str, Any], model: type[BaseModel]) -> Iterator[tuple[Place, ErrorDetails]]:
    """The first mistake that is found where a value, a list or a table is another one, or there are more of them."""
    others = ("", "x" * 300, "a b", True, 3, 0.5, -1e9, 1e9, nan, inf, [], [1] * 40, {}, {"no": 1}, [{}] * 40)
    for place in places(document):
        for other in others:
            try:
                model.model_validate(replaced(document, place, other))
            except ValidationError as error:
                yield place, error.errors(include_url=False)[0]


def wrong_kinds(value: object) -> tuple[object, ...]:
    """What stands for another kind of value than this, though Python might take it for one."""
    if isinstance(value, bool):
        return ("true", "yes", 1, 0, 1.0)
    return (True, str(value)) if isinstance(value, int | float) else (True, 3, 0.5)


CASES = [
    (document, model, place, wrong)
    for document, model in FILES
    for place, value in leaves(document)
    for wrong in wrong_kinds(value)
]


def test_the_documents_here_give_every_key_of_every_table() -> None:
    """So that no value that is added to a file can be forgotten here."""
    given: dict[type[BaseModel], set[str]] = {}
    for document, model in FILES:
        for table in models(model.model_validate(document)):
            given.setdefault(type(table), set()).update(table.model_fields_set)
    assert given == {model: set(model.model_fields) for model in given}
    tables = {
        model for model in vars(config).values() if isinstance(model, type) and issubclass(model, config._Settings)
    }
    assert tables - {config._Settings} <= set(given)


@pytest.mark.parametrize(
    ("document", "model", "place", "wrong"),
    CASES,
    ids=[f"{model.__name__}-{'.'.join(map(str, place))}-{wrong!r}" for _, model, place, wrong in CASES],
)
def test_no_value_of_another_kind_is_taken(
    document: dict[str, Any], model: type[BaseModel], place: Place, wrong: object
) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(replaced(document, place, wrong))
    assert tuple(str(part).removesuffix("_") for part in refused.value.errors()[0]["loc"]) == tuple(map(str, place))


@pytest.mark.parametrize(("document", "model"), FILES, ids=[model.__name__ for _, model in FILES])
def test_every_mistake_is_told_in_words_of_our_own_with_what_to_do(
    document: dict[str, Any], model: type[BaseModel]
) -> None:
    for place, error in mistakes(document, model):
        words = words_of(error)
        assert error["type"] in {*_WORDS, "value_error"}, (place, error)
        assert ": " in words or error["type"] == "value_error", (place, words)
        assert "{" not in words


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("signal_groups", 0, "min_amber_s"), 3.0),
        (("signal_groups", 0, "pins", "red"), 17.0),
        (("camera", "size_px"), [640.0, 360]),
        (("camera", "size_px"), (640, 360)),
        (("schema",), 1.0),
    ],
)
def test_how_a_number_is_written_does_not_matter(place: Place, value: object) -> None:
    """A whole number may end in .0, and any number may be whole: a browser knows no difference."""
    assert Site.model_validate(replaced(SITE, place, value)) == Site.model_validate(SITE)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("min_amber_s = 3.0", "min_amber_s = true", f"line 8: signal_groups[1].min_amber_s: {NUMBER}"),
        ("min_amber_s = 3.0", 'min_amber_s = "3"', f"line 8: signal_groups[1].min_amber_s: {NUMBER}"),
        ("min_amber_s = 3.0", 'active_low = "yes"', "line 8: signal_groups[1].active_low: is neither true nor false: "),
        ("min_amber_s = 3.0", "pins = { red = 17, amber = '2', green = 22 }", "line 8: signal_groups[1].pins.amber: "),
        ("[110, 137]", "[true, 137]", "line 12: lanes[1].stop_line_px[1][1]: "),
        ("schema = 1", "schema = true", "line 1: schema: "),
        ("grace_s = 0.5", "grace_s = false", "line 17: rule.grace_s: "),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    from tests.core.test_config import SITE as TEXT

    file = tmp_path / "site.toml"
    file.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_site(file)
    assert str(refused.value).startswith(f"{file}, {line}")


def test_a_node_file_with_a_value_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('schema = 1\n[node]\nid = "edge-1"\n[telemetry]\nhome_assistant = "no"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 5: telemetry\.home_assistant: "):
        load_node(file)
