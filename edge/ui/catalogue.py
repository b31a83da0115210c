"""What the page says in each language: one file of messages, English sentences as their own keys.

What other parts of the program say in English is translated by a second file, whose keys are those sentences with
their figures as ``{names}``. So the verifier stays a program of its own that knows no languages.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

LANGUAGES: Final = {"en": "English", "de": "Deutsch", "fr": "Français"}

_DEEPEST = 3  # sentences within sentences
_LONGEST = 2000
_NAME = re.compile(r"\{(\w+)\}")
_MARKS = {"de": ",", "fr": ","}  # between whole and part of a number; a point elsewhere
_DECIMAL = r"(?<![\w.:])(?<!\w-)(\d+)\.(\d+)(?![\w.])"  # no version, time, address or part of a name
_FIGURE = re.compile(_DECIMAL)
_MEASURE = re.compile(_DECIMAL + r"(?= (?:s|ms|m/s)\b)|^(-?\d+)\.(\d+)$")
_NAMES = {"file", "id", "kid", "lane", "name", "names"}  # figures that are names: a lane may well be called 1.5


class Words:
    """The messages of one language; what has no translation is said in English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.said = {key: said[language] for key, said in _messages().items() if language in said}

    def __call__(self, english: str, **values: object) -> str:
        """The sentence, with ``{name}`` filled in."""
        said = self.said.get(english, english)
        return said.format(**values) if values else said

    def number(self, value: float, digits: int) -> str:
        """A number with so many digits after the decimal mark of the language."""
        return f"{value:.{digits}f}".replace(".", self._mark)

    def telling(self, sentence: str) -> str:
        """A sentence of another part of the program, with the figures that are in it; English where it is not known."""
        if self.language == "en" or len(sentence) > _LONGEST:
            return sentence
        return self._told(sentence, _DEEPEST) or self._marked(sentence, _MEASURE)

    @property
    def _mark(self) -> str:
        return _MARKS.get(self.language, ".")

    def _marked(self, text: str, numbers: re.Pattern[str]) -> str:
        """A text whose numbers have the decimal mark of the language."""
        return numbers.sub(lambda match: match[0].replace(".", self._mark), text)

    def _figure(self, name: str, text: str, depth: int) -> str:
        """What stands in a sentence: a sentence itself, a name or a number."""
        told = self._told(text, depth)
        if told is not None:
            return told
        return text if name in _NAMES else self._marked(text, _FIGURE)

    def _told(self, sentence: str, depth: int) -> str | None:
        whole = _findings().get(sentence, {}).get(self.language) or self.said.get(sentence)
        if whole is not None or depth == 0:
            return whole
        for pattern, key in _patterns():
            match = pattern.fullmatch(sentence)
            if match is not None:
                figures = {name: self._figure(name, text, depth - 1) for name, text in match.groupdict().items()}
                return _findings()[key][self.language].format(**figures)
        return self._listed(sentence) if ", " in sentence else None

    def _listed(self, sentence: str) -> str | None:
        """Several figures with their names, where each of them is known; a list of names is none."""
        parts = [self._told(part, 1) for part in sentence.split(", ")]
        known = [part for part in parts if part is not None and any(map(str.isdigit, part))]
        return ", ".join(known) if len(known) == len(parts) else None


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
    return _read("messages.toml")


@cache
def _findings() -> dict[str, dict[str, str]]:
    return _read("findings.toml")


def _read(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files("edge.ui").joinpath(name).read_text(encoding="utf-8"))


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The keys that have figures, those with the most words of their own first: they say the most exactly."""
    keys = sorted((key for key in _findings() if _NAME.search(key)), key=lambda key: -len(_NAME.sub("", key)))
    return [(re.compile(_pattern(key), re.DOTALL), key) for key in keys]


def _pattern(key: str) -> str:
    text, pattern = _NAME.split(key), ""
    for at, part in enumerate(text):
        inside = r"[^\s,]+" if part == "seconds" else ".+?"  # one figure, or whatever stands there
        pattern += f"(?P<{part}>{inside})" if at % 2 else re.escape(part)
    return pattern
