"""Every mistake that the checks of a site file can name is said on the set-up page in each language."""

from __future__ import annotations

import re

import pytest

from edge.config import Site
from edge.mistakes import words_of
from edge.ui.catalogue import LANGUAGES, _messages
from tests.core.test_config_kinds import SITE, mistakes


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mistake_of_a_draft_has_its_sentence(language: str) -> None:
    told = {words_of(error) for _, error in mistakes(SITE, Site)}
    assert len(told) > 20
    untold = {words for words in told if not any(language in _messages().get(key, {}) for key in keys_of(words))}
    assert untold == set()


def keys_of(words: str) -> list[str]:
    """Under what the page looks a sentence up: as it is, with its names in braces, with its numbers in braces."""
    names = iter("abc")
    numbers = iter("nmmmm")
    quoted = re.sub(r'"[^"]*"', lambda _: f'"{{{next(names)}}}"', words)
    counted = re.sub(r"-?\d+(?:\.\d+)?", lambda _: f"{{{next(numbers)}}}", words)
    return [re.sub(r"\d+ x \d+", "{size}", quoted), counted, "{key} " + words]
