"""What the trial says of all that is judged or doubted is there in every language."""

from __future__ import annotations

import re

import pytest

from edge.records import Doubt, Fault, Phase, VehicleClass, Verdict
from edge.ui.catalogue import LANGUAGES, Words
from tests.command import ROOT

NAMES = [
    f"{kind} {one}"
    for kind, all_of_them in {"verdict": Verdict, "phase": Phase, "fault": Fault, "doubt": Doubt}.items()
    for one in all_of_them
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_has_its_words(language: str) -> None:
    said = Words(language).said
    classes = {str(one) for one in VehicleClass if one is not VehicleClass.PERSON}
    wanted = {*NAMES, *(set() if language == "en" else classes)}
    assert wanted <= said.keys()


def test_each_verdict_has_words_of_its_own() -> None:
    for language in LANGUAGES:
        said = Words(language)
        assert len({said(f"verdict {one}") for one in Verdict}) == len(Verdict)


def test_the_page_knows_every_verdict() -> None:
    text = (ROOT / "edge/ui/static/setup/verdicts.js").read_text("utf-8")
    assert all(re.search(rf'\b{one}\b"?[:,\]]', text) for one in Verdict)
