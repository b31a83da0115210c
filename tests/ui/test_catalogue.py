"""Every sentence of the pages is there in every language."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

import pytest

from edge import report
from edge.decisions import STATES, Reason, Standing
from edge.ui.catalogue import LANGUAGES, Words, _messages, chosen
from tests.command import ROOT

TEMPLATES = sorted((ROOT / "edge/ui/templates").glob("*.html"))
SAID = {
    words
    for file in TEMPLATES
    for pair in re.findall(r"""t\((?:"([^"]+)"|'([^']+)')[,)]""", file.read_text("utf-8"))
    for words in pair
    if words
}
NAMED = {f"state {name}" for name in STATES} | {f"reason {name}" for name in Reason}
NAMED |= {f"standing {name}" for name in Standing}


def test_the_templates_say_something() -> None:
    assert len(TEMPLATES) >= 4
    assert len(SAID) > 30


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_all_of_it_is_translated(language: str) -> None:
    rows = re.findall(r'yield "([^"]+)",', (ROOT / "edge/report.py").read_text("utf-8"))
    assert len(rows) > 10, report.rows
    untold = {words for words in SAID | NAMED | set(rows) if language not in _messages().get(words, {})}
    assert not untold


def test_names_have_english_words() -> None:
    assert all("en" in _messages()[name] for name in NAMED)


def test_a_translation_fills_in_the_same_names() -> None:
    def names(text: str) -> set[Any]:
        return {field for _, field, _, _ in Formatter().parse(text) if field}

    for english, said in _messages().items():
        assert all(names(text) == names(said.get("en", english)) for text in said.values()), english


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "fr-CH,fr;q=0.9,en;q=0.8", "fr"),
        (None, "es,de;q=0.5", "de"),
        (None, "", "en"),
        ("de", "fr", "de"),
        ("xx", "fr", "fr"),
    ],
)
def test_the_language_is_the_readers(asked: str | None, accepted: str, language: str) -> None:
    assert chosen(asked, accepted) == language


def test_what_is_not_translated_is_said_in_english() -> None:
    assert Words("de")("A sentence that nobody translated.") == "A sentence that nobody translated."
