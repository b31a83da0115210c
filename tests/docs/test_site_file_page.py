"""docs/site-file.md against the models that read the files."""

from __future__ import annotations

import tomllib
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge import config
from edge.records import VehicleClass
from edge.rule import LONGEST_M
from tests.docs.pages import ROOT, blocks, table_rows

if TYPE_CHECKING:
    from pydantic import BaseModel

PAGE = ROOT / "docs" / "site-file.md"
TABLES: dict[str, type[BaseModel]] = {
    "## `[site]`": config.SiteName,
    "## `[camera]`": config.Camera,
    "## `[[signal_groups]]`": config.SignalGroup,
    "### `pins`": config.Pins,
    "### `view`": config.View,
    "## `[[lanes]]`": config.Lane,
    "## `[rule]`": config.Rule,
    "## `[calibration]`": config.Calibration,
    "## `[detector]`": config.DetectorRegion,
    "## `[[masks]]`": config.Mask,
    "### `[node]`": config.NodeName,
    "### `[broker]`": config.Broker,
    "### `[receiver]`": config.Receiver,
    "### `[evidence]`": config.Evidence,
    "### `[ledger]`": config.Ledger,
    "### `[telemetry]`": config.Telemetry,
    "### `[health]`": config.Health,
}


def written_default(cell: str) -> object:
    """What a cell of the column "default" stands for; ``...`` where the key must be given."""
    if cell == "required":
        return ...
    return None if cell == "none" else tomllib.loads(f"value = {cell.strip('`')}")["value"]


def default_in_code(model: type[BaseModel], name: str) -> object:
    field = model.model_fields[name]
    if field.is_required():
        return ...
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_and_every_default_is_that_of_the_code(heading: str) -> None:
    model = TABLES[heading]
    written = {row[0].strip("`"): written_default(row[2]) for row in table_rows(PAGE, heading)}
    assert written == {name: default_in_code(model, name) for name in model.model_fields}


def test_every_table_of_the_files_is_on_the_page() -> None:
    known = {
        model for model in vars(config).values() if isinstance(model, type) and issubclass(model, config._Settings)
    }
    whole_files = {config._Settings, config.Site, config.Node}
    assert known - whole_files == set(TABLES.values())


def test_lengths_by_class_are_those_of_the_rule() -> None:
    row = next(row for row in table_rows(PAGE, "## `[rule]`") if row[0] == "`vehicle_length_m`")
    spoken = {VehicleClass.TRUCK: "lorry"}
    for vehicle_class, length_m in LONGEST_M.items():
        if vehicle_class is VehicleClass.PERSON:
            continue
        assert spoken.get(vehicle_class, vehicle_class.value) in row[3]
        assert f"{length_m:g}" in row[3]


def test_the_examples_load(tmp_path: Path) -> None:
    site, node = (block.text for block in blocks(PAGE) if block.language == "toml")
    (tmp_path / "site.toml").write_text(site, encoding="utf-8")
    (tmp_path / "node.toml").write_text(node, encoding="utf-8")
    assert config.load_site(tmp_path / "site.toml").lanes[0].id == "through"
    assert config.load_node(tmp_path / "node.toml").node.key == tmp_path / "node.key"


def test_the_sample_node_file_loads() -> None:
    node = config.load_node(ROOT / "firmware-config" / "node.toml")
    assert node.broker is not None
    assert node.broker.ca == ROOT / "firmware-config" / "ca.pem"
    assert node.evidence is not None
    assert node.evidence.seal == "age"
