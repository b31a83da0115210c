"""The journal of decisions: signed, chained, and on the disk before anybody is told."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from edge.errors import StoreError
from edge.keys import trust
from edge.ui.decisions import Choice, Decision, Journal, Reason, check_chain, read_decision, sign_decision
from tests.cases import signing_key

if TYPE_CHECKING:
    from pathlib import Path

KEY = signing_key(0xDEC)
KEYS = trust(KEY.public)
NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
EVENTS = [f"{number:064x}" for number in range(5)]


def journal_of_three(folder: Path) -> Path:
    file = folder / "decisions.jsonl"
    journal = Journal(file)
    journal.add(Choice.CONFIRM, None, EVENTS[0], NOW, KEY)
    journal.add(Choice.REJECT, Reason.MADE_WAY, EVENTS[1], NOW, KEY)
    journal.add(Choice.ERASE, None, EVENTS[2], NOW, KEY)
    return file


def test_a_decision_is_read_back_as_it_was_made(tmp_path: Path) -> None:
    file = journal_of_three(tmp_path)
    again = Journal(file)
    assert again.latest(EVENTS[1]) == Decision(EVENTS[1], Choice.REJECT, Reason.MADE_WAY, NOW, KEY.kid)
    assert again.latest(EVENTS[3]) is None
    assert check_chain(file.read_bytes().splitlines(), KEYS) == []


def test_what_was_decided_last_counts(tmp_path: Path) -> None:
    file = journal_of_three(tmp_path)
    journal = Journal(file)
    journal.add(Choice.REJECT, Reason.OTHER_VEHICLE, EVENTS[0], NOW, KEY)
    decision = journal.latest(EVENTS[0])
    assert decision is not None
    assert decision.choice is Choice.REJECT


def test_two_reviewers_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "decisions.jsonl"
    one, other = Journal(file), Journal(file)
    one.add(Choice.CONFIRM, None, EVENTS[0], NOW, KEY)
    other.add(Choice.CONFIRM, None, EVENTS[1], NOW, signing_key(0xDED))
    one.refresh()
    assert one.latest(EVENTS[1]) is not None
    keys = {**KEYS, **trust(signing_key(0xDED).public)}
    assert check_chain(file.read_bytes().splitlines(), keys) == []


@pytest.mark.parametrize("gone", [0, 1])
def test_a_line_that_was_taken_out_shows(tmp_path: Path, gone: int) -> None:
    lines = journal_of_three(tmp_path).read_bytes().splitlines()
    del lines[gone]
    assert [words for words in check_chain(lines, KEYS) if "taken out" in words]


def test_every_changed_byte_of_a_line_shows(tmp_path: Path) -> None:
    lines = journal_of_three(tmp_path).read_bytes().splitlines()
    for place in range(len(lines[1])):
        changed = lines[1][:place] + bytes([lines[1][place] ^ 1]) + lines[1][place + 1 :]
        assert check_chain([lines[0], changed, lines[2]], KEYS), changed


def test_a_decision_by_somebody_else_does_not_hold() -> None:
    line = sign_decision(Decision(EVENTS[0], Choice.CONFIRM, None, NOW, KEY.kid), None, signing_key(0xBAD))
    with pytest.raises(ValueError, match="changed after it was signed"):
        read_decision(line, KEYS)


def test_nothing_in_a_decision_can_name_anybody() -> None:
    line = sign_decision(Decision(EVENTS[0], Choice.REJECT, Reason.OTHER, NOW, KEY.kid), None, KEY)
    fields = {"type", "event_sha256", "choice", "reason", "at", "reviewer", "previous", "signature"}
    assert set(json.loads(line)) == fields


@pytest.mark.parametrize(("choice", "reason"), [(Choice.REJECT, None), (Choice.CONFIRM, Reason.OTHER)])
def test_a_rejection_and_nothing_else_has_a_reason(choice: Choice, reason: Reason | None) -> None:
    with pytest.raises(ValueError, match="reason"):
        Decision(EVENTS[0], choice, reason, NOW, KEY.kid)


def test_a_broken_file_is_not_gone_on_with(tmp_path: Path) -> None:
    file = journal_of_three(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"half')
    with pytest.raises(StoreError, match="broken line"):
        Journal(file)
    file.write_bytes(whole + b"{}\n")
    with pytest.raises(StoreError, match="no decision"):
        Journal(file)


def test_the_file_is_the_reviewers_alone(tmp_path: Path) -> None:
    assert os.stat(journal_of_three(tmp_path)).st_mode & 0o777 == 0o600  # noqa: PTH116
