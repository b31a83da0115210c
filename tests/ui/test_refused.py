"""Every refusal of the set-up page has words in each language, with the same figures."""

from __future__ import annotations

import re

import pytest

from edge.errors import SourceError
from edge.ui.catalogue import LANGUAGES, _messages
from edge.ui.refused import SENTENCES, RefusedError, refusal_of

# What no page asks for: said as it is, behind a lead.
CODES = sorted(set(SENTENCES) - {"bad_request"})


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_is_said_in_every_language(code: str) -> None:
    said = _messages()[f"refusal {code}"]
    assert set(said) == set(LANGUAGES)
    for words in said.values():
        assert sorted(re.findall(r"\{(\w+)\}", words)) == sorted(re.findall(r"\{(\w+)\}", SENTENCES[code]))


def test_an_error_that_has_its_sentence_is_handed_on_and_any_other_told_in_full(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused = RefusedError("saving")
    assert refusal_of("not_taken", refused) is refused
    known = refusal_of("not_taken", SourceError("the camera is gone: look for it"))
    assert known.told()["values"] == {"detail": "the camera is gone: look for it"}
    assert capsys.readouterr().err == ""
    unforeseen = refusal_of("not_taken", KeyError("x"))
    assert str(unforeseen) == "The minute cannot be taken: KeyError: 'x'"
    assert "Traceback" not in str(unforeseen)
    assert "KeyError" in capsys.readouterr().err
