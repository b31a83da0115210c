"""The update of a card of two halves: kept when the node is healthy, taken back when it is not."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from edge.keys import create_key
from tests.command import ROOT
from tests.firmware_config.device import CONFIG, module

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "firmware-config/rootfs/usr/local/sbin/stopline-update"
BEFORE = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
AFTER = "[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n"
TRY = "asked: --reboot-argument=0 tryboot"
BOARD = "raspberrypi,5-model-b"
IMAGES = {"boot": random.Random(1).randbytes(70_000), "system": random.Random(2).randbytes(300_000)}  # noqa: S311
OLD = {2: random.Random(3).randbytes(100_000), 3: random.Random(4).randbytes(100_000)}  # noqa: S311


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

    def run(
        self,
        *words: object,
        states: tuple[str, ...] = ("active 0",),
        path: Path | None = None,
        own_group: bool = False,
        **more: str,
    ) -> subprocess.CompletedProcess[str]:
        """The last state lasts; each look is one step of a second that takes none. Programs in ``path`` come first."""
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
            "PATH": f"{path or self.folder}:{self.folder}:{os.environ['PATH']}",
            "STOPLINE_AUTOBOOT": str(self.autoboot),
            "STOPLINE_BOOTLOADER": str(self.folder / "bootloader"),
            "STOPLINE_REBOOT": str(reboot),
            "STOPLINE_SHOW": str(show),
            "STOPLINE_STEP_S": "1",
            "STOPLINE_WAIT_S": "12",
            "STOPLINE_STEADY_S": "3",
            "STOPLINE_SLOT": str(self.folder / "other"),
            "STOPLINE_UPDATE_KEY": str(self.folder / "update.pem"),
            "STOPLINE_COMPATIBLE": str(self.folder / "compatible"),
            "STOPLINE_UPDATES": str(self.folder / "persistent"),
            **more,
        }
        command = ["sh", str(SCRIPT), *map(str, words)]
        options: dict[str, Any] = {"env": environment, "timeout": 60, "start_new_session": own_group}
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    def make_halves(self) -> None:
        """Partitions 2 and 3 for booting, 4 and 5 for the system, and what leads to those of the half that rests."""
        for number, content in OLD.items():
            self.partition(number).write_bytes(content)
            self.partition(number + 2).write_bytes(content * 4)
        (self.folder / "compatible").write_bytes(f"{BOARD}\0brcm,bcm2712\0".encode())
        (self.folder / "other").mkdir()
        (self.folder / "other/boot").symlink_to(self.partition(3))
        (self.folder / "other/system").symlink_to(self.partition(5))

    def partition(self, number: int) -> Path:
        return self.folder / f"mmcblk0p{number}"

    def other_half(self) -> dict[str, bytes]:
        """What lies there, as far as an update is long."""
        boot, system = self.partition(3).read_bytes(), self.partition(5).read_bytes()
        return {"boot": boot[: len(IMAGES["boot"])], "system": system[: len(IMAGES["system"])]}

    def is_good_half_whole(self) -> bool:
        return (self.partition(2).read_bytes(), self.partition(4).read_bytes()) == (OLD[2], OLD[2] * 4)

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
    assert card.rebooted() == [TRY]
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


def make_update(folder: Path, **options: str) -> Path:
    """An update as the maker makes it, with a key made for it, whose public part lies on the node."""
    key = folder / "update.key"
    if not key.exists():
        create_key(key)
        private = load_pem_private_key(key.read_bytes(), None)
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / "update.pem").write_bytes(pem)
    for part, content in IMAGES.items():
        (folder / f"{part}.img").write_bytes(content)
    words = {"--for": "pi5", "--version": "0.2.0", "--key": str(key)} | options
    out = folder / "made.update"
    images = [str(folder / "boot.img"), str(folder / "system.img")]
    module(CONFIG / "update.py").main([str(out), *images, *(word for pair in words.items() for word in pair)])
    return out


def changed(update: Path, name: str, content: bytes) -> Path:
    """The same file with another member of a name."""
    out = update.with_name("changed.update")
    with tarfile.open(update) as was, tarfile.open(out, "w") as new:
        for member in was.getmembers():
            taken = was.extractfile(member)
            assert taken is not None
            data = content if member.name == name else taken.read()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return out


@pytest.fixture
def two_halves(card: Card) -> Card:
    card.make_halves()
    card.write(2, trying=False)
    return card


def test_an_update_is_written_read_back_and_tried(two_halves: Card) -> None:
    found = two_halves.run("install", make_update(two_halves.folder))
    assert found.returncode == 0, found.stderr
    assert two_halves.other_half() == IMAGES
    assert two_halves.is_good_half_whole()
    assert two_halves.rebooted() == [TRY]
    assert two_halves.autoboot.read_text(encoding="ascii") == BEFORE, "only a healthy try changes what is started"

    two_halves.write(3, trying=True)
    assert two_halves.run("confirm").returncode == 0
    assert two_halves.autoboot.read_text(encoding="ascii") == AFTER
    assert (two_halves.folder / "persistent/updated").read_text(encoding="ascii").endswith(" 0.2.0\n")


def test_what_is_not_signed_is_not_written(two_halves: Card) -> None:
    update = make_update(two_halves.folder)
    with tarfile.open(update) as made:
        taken = made.extractfile("manifest")
        assert taken is not None
        manifest = taken.read()
    other = make_update_by_another(two_halves.folder)
    spoilt: list[tuple[Path, str]] = [
        (changed(update, "manifest", manifest.replace(b"0.2.0", b"0.2.1")), "not signed"),
        (other, "not signed"),
        (two_halves.folder / "boot.img", "no update"),
    ]
    for file, words in spoilt:
        found = two_halves.run("install", file)
        assert (found.returncode, words in found.stderr) == (1, True), found.stderr
        file.unlink()
    found = two_halves.run("install", changed(update, "system.gz", b"no image at all"))
    assert (found.returncode, "system in" in found.stderr) == (1, True), found.stderr
    (two_halves.folder / "update.pem").unlink()
    assert "is missing, by which updates are checked" in two_halves.run("install", update).stderr
    assert two_halves.other_half() != IMAGES
    assert two_halves.partition(3).read_bytes() == OLD[3]
    assert two_halves.partition(5).read_bytes() == OLD[3] * 4
    assert two_halves.rebooted() == []


def make_update_by_another(folder: Path) -> Path:
    """Signed all right, by somebody else."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    return make_update(elsewhere)


