"""Everything that the check, a case's figures and its drawing can say is there in every language, figures kept.

What they can say is read from their source, so a new sentence without its translation fails here.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from edge import report, verify
from edge.commands.report import case_page
from edge.event import UNSEALED
from edge.plot import lamps_and_distance
from edge.ui.catalogue import LANGUAGES, Words, _findings
from tests.cases import EVENT_ID
from tests.command import ROOT
from tests.verify.casefile import KEY, casefile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ui.pages import Page

OTHERS = [language for language in LANGUAGES if language != "en"]
VERIFIER = ROOT / "edge/verify.py"
FIGURE = "7a7"  # stands for every figure in a sentence
PLACES = ("before the stop line", "past the confirm line")


def sentence_of(node: ast.expr) -> str | None:
    """A text or an f-string with ``FIGURE`` in place of what it computes; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(str(part.value) if isinstance(part, ast.Constant) else FIGURE for part in node.values)


def calls_of(file: Path, *names: str) -> Iterator[ast.expr]:
    """The first argument of every call of these."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in names:
                yield node.args[0]


def said_by_the_verifier() -> set[str]:
    """Every sentence that a finding can be, and those that stand in one."""
    reports = [node for node in calls_of(VERIFIER, "ChangedError", "add") if not _is_no_sentence(node)]
    found = {sentence_of(node) for node in reports}
    assert None not in found, "a finding is made in a way that this test cannot read"
    tree = ast.parse(VERIFIER.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "unreadable":
            found.add(sentence_of(node.value))
        if isinstance(node, ast.FunctionDef) and node.name == "differences":
            found |= {sentence_of(part) for part in ast.walk(node) if isinstance(part, ast.JoinedStr)}
    return {str(one) for one in found} | {outcome.value for outcome in verify.Outcome}


def _is_no_sentence(node: ast.expr) -> bool:
    """What hands a sentence on that is read elsewhere: ``str(error) if … else unreadable``."""
    return isinstance(node, ast.IfExp) and ast.unparse(node.body) == "str(error)"


def said_by_evidence() -> set[str]:
    """What a node may say that is missing, word by word as its modules have it."""
    text = "".join((ROOT / f"edge/evidence/{name}.py").read_text("utf-8") for name in ("stills", "media", "keeper"))
    found = {re.sub(r"\{[^}]*\}", FIGURE, one) for one in re.findall(r'f?"(There (?:is|are) no [^"]+)"', text)}
    found |= {re.sub(r"\{[^}]*\}", FIGURE, one) for one in re.findall(r'f"(The picture [^"]+)"', text)}
    ring = (ROOT / "edge/evidence/ring.py").read_text("utf-8")
    begins = re.findall(r'yield f?"([^"]+)"( \+ self\._why)?', ring)
    whys = re.findall(r'return f?"(: [^"]+)"', ring)
    assert len(begins) == 3
    assert len(whys) == 2
    for begin, goes_on in begins:
        found |= {re.sub(r"\{[^}]*\}", FIGURE, begin + why) for why in (whys if goes_on else [""])}
    other_site = re.findall(r'_OTHER_SITE = "([^"]+)"', (ROOT / "edge/evidence/bundle.py").read_text("utf-8"))
    return found | {UNSEALED, *other_site}


def untold(sentences: set[str], language: str) -> set[str]:
    """Those that stay English, or lose a figure."""
    words = Words(language)
    return {
        one
        for one in sentences
        if (told := words.telling(one)) == one or told.count(FIGURE) != one.count(FIGURE) or len(told) < 3
    }


@pytest.mark.parametrize("language", OTHERS)
def test_every_finding_of_the_verifier_has_its_translation(language: str) -> None:
    sentences = said_by_the_verifier()
    assert len(sentences) > 35
    assert untold(sentences, language) == set()


@pytest.mark.parametrize("language", OTHERS)
def test_every_reason_for_missing_evidence_has_its_translation(language: str) -> None:
    sentences = said_by_evidence()
    assert len(sentences) > 10
    assert untold(sentences, language) == set()
    words = Words(language)
    for sentence in sentences:
        whole = words.telling(f"Missing, as the node itself says: {sentence}")
        assert words.telling(sentence) in whole


@pytest.mark.parametrize("language", OTHERS)
def test_what_stands_in_a_finding_is_told_as_well(language: str) -> None:
    words = Words(language)
    parts = {"event", "signature", "event's content", "evidence bundle", "site file that was given", "raw data"}
    steps = set(re.findall(r'^        "([a-z\' ]+)": lambda', VERIFIER.read_text("utf-8"), re.MULTILINE))
    assert steps == parts
    for part in parts:
        assert words.telling(part) in words.telling(f"The {part} cannot be read for what it should be.")
    for whose in ("The site file in the bundle", "The site file that was given"):
        assert whose in VERIFIER.read_text("utf-8")
        told = words.telling(f"{whose} is not the one that the verdict was reached with: its SHA-256 differs.")
        assert told.startswith(words.telling(whose))
        assert "SHA-256" in told


def test_what_a_case_really_says_is_told_with_its_figures(tmp_path: Path) -> None:
    for number, calibrated in enumerate((True, False)):
        case = casefile(tmp_path / str(number), calibrated=calibrated).finish()
        checked = case_page(verify.check(case.event, dict([verify.load_key(KEY.public.pem)]), case.plain))
        said = [remark.words for remark in (checked.outcome, *checked.findings)]
        said += [report.heading(checked.event["data"]), report.lead(checked.event)]
        said += [report.claim(checked, name) for name, _ in report.STILLS] + [other for _, other in report.STILLS]
        said += [value for name, value in report.rows(checked) if name not in NEUTRAL and "km/h" not in value]
        drawn = lamps_and_distance(checked.event["data"])
        said += [one for one in re.findall(r">([^<>]+)</text>", drawn) if re.search(r"[a-z]{2}", one)]
        for language in OTHERS:
            words = Words(language)
            assert {one for one in said if words.telling(one) == one} == set()
            lost = {one for one in said if sorted(figures(one)) != sorted(figures(words.telling(one)))}
            assert lost == set()


# Rows of a case whose value is a name, a hash or a figure with its unit, and the same in every language.
NEUTRAL = {
    "Site and node",
    "Lane and signal group",
    "Crossing in the recording",
    "Software",
    "Detector, SHA-256",
    "Site file, SHA-256",
}
FIGURES = re.compile(r"\d[\d.,]*\d|\d")


def figures(text: str) -> list[str]:
    """Whatever decimal mark they have."""
    return [one.replace(",", ".") for one in FIGURES.findall(text)]


@pytest.mark.parametrize("language", OTHERS)
def test_the_rows_with_nothing_in_them_are_told(language: str) -> None:
    assert (
        untold({"not known", "nothing", "not measured", "not measured: the site is not calibrated"}, language) == set()
    )
    told = Words(language).telling("crossing 0.123 s, lamp 0.020 s, clock 0.001 s, rear margin 0.800 s")
    assert figures(told) == ["0.123", "0.020", "0.001", "0.800"]
    assert not re.search(r"crossing|lamp |clock|rear", told)


def test_names_are_not_taken_for_words() -> None:
    words = Words("de")
    for name in ("green, red", "through, north", "edge-1", "edge-1.5 s", "stopline 0.1", "stopline 0.1.0", "7a" * 32):
        assert words.telling(name) == name


@pytest.mark.parametrize(
    ("english", "told"),
    [
        ("12.400 s ± 0.035 s", "12,400 s ± 0,035 s"),
        ("-0.5", "-0,5"),
        ("45 km/h (12.5 m/s)", "45 km/h (12,5 m/s)"),
        ("0.5 s of red", "0,5 s Rot"),
        ("2026-05-04T06:00:10.860000Z, right within 12.5 ms", "2026-05-04T06:00:10.860000Z, auf 12,5 ms genau"),
        (
            "A car crossed the stop line 1.86 s after red began",
            "Ein Fahrzeug (Auto) überfuhr die Haltlinie 1,86 s nach Beginn von Rot",
        ),
    ],
)
def test_numbers_have_the_decimal_mark_of_the_language(english: str, told: str) -> None:
    assert Words("de").telling(english) == told
    assert Words("en").telling(english) == english


def test_a_lane_may_be_called_as_a_number_is_written() -> None:
    said = report.lead({"data": {"lane": "1.5", "red_time": {"at_least_s": 2.5, "deductions_s": {"clock": 0.25}}}})
    told = Words("fr").telling(said)
    assert "1.5" in told
    assert "2,50 s" in told
    assert "0,25 s" in told


def test_a_number_is_written_with_the_mark_of_the_language() -> None:
    assert [Words(language).number(1234.567, 2) for language in ("en", "de", "fr")] == ["1234.57", "1234,57", "1234,57"]


def test_what_nobody_translated_stays_english_and_nothing_is_filled_in() -> None:
    assert Words("de").telling("Something {new} altogether") == "Something {new} altogether"
    told = Words("fr").telling("The evidence bundle holds what no bundle holds: {name} {0}.")
    assert told.endswith(": {name} {0}.")
    assert Words("en").telling("The raw data cannot be read.") == "The raw data cannot be read."
    assert len(Words("de").telling("x" * 100_000)) == 100_000


def test_every_translation_fills_in_the_same_names() -> None:
    def names(text: str) -> list[str]:
        return sorted(re.findall(r"\{(\w+)\}", text))

    for english, said in _findings().items():
        assert set(said) == set(OTHERS), english
        assert all(names(text) == names(english) for text in said.values()), english


@pytest.mark.parametrize(
    ("language", "says"),
    [
        (
            "de",
            [
                "Die Unterschrift gilt: Der Schlüssel",
                "Unverändert, seit es unterschrieben wurde",
                "Rot seit mindestens",
            ],
        ),
        ("fr", ["La signature est valable : la clé", "Inchangé depuis la signature", "rouge depuis au moins"]),
    ],
)
def test_the_page_of_a_case_says_it(entered: Page, language: str, says: list[str]) -> None:
    shown = entered.ask(f"/case/{EVENT_ID}?lang={language}").text
    assert re.findall(r"\d\.\d+ (?:s|ms|m/s|m)\b", shown) == []
    assert len(re.findall(r"\d,\d+ (?:s|ms)\b", shown)) > 8
    for words in says:
        assert words in shown
    for english in ("crossed the stop line", "The signature holds", "seconds after red began", "is one whose SHA-256"):
        assert english not in shown
