"""docs/telemetry.md against the messages themselves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyrage

from edge.commands.doctor import DoctorRequest, examine
from edge.keys import create_key
from edge.messages import encoded
from edge.mqtt import Topics
from edge.records import Fault, VehicleClass, Verdict
from tests.docs.pages import ROOT, table_rows
from tests.telemetry.samples import MOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs" / "telemetry.md"
# Where a field's name is one of many, by the field that it stands in.
MEMBERS = {
    "lamps": ("<group>", {"north"}),
    "faults": ("<fault>", set(Fault)),
    "ambers": ("<length>", {"2.98", "3.00"}),
    "passages": ("<verdict>", set(Verdict)),
    "classes": ("<class>", set(VehicleClass)),
    "<class>": ("<verdict>", set(Verdict)),
}


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Every field of a document, by the names that lead to it."""
    if isinstance(value, dict):
        for name, one in value.items():
            kind, members = MEMBERS.get(path.rpartition(".")[2], ("", set()))
            shown = kind if name in members else name
            yield from paths(one, f"{path}.{shown}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from paths(value[0], f"{path}[]")
    else:
        yield path


def test_every_field_of_health_is_on_the_page_and_no_other() -> None:
    written = [row[0].strip("`") for row in table_rows(PAGE, "## Health")]
    assert len(set(written)) == len(written)
    assert set(written) == set(paths(json.loads(encoded(MOST))))


def test_the_topics_are_those_of_a_node() -> None:
    written = {row[0].strip("`") for row in table_rows(PAGE, "# Telemetry")}
    topics = Topics("p", "s", "n")
    own = {topics.status, topics.birth, topics.health, topics.signal}
    assert {f"p/v1/s/n/{name}" for name in written} == own


def test_the_screen_of_the_doctor_is_what_it_shows(tmp_path: Path) -> None:
    """Its lines, in their order, and a count that is theirs."""
    create_key(tmp_path / "node.key")
    node = tmp_path / "node.toml"
    recipient = pyrage.x25519.Identity.generate().to_public()
    node.write_text(
        f'schema = 1\n\n[node]\nid = "n"\nkey = "node.key"\n\n[evidence]\nrecipients = ["{recipient}"]\n',
        encoding="utf-8",
    )
    there = [one.what for one in examine(DoctorRequest(ROOT / "sim_fixtures" / "plain_red_runner" / "site.toml", node))]
    (screen,) = re.findall(r"```\w*\n(✔ site.+?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    *lines, last = [line for line in screen.splitlines() if not line.startswith(" ")]
    shown = [next(what for what in sorted(there, key=len, reverse=True) if line[2:].startswith(what)) for line in lines]
    assert shown == there
    assert last == f"{sum(line.startswith('✘') for line in lines)} of {len(lines)} do not work."