def test_an_update_for_another_board_or_too_large_or_older_is_refused(two_halves: Card) -> None:
    assert "for another board" in two_halves.run("install", make_update(two_halves.folder, **{"--for": "pi4"})).stderr
    update = make_update(two_halves.folder)
    two_halves.partition(5).write_bytes(b"small")
    assert "does not fit" in two_halves.run("install", update).stderr
    two_halves.partition(5).write_bytes(OLD[3] * 4)
    (two_halves.folder / "persistent").mkdir()
    (two_halves.folder / "persistent/updated").write_text("99999999999 0.3.0\n", encoding="ascii")
    assert "is older" in two_halves.run("install", update).stderr
    assert two_halves.rebooted() == []
    assert two_halves.run("install", update, "--older").returncode == 0
    assert two_halves.other_half() == IMAGES


@pytest.mark.parametrize(("running", "trying", "words"), [(3, True, "being tried"), (3, False, "is the good one")])
def test_nothing_is_written_while_a_try_runs(two_halves: Card, running: int, trying: bool, words: str) -> None:
    two_halves.write(running, trying=trying)
    assert words in two_halves.run("install", make_update(two_halves.folder)).stderr
    assert two_halves.partition(3).read_bytes() == OLD[3]


def test_halves_that_autoboot_names_otherwise_are_left_alone(two_halves: Card) -> None:
    (two_halves.folder / "other/boot").unlink()
    (two_halves.folder / "other/boot").symlink_to(two_halves.partition(2))
    assert "nothing was written" in two_halves.run("install", make_update(two_halves.folder)).stderr
    assert two_halves.is_good_half_whole()


