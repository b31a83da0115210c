"""The set-up page's scripts as text: what a linter would say, and that all they say to people is in the catalogue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from edge.ui.catalogue import LANGUAGES, _messages
from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = sorted((ROOT / "edge/ui/static/setup").glob("*.js"))
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w.]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:class|const|function|let) (\w+)", re.MULTILINE)
# A sentence may go over several lines, in pieces that are put together.
SENTENCE = re.compile(r'\bt\(\s*("[^"]+"(?:\s*\+\s*"[^"]+")*)')
COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL)
LONGEST = 120


def sentences(file: Path) -> set[str]:
    """What a script says through the catalogue."""
    return {"".join(re.findall(r'"([^"]+)"', found)) for found in SENTENCE.findall(file.read_text("utf-8"))}


SAID = {words for file in SCRIPTS for words in sentences(file)}
# Their keys come from variables.
SAID |= {f"{name} of {{lane}}" for name in ("Stop line", "Confirm line")}
SAID.add("{lane}: {width} m wide at the stop line, {length} m from there to the confirm line")


def names_in(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 25
    assert len(SAID) > 150
    assert {"Watch again", "red for {time}", "no lamps known"} <= SAID


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_script_is_written_as_the_others(file: Path) -> None:
    text = file.read_text("utf-8")
    lines = text.splitlines()
    assert [line for line in lines if len(line) > LONGEST] == []
    assert [line for line in lines if line != line.rstrip() or "\t" in line] == []
    assert lines[0].startswith("// ")
    code = COMMENT.sub("", text)
    assert not re.search(r"\bconsole\.|\bdebugger\b|\bvar |innerHTML|\beval\(|[^=!]==[^=]|!=[^=]", code)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_what_a_script_imports_is_there_and_used(file: Path) -> None:
    text = file.read_text("utf-8")
    code = COMMENT.sub("", IMPORT.sub("", text))
    for listed, source in IMPORT.findall(text):
        there = set(EXPORT.findall((file.parent / source).read_text("utf-8")))
        for name in names_in(listed):
            assert name in there, f"{source} has no {name}"
            assert re.search(rf"\b{name}\b", code), f"{name} is not used"


def test_what_is_exported_is_wanted_elsewhere() -> None:
    texts = [file.read_text("utf-8") for file in SCRIPTS]
    wanted = {name for text in texts for listed, _ in IMPORT.findall(text) for name in names_in(listed)}
    exported = {name for text in texts for name in EXPORT.findall(text)}
    assert exported - wanted == {"player"}  # for the console, and for tests


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_each_sentence_of_the_scripts_is_translated(language: str) -> None:
    assert not {words for words in SAID if language not in _messages().get(words, {})}
