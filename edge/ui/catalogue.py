"""What the page says in each language: one file of messages, English sentences as their own keys."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

LANGUAGES: Final = {"en": "English", "de": "Deutsch", "fr": "Français"}


class Words:
    """The messages of one language; what has no translation is said in English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.said = {key: said[language] for key, said in _messages().items() if language in said}

    def __call__(self, english: str, **values: object) -> str:
        """The sentence, with ``{name}`` filled in."""
        said = self.said.get(english, english)
        return said.format(**values) if values else said


def chosen(asked: str | None, accepted: str) -> str:
    """The language that was asked for, else the first of the browser's (``Accept-Language``) that is spoken here."""
    if asked in LANGUAGES:
        return asked or "en"
    for part in accepted.split(","):
        language = part.split(";")[0].strip().lower().split("-")[0]
        if language in LANGUAGES:
            return language
    return "en"


@cache
def _messages() -> dict[str, dict[str, str]]:
    raw = files("edge.ui").joinpath("messages.toml").read_text(encoding="utf-8")
    return tomllib.loads(raw)