def test_a_card_that_gives_back_something_else_is_not_tried(two_halves: Card) -> None:
    liar = two_halves.folder / "liar"
    liar.mkdir()
    (liar / "dd").write_text('#!/bin/sh\nfor word; do case $word in of=*) out=${word#of=} ;; esac; done\n'
                             'cat > "$out"\nprintf x | /bin/dd of="$out" bs=1 seek=4711 conv=notrunc status=none\n',
                             encoding="ascii")  # fmt: skip
    (liar / "dd").chmod(0o755)
    found = two_halves.run("install", make_update(two_halves.folder), path=liar)
    assert (found.returncode, "on the card is not what was signed" in found.stderr) == (1, True), found.stderr
    assert two_halves.rebooted() == []


CUT = """#!/bin/sh
# Power fails when the so many-th program is started: whoever started it is gone; what writes has written a little.
read -r count < "$CUT_FOLDER/count"
echo $((count - 1)) > "$CUT_FOLDER/count"
if [ "$count" -le 0 ]; then
  case {program} in */dd) head -c 1000 | {program} "$@" ;; esac
  kill -KILL 0
fi
exec {program} "$@"
"""
PROGRAMS = ("dd", "mkdir", "mv", "openssl", "sha256sum", "sync")


@pytest.fixture
def failing_power(tmp_path: Path) -> Path:
    folder = tmp_path / "power"
    folder.mkdir()
    for name in PROGRAMS:
        where = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (folder / name).write_text(CUT.replace("{program}", where), encoding="ascii")
        (folder / name).chmod(0o755)
    return folder


def cut_everywhere(card: Card, power: Path, *words: object, check: Any) -> int:
    """Run it with the power failing ever later, until it comes to its end; how often it failed."""
    for count in range(400):
        (power / "count").write_text(f"{count}\n", encoding="ascii")
        command = card.run(*words, path=power, own_group=True, CUT_FOLDER=str(power))
        if command.returncode == 0:
            return count
        assert command.returncode == -9, command.stderr
        check()
    raise AssertionError("it never comes to an end")


def test_a_power_cut_at_any_moment_of_an_update_leaves_the_good_half(two_halves: Card, failing_power: Path) -> None:
    update = make_update(two_halves.folder)

    def check() -> None:
        assert two_halves.autoboot.read_text(encoding="ascii") == BEFORE
        assert two_halves.is_good_half_whole()
        assert two_halves.rebooted() == []

    assert cut_everywhere(two_halves, failing_power, "install", update, check=check) > 8
    assert two_halves.other_half() == IMAGES, "begun again after each cut, it came to its end at last"
    assert two_halves.rebooted() == [TRY]


def test_a_power_cut_at_any_moment_of_a_confirmation_leaves_one_of_both(card: Card, failing_power: Path) -> None:
    card.write(3, trying=True)

    def check() -> None:
        assert card.autoboot.read_text(encoding="ascii") in {BEFORE, AFTER}
        card.autoboot.write_text(BEFORE, encoding="ascii")

    assert cut_everywhere(card, failing_power, "confirm", check=check) >= 3
    assert card.autoboot.read_text(encoding="ascii") == AFTER


def test_the_deadline_leaves_a_try_that_was_not_confirmed(card: Card) -> None:
    card.write(3, trying=True, autoboot=AFTER)
    assert card.run("deadline").returncode == 0
    assert card.rebooted() == [], "confirmed"
    card.write(2, trying=False)
    assert card.run("deadline").returncode == 0
    assert card.rebooted() == [], "an ordinary start"
    card.write(3, trying=True)
    assert card.run("deadline").returncode == 0
    card.autoboot.unlink()
    assert card.run("deadline").returncode == 0
    assert card.rebooted() == ["asked: --force"] * 2, "not confirmed; and where nothing could be mounted"


@pytest.mark.parametrize("trying", [True, False])
def test_whether_this_start_is_a_try_is_told(card: Card, trying: bool) -> None:
    card.write(3, trying=trying)
    assert card.run("trying").returncode == (0 if trying else 1)


def test_a_restart_that_cannot_be_asked_for_is_a_failure(card: Card) -> None:
    """Which the unit answers with a restart of its own."""
    card.write(3, trying=True)
    assert card.run("confirm", states=("failed 0",), STOPLINE_REBOOT="/bin/false").returncode != 0
