"""``stopline verify`` on files and folders; and the verifier's own promise of length."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import TYPE_CHECKING

import pytest

from edge.commands.verify import sentence, verify_file, verify_tracks
from edge.errors import ConfigError
from edge.verify import Outcome
from tests.command import ROOT
from tests.verify.casefile import KEY, age_key, casefile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two events of one node; the first with a sealed bundle in evidence/, the second without any."""
    secret, recipient = age_key()
    first, second = casefile(tmp_path / "first"), casefile(tmp_path / "second", seed=2)
    first.recipients = (recipient,)
    second.document["id"] = second.document["id"][:-1] + "8"
    first.finish()
    second.finish()
    (tmp_path / "events.jsonl").write_bytes(first.event + b"\n" + second.event + b"\n")
    (tmp_path / "node.pub.pem").write_bytes(KEY.public.pem)
    (tmp_path / "age.key").write_text(secret)
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / f"{first.document['id']}.tar.age").write_bytes(first.sent)
    return tmp_path


def outcomes(*words: object) -> list[Outcome]:
    return [checked.report.outcome for checked in verify_file(*words).events]  # type: ignore[arg-type]


def test_bundles_beside_the_events_are_found_by_id_and_opened_with_the_key(folder: Path) -> None:
    events, key = folder / "events.jsonl", folder / "node.pub.pem"
    assert outcomes(events, [key]) == [Outcome.SEALED, Outcome.INCOMPLETE]
    assert outcomes(events, [key], None, folder / "age.key") == [Outcome.RECOMPUTED, Outcome.INCOMPLETE]
    assert outcomes(events, [key], folder / "evidence", folder / "age.key")[0] is Outcome.RECOMPUTED
    assert verify_file(events, []).intact
    assert not verify_file(events, []).trusted


def test_a_damaged_bundle_fails_its_event_alone(folder: Path) -> None:
    (bundle,) = (folder / "evidence").iterdir()
    bundle.write_bytes(bundle.read_bytes()[:-1])
    checked = verify_file(folder / "events.jsonl", [folder / "node.pub.pem"])
    assert [one.report.intact for one in checked.events] == [False, True]
    assert "its SHA-256 differs" in sentence(checked.events[0].report)


def test_what_is_not_there_is_told_in_a_sentence(folder: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist: give a bundle"):
        verify_file(folder / "events.jsonl", [], folder / "none.tar")
    with pytest.raises(ConfigError, match="cannot be read"):
        verify_tracks(folder)
    for name in ("site.toml", "lamps.csv", "tracks.jsonl"):
        (folder / name).write_text("x")
    with pytest.raises(ConfigError, match="does not hold what replay --keep-tracks writes"):
        verify_tracks(folder)


def test_the_verifier_is_short_enough_to_be_read() -> None:
    """Under 500 lines of code: blank lines, comments and docstrings left aside."""
    text = (ROOT / "edge" / "verify.py").read_text()
    described = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    silent = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER}
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }
    assert len(code - described) < 500
