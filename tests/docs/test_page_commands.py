"""The commands on the pages exist, and those marked ``run`` do what the pages say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from edge.records import Phase, VehicleClass, Verdict
from edge.results import HEADER
from tests.command import STOPLINE, stopline
from tests.docs.pages import ROOT, Block, blocks, pages, table_rows

if TYPE_CHECKING:
    from pathlib import Path

SHELL = [block for page in pages() for block in blocks(page) if block.language in {"sh", "console"}]
REPLAY = ROOT / "docs" / "replay.md"


def commands(block: Block) -> list[list[str]]:
    """The words of each command in a block, continued lines joined, comments left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    split = (shlex.split(re.sub(r"^(\$ )?(sudo (-u \w+ )?)?", "", line), comments=True) for line in lines)
    return [words for words in split if words]


@cache
def help_text(*subcommand: str) -> str:
    outcome = stopline(*subcommand, "--help")
    assert outcome.code == 0, f"stopline {' '.join(subcommand)} is no command: {outcome.err}"
    return outcome.out


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


@pytest.mark.parametrize("block", SHELL, ids=lambda block: f"{block.page}:{block.line}")
def test_commands_and_their_options_exist(block: Block) -> None:
    for words in commands(block):
        if words[0].startswith("script/"):
            assert os.access(ROOT / words[0], os.X_OK), words[0]
        elif words[0].endswith("stopline"):
            groups = {"keys", "ca", "ledger", "outbox", "model"}
            subcommand = words[1:3] if words[1] in groups else words[1:2]
            unknown = {option for option in options(words) if option not in help_text(*subcommand)}
            assert not unknown, f"stopline {' '.join(subcommand)} does not know {unknown}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_named_in_the_text_exist(page: Path) -> None:
    known = set(re.findall(r"[a-z]+", help_text()))
    named = re.findall(r"`stopline ([a-z]+)", page.read_text(encoding="utf-8"))
    assert set(named) <= known


def test_the_blocks_marked_run_do_what_they_say(tmp_path: Path) -> None:
    """All of the README's in one shell, as a reader would paste them; then those of the other pages."""
    (tmp_path / "sim_fixtures").symlink_to(ROOT / "sim_fixtures")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text(f'PATH="{STOPLINE.parent}:$PATH"\n', encoding="utf-8")
    marked = [block for block in SHELL if "run" in block.marks and block.page == "README.md"]
    assert len(marked) >= 3
    pasted = subprocess.run(
        ["bash", "-e", "-o", "pipefail"],
        input="".join(block.text for block in marked),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
        check=False,
    )
    assert pasted.returncode == 0, pasted.stderr
    assert ",violation" in pasted.stdout
    assert "1 of 1 events are intact." in pasted.stdout
    assert "wait, 0 were refused" in pasted.stdout


def test_the_replay_page_runs_the_same_command_as_the_readme() -> None:
    """So that it need not be run once more."""
    [shown] = [block for block in blocks(REPLAY) if "run" in block.marks]
    [words] = commands(shown)
    readme = [line for block in SHELL if block.page == "README.md" for line in commands(block)]
    assert any(line[: len(words)] == words for line in readme)


def test_the_replay_page_names_every_option_and_no_other() -> None:
    listed = {row[0].strip("`") for row in table_rows(REPLAY, "## What you call")}
    assert listed == set(re.findall(r"--[a-z-]+", help_text("replay"))) - {"--help"}


def test_the_replay_page_names_every_column_class_phase_and_verdict() -> None:
    text = REPLAY.read_text(encoding="utf-8")
    assert tuple(row[0].strip("`") for row in table_rows(REPLAY, "## What you get")) == HEADER
    words = {word for member in (Verdict, Phase, VehicleClass) for word in member} - {VehicleClass.PERSON}
    missing = {word.value for word in words if f"`{word.value}`" not in text}
    assert not missing


def test_the_lamps_shown_on_the_replay_page_can_be_read(tmp_path: Path) -> None:
    from edge.sources.timeline import read_timeline

    [shown] = [block for block in blocks(REPLAY) if block.language == "csv"]
    (tmp_path / "lamps.csv").write_text(shown.text, encoding="utf-8")
    assert read_timeline(tmp_path / "lamps.csv")
