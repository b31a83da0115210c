"""The bundle brings what a node needs by hash, all of it and nothing of the developers'."""

from __future__ import annotations

import re
import shutil
import tarfile
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from tests.command import ROOT
from tests.firmware_config.device import CONFIG, bundle

if TYPE_CHECKING:
    from pathlib import Path


def needed(name: str, found: set[str]) -> set[str]:
    """What a distribution asks for here, and what that asks for."""
    for text in metadata.requires(name) or []:
        wish = Requirement(text)
        plain = wish.name.lower().replace("_", "-")
        if plain not in found and (wish.marker is None or wish.marker.evaluate({"extra": ""})):
            found.add(plain)
            needed(plain, found)
    return found


def test_the_bundles_lock_is_the_nodes_own_closure() -> None:
    lock = bundle().runtime_lock(ROOT)
    names = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE))
    assert needed("stopline", set()) <= names
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "sqlalchemy", "import-linter"}
    for entry in re.split(r"\n(?=[a-z0-9])", lock):
        assert "--hash=sha256:" in entry


def test_the_seed_unpacks_what_the_bundle_makes() -> None:
    seed = (ROOT / "firmware-config/seed/user-data").read_text(encoding="utf-8")
    assert "/boot/firmware/stopline.tar.gz" in seed
    assert "/opt/stopline-install/install.sh" in seed


def test_a_bundle_holds_the_devices_files_and_no_older_bundle(tmp_path: Path) -> None:
    made, image = tmp_path / "made.tar.gz", tmp_path / "image"
    shutil.copytree(CONFIG / "image", image, ignore=shutil.ignore_patterns("*.tar.gz"))
    for file in ("stopline.tar.gz", "installer.pub"):
        (image / file).write_text("a builder's", encoding="ascii")
    bundle()._pack(made, [*(CONFIG / part for part in bundle().PARTS if part != "image"), image])
    with tarfile.open(made) as packed:
        names = set(packed.getnames())
        assert {member.uid for member in packed.getmembers()} == {0}
    assert {"install.sh", "settings.sh", "boot.sh", "boot/config.txt", "image/stopline-eeprom.service"} <= names
    assert not names & {"image/stopline.tar.gz", "image/installer.pub"}


def test_conditions_are_judged_for_the_devices_python() -> None:
    """pip asks the Python that it runs in, even where it downloads for another."""
    module = bundle()
    lock = module.runtime_lock(ROOT)
    by_python = {python: module.lock_for(lock, python) for python in ("3.11", "3.13")}
    numpy = {python: re.findall(r"^numpy==(\S+)", text, re.MULTILINE) for python, text in by_python.items()}
    assert [len(versions) for versions in numpy.values()] == [1, 1]
    assert numpy["3.11"] != numpy["3.13"], "the lock has a numpy for each; with one alone this test says nothing"
    for text in by_python.values():
        assert " ; " not in text
        assert "colorama" not in text, "for Windows alone"
