"""The update of a card of two halves: kept when the node is healthy, taken back when it is not."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "firmware-config/rootfs/usr/local/sbin/stopline-update"
BEFORE = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
AFTER = "[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n"


@dataclass
class Card:
    """A boot partition, what the bootloader says, and a node whose states are told one after the other."""

    folder: Path

    def write(self, running: int, *, trying: bool, autoboot: str = BEFORE) -> None:
        self.autoboot.write_text(autoboot, encoding="ascii")
        bootloader = self.folder / "bootloader"
        bootloader.mkdir(exist_ok=True)
        (bootloader / "partition").write_bytes(running.to_bytes(4, "big"))
        (bootloader / "tryboot").write_bytes(int(trying).to_bytes(4, "big"))

    @property
    def autoboot(self) -> Path:
        return self.folder / "autoboot.txt"

    def run(self, *words: str, states: tuple[str, ...] = ("active 0",)) -> subprocess.CompletedProcess[str]:
        """The last state lasts; each look is one step of a second that takes a hundredth."""
        told = self.folder / "states"
        told.write_text("".join(f"{state}\n" for state in states), encoding="ascii")
        show = self.folder / "show"
        show.write_text(
            f"#!/bin/sh\nread -r state restarts < {told}\n"
            'echo "NRestarts=$restarts"\necho "ActiveState=$state"\n'
            f'[ "$(wc -l < {told})" -gt 1 ] && sed -i 1d {told}\nexit 0\n',
            encoding="ascii",
        )
        reboot = self.folder / "reboot"
        reboot.write_text(f'#!/bin/sh\necho "asked: $*" >> {self.folder}/rebooted\n', encoding="ascii")
        sleep = self.folder / "sleep"
        sleep.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
        for program in (show, reboot, sleep):
            program.chmod(0o755)
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "STOPLINE_AUTOBOOT": str(self.autoboot),
            "STOPLINE_BOOTLOADER": str(self.folder / "bootloader"),
            "STOPLINE_REBOOT": str(reboot),
            "STOPLINE_SHOW": str(show),
            "STOPLINE_STEP_S": "1",
            "STOPLINE_WAIT_S": "12",
            "STOPLINE_STEADY_S": "3",
        }
        command = ["sh", str(SCRIPT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)

    def rebooted(self) -> list[str]:
        asked = self.folder / "rebooted"
        return asked.read_text(encoding="ascii").splitlines() if asked.exists() else []


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_a_healthy_try_becomes_the_good_half(card: Card) -> None:
    card.write(3, trying=True)
    found = card.run("confirm", states=("activating 0", "activating 0", "active 0"))
    assert found.returncode == 0, found.stderr
    assert card.autoboot.read_text(encoding="ascii") == AFTER
    assert card.rebooted() == []
    assert sorted(path.name for path in card.folder.glob("autoboot*")) == ["autoboot.txt"]


@pytest.mark.parametrize(
    "states",
    [
        ("failed 0",),
        ("activating 1",),
        ("active 0", "active 0", "failed 0"),
        tuple(f"active {restarts}" for restarts in range(20)),  # active at each look, started anew before each
        ("active 0", "active 0", "activating 1") * 10,
        ("",),
    ],
    ids=["failed", "never judges", "dies", "restarts", "comes and goes", "no answer"],
)
def test_a_try_that_is_not_healthy_is_taken_back(card: Card, states: tuple[str, ...]) -> None:
    card.write(3, trying=True)
    found = card.run("confirm", states=states)
    assert found.returncode == 0, found.stderr
    assert card.autoboot.read_text(encoding="ascii") == BEFORE, "the next start is in the good half by itself"
    assert card.rebooted() == ["asked: "]


def test_an_ordinary_start_changes_nothing(card: Card) -> None:
    card.write(2, trying=False)
    assert "no update is being tried" in card.run("confirm", states=("failed 0",)).stdout
    assert card.autoboot.read_text(encoding="ascii") == BEFORE
    assert card.rebooted() == []


def test_a_try_that_came_up_in_another_half_changes_nothing(card: Card) -> None:
    card.write(2, trying=True)
    assert "nothing is changed" in card.run("confirm").stdout
    assert card.autoboot.read_text(encoding="ascii") == BEFORE
    assert card.rebooted() == []


def test_a_try_is_asked_of_the_bootloader_for_one_start(card: Card) -> None:
    card.write(2, trying=False)
    assert card.run("try").returncode == 0
    assert card.rebooted() == ["asked: 0 tryboot"]
    assert "good: 2; other: 3; being tried: 0" in card.run("status").stdout


def test_the_way_back_works_after_the_halves_have_changed(card: Card) -> None:
    card.write(2, trying=True, autoboot=AFTER)
    assert card.run("confirm").returncode == 0
    assert card.autoboot.read_text(encoding="ascii") == BEFORE


@pytest.mark.parametrize("text", ["", "[all]\nboot_partition=2\n", BEFORE.replace("=3", "=2")])
def test_a_card_without_two_halves_is_refused(card: Card, text: str) -> None:
    card.write(2, trying=True, autoboot=text)
    for words in ("status", "try", "confirm"):
        found = card.run(words)
        assert found.returncode == 1
        assert "write it anew" in found.stderr
    assert card.rebooted() == []


def test_without_bootloader_or_with_a_wrong_word_nothing_happens(card: Card) -> None:
    card.write(3, trying=True)
    for name in ("partition", "tryboot"):
        (card.folder / "bootloader" / name).unlink()
    assert "no update is being tried" in card.run("confirm").stdout
    assert card.run("confrim").returncode == 2
    assert card.rebooted() == []


def test_a_failing_write_leaves_the_file_whole(card: Card) -> None:
    card.write(3, trying=True)
    (card.folder / "autoboot.txt.new").mkdir()
    found = card.run("confirm")
    assert found.returncode != 0
    assert card.autoboot.read_text(encoding="ascii") == BEFORE
