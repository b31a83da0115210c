"""The page on the architecture says of the layers what import-linter holds."""

from __future__ import annotations

import re
import tomllib

from tests.command import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
LAYERS, PURE, *_ = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
]


def test_the_layers_are_those_that_are_held() -> None:
    (block,) = re.findall(r"^```\n(cli\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert block.splitlines() == [line.replace("edge.", "") for line in LAYERS["layers"]]


def test_so_are_the_pure_modules() -> None:
    (named,) = re.findall(r"do not import each other\. (.*?) import no I/O", PAGE, re.DOTALL)
    assert set(re.findall(r"`([\w.]+)`", named)) == {name.removeprefix("edge.") for name in PURE["source_modules"]}
