"""The scripts that make and check the device's files, as modules, and copies of the files to spoil."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = ROOT / "firmware-config"


@cache
def module(path: Path) -> Any:
    """A script as a module: it lies in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def bundle() -> Any:
    """What makes the bundle."""
    return module(CONFIG / "bundle.py")


def checks() -> Any:
    """What ``script/check-firmware`` runs."""
    return module(ROOT / "script/firmware_check.py")
