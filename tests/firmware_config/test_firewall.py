"""The firewall's rules loaded into a network of their own, with an operator's file of the kind that the rules name."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.firmware_config.device import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

RULES = CONFIG / "rootfs/etc/nftables.conf"
PATH = {**os.environ, "PATH": f"/usr/sbin:{os.environ['PATH']}"}


def own_network() -> bool:
    tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    return tried.returncode == 0 and shutil.which("nft", path=PATH["PATH"]) is not None


pytestmark = pytest.mark.skipif(not own_network(), reason="no nft, or no network namespace of its own")


def loaded(folder: Path, name: str) -> str:
    """What a set holds once the rules and the operator's files are loaded."""
    rules = folder / "nftables.conf"
    rules.write_text(RULES.read_text(encoding="utf-8").replace("/etc/stopline/nftables.d", str(folder)), "utf-8")
    script = f"nft --check --file {rules} && nft --file {rules} && nft list set inet stopline {name}"
    done = subprocess.run(["unshare", "-rn", "sh", "-c", script], capture_output=True, text=True, check=False, env=PATH)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_file_of_the_operators_there_is_the_usual_port(tmp_path: Path) -> None:
    assert "elements = { 8883 }" in loaded(tmp_path, "broker_ports")


def test_the_example_in_the_rules_opens_what_it_says(tmp_path: Path) -> None:
    lines = RULES.read_text(encoding="utf-8").splitlines()
    example = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    assert len(example) == 4
    (tmp_path / "site.nft").write_text("\n".join(example) + "\n", encoding="utf-8")
    assert "443, 8883" in loaded(tmp_path, "broker_ports")
    assert "203.0.113.7" in loaded(tmp_path, "cameras4")
    assert "elements = { 10.20.30.0/24 }" in loaded(tmp_path, "operators4")
