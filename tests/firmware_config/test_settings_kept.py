"""What install.sh lays over a system: an upgrade keeps what the operator has changed; boot files are written once."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.firmware_config.device import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = "etc/stopline/environment"
RULES = "etc/nftables.conf"


def lay(tree: Path, system: Path) -> str:
    command = ["sh", str(CONFIG / "settings.sh"), str(tree), str(system)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The device's own tree."""
    return shutil.copytree(CONFIG / "rootfs", tmp_path / "tree")


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A system that has a firewall of its own already."""
    rules = tmp_path / "system" / RULES
    rules.parent.mkdir(parents=True)
    rules.write_text("# Debian's\n", encoding="utf-8")
    return tmp_path / "system"


def test_all_of_the_tree_is_laid_and_what_was_there_is_kept_beside_it(tree: Path, system: Path) -> None:
    lay(tree, system)
    for file in (path for path in tree.rglob("*") if path.is_file()):
        there = system / file.relative_to(tree)
        assert (there.read_bytes(), there.stat().st_mode) == (file.read_bytes(), file.stat().st_mode)
    assert (system / f"{RULES}.before-stopline").read_text(encoding="utf-8") == "# Debian's\n"


def test_a_second_run_changes_nothing(tree: Path, system: Path) -> None:
    lay(tree, system)
    before = {path: path.read_bytes() for path in system.rglob("*") if path.is_file()}
    assert lay(tree, system) == ""
    assert {path: path.read_bytes() for path in system.rglob("*") if path.is_file()} == before


def test_an_upgrade_keeps_what_the_operator_changed_and_replaces_the_rest(tree: Path, system: Path) -> None:
    lay(tree, system)
    mine = "STOPLINE_SOURCE=rtsp://camera\nSTOPLINE_THREADS=3\n"
    (system / ENVIRONMENT).write_text(mine, encoding="utf-8")
    (system / "usr/local/sbin/stopline-update").write_text("changed", encoding="utf-8")
    for file in (ENVIRONMENT, RULES):
        (tree / file).write_text((tree / file).read_text(encoding="utf-8") + "# newer\n", encoding="utf-8")

    said = lay(tree, system)
    assert (system / ENVIRONMENT).read_text(encoding="utf-8") == mine
    assert (system / f"{ENVIRONMENT}.new").read_text(encoding="utf-8").endswith("# newer\n")
    assert f"/{ENVIRONMENT} was changed here and is left so" in said
    assert (system / RULES).read_text(encoding="utf-8").endswith("# newer\n")
    assert (system / "usr/local/sbin/stopline-update").read_bytes() != b"changed", "a program is no setting"

    shutil.copy(system / f"{ENVIRONMENT}.new", system / ENVIRONMENT)
    assert lay(tree, system) == ""
    assert not (system / f"{ENVIRONMENT}.new").exists(), "taken over by hand"


def set_boot(folder: Path) -> None:
    subprocess.run(["sh", str(CONFIG / "boot.sh"), str(folder)], check=True, timeout=60)


COMMAND_LINE = "console=tty1 root=PARTUUID=8a438930-02 rootfstype=ext4 fsck.repair=yes rootwait"


@pytest.mark.parametrize("end", ["", "\n", " \n\n"])
def test_memory_limits_are_switched_on_once_on_one_line(tmp_path: Path, end: str) -> None:
    line = tmp_path / "cmdline.txt"
    line.write_text(COMMAND_LINE + end, encoding="ascii")
    for _ in range(2):
        set_boot(tmp_path)
        assert line.read_text(encoding="ascii") == f"{COMMAND_LINE} cgroup_enable=memory\n"
    assert [path.name for path in tmp_path.iterdir()] == ["cmdline.txt"]


def test_config_txt_keeps_what_it_had(tmp_path: Path) -> None:
    config = tmp_path / "config.txt"
    config.write_text("arm_64bit=1\n", encoding="ascii")
    set_boot(tmp_path)
    once = config.read_text(encoding="ascii")
    assert once.startswith("arm_64bit=1\n# stopline begin\n")
    assert (CONFIG / "boot/config.txt").read_text(encoding="ascii") in once
    config.write_text(once + "dtoverlay=imx296\n", encoding="ascii")
    set_boot(tmp_path)
    assert config.read_text(encoding="ascii").count("# stopline begin") == 1
    assert "dtoverlay=imx296\n" in config.read_text(encoding="ascii")


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        ("[all]\nBOOT_UART=1\nPSU_MAX_CURRENT=5000\n", True),
        ("[all]\nPSU_MAX_CURRENT=5000\n", True),
        (None, False),
    ],
    ids=["another value", "none", "as it shall be"],
)
def test_the_eeprom_gets_its_settings_where_it_has_not_and_keeps_others(
    tmp_path: Path, now: str | None, asked: bool
) -> None:
    wanted = CONFIG / "boot/eeprom.conf"
    (tmp_path / "now").write_text(now or "PSU_MAX_CURRENT=5000\n" + wanted.read_text(encoding="ascii"), "ascii")
    tool = tmp_path / "tool"
    tool.write_text(
        f'#!/bin/sh\nif [ "${{1:-}}" = --apply ]; then cp "$2" {tmp_path}/applied; else cat {tmp_path}/now; fi\n',
        encoding="ascii",
    )
    tool.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "STOPLINE_EEPROM": str(wanted), "STOPLINE_EEPROM_TOOL": str(tool)}
    command = ["sh", str(CONFIG / "rootfs/usr/local/sbin/stopline-eeprom")]
    subprocess.run(command, check=True, env=environment, timeout=60)
    applied = tmp_path / "applied"
    assert applied.exists() == asked
    if asked:
        lines = applied.read_text(encoding="ascii").splitlines()
        assert [line for line in lines if line.startswith("BOOT_UART")] == ["BOOT_UART=0"]
        assert "PSU_MAX_CURRENT=5000" in lines
        assert "BOOT_ORDER=0xf61" in lines
