"""The record of a decision: signed, chained, and checked line by line; and the command that checks a whole file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from edge.commands.verify import verify_decisions
from edge.decisions import (
    STATES,
    Choice,
    Decision,
    Noted,
    Reason,
    Standing,
    check_chain,
    line_hash,
    read_decision,
    sign_decision,
    state_of,
)
from edge.errors import StoplineError
from edge.keys import trust
from tests.cases import signing_key
from tests.command import stopline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.keys import FileKey

KEY, ANOTHER = signing_key(0xDEC), signing_key(0xBAD)
KEYS = trust(KEY.public)
NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
EVENTS = [f"{number:064x}" for number in range(5)]


def line_of(
    event: str, choice: Choice = Choice.CONFIRM, *, previous: str | None, key: FileKey = KEY, by: str | None = None
) -> bytes:
    reason = Reason.MADE_WAY if choice is Choice.REJECT else None
    return sign_decision(Decision(event, choice, reason, NOW, by or key.kid), previous, key)


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    found: list[bytes] = []
    for event, choice in zip(EVENTS, [*Choice, Choice.CONFIRM], strict=False):
        found.append(line_of(event, choice, previous=line_hash(found[-1]) if found else None))
    return found


def test_a_whole_file_holds(lines: list[bytes]) -> None:
    assert list(check_chain(lines, KEYS)) == []
    assert read_decision(lines[1], line_hash(lines[0]), KEYS) == Noted(
        Decision(EVENTS[1], Choice.REJECT, Reason.MADE_WAY, NOW, KEY.kid), Standing.HOLDS
    )


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_line_that_was_taken_out_shows_where_it_was(lines: list[bytes], gone: int) -> None:
    (flaw,) = check_chain(lines[:gone] + lines[gone + 1 :], KEYS)
    assert flaw.line == gone + 1
    assert "before it something was taken out" in flaw.words


def test_a_line_that_was_put_in_shows(lines: list[bytes]) -> None:
    for extra, first in (
        (lines[0], "taken out, put in"),
        (line_of(EVENTS[4], previous=None, key=ANOTHER), "not given"),
    ):
        flaws = list(check_chain([*lines[:2], extra, *lines[2:]], KEYS))
        assert [flaw.line for flaw in flaws] == [3, 4]
        assert first in flaws[0].words


def test_every_changed_byte_of_a_line_shows_at_that_line(lines: list[bytes]) -> None:
    for place in range(len(lines[1])):
        changed = lines[1][:place] + bytes([lines[1][place] ^ 1]) + lines[1][place + 1 :]
        assert next(check_chain([lines[0], changed, *lines[2:]], KEYS)).line == 2, changed


def test_only_a_known_key_in_its_place_counts_as_signed(lines: list[bytes]) -> None:
    before = line_hash(lines[-1])
    for line, standing in (
        (line_of(EVENTS[4], previous=before), Standing.HOLDS),
        (line_of(EVENTS[4], previous=before, key=ANOTHER), Standing.KEY_UNKNOWN),
        (line_of(EVENTS[4], previous=before, key=ANOTHER, by=KEY.kid), Standing.CHANGED),
        (line_of(EVENTS[4], previous=line_hash(lines[0])), Standing.OUT_OF_PLACE),
        (line_of(EVENTS[4], previous=None), Standing.OUT_OF_PLACE),
    ):
        noted = read_decision(line, before, KEYS)
        assert noted.standing is standing
        assert state_of(noted) == ("confirm" if standing is Standing.HOLDS else "unverified")
    assert state_of(None) == "open"
    assert {"open", "unverified", *Choice} == set(STATES)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"half',
        line_of(EVENTS[0], previous="0" * 63),
        line_of(EVENTS[0], previous=None).replace(b'"confirm"', b'["confirm"]'),
        line_of(EVENTS[0], previous=None).replace(b'"confirm"', b'"reject"'),
        line_of(EVENTS[0], previous=None).replace(b"2026-05-04", b"2026-5-4"),
        line_of("0", previous=None),
        line_of(EVENTS[0], previous=None) + b" ",
    ],
)
def test_what_is_no_decision_is_told_apart(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_decision(line, None, KEYS)
    (flaw,) = check_chain([line], KEYS)
    assert "it is no decision" in flaw.words


def test_nothing_in_a_decision_can_name_anybody(lines: list[bytes]) -> None:
    fields = {"type", "event_sha256", "choice", "reason", "at", "reviewer", "previous", "signature"}
    assert {frozenset(json.loads(line)) for line in lines} == {frozenset(fields)}


@pytest.mark.parametrize(("choice", "reason"), [(Choice.REJECT, None), (Choice.CONFIRM, Reason.OTHER)])
def test_a_rejection_and_nothing_else_has_a_reason(choice: Choice, reason: Reason | None) -> None:
    with pytest.raises(ValueError, match="reason"):
        Decision(EVENTS[0], choice, reason, NOW, KEY.kid)


# --- stopline verify --decisions


@pytest.fixture
def files(tmp_path: Path, lines: list[bytes]) -> Path:
    (tmp_path / "decisions.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    (tmp_path / "reviewer.pem").write_bytes(KEY.public.pem)
    (tmp_path / "another.pem").write_bytes(ANOTHER.public.pem)
    return tmp_path


def test_anybody_can_check_a_file_of_decisions(files: Path, lines: list[bytes]) -> None:
    words = ["verify", "--decisions", files / "decisions.jsonl", "--key", files / "reviewer.pem"]
    done = stopline(*words)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("4 of 4 decisions hold.\n")
    assert line_hash(lines[-1]) in done.out
    told = stopline(*words, "--json").json()
    assert told == {"holds": True, "lines": 4, "last_sha256": line_hash(lines[-1]), "flaws": []}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw.replace(b'"confirm"', b'"erase"', 1), "line 1: it was changed after it was signed"),
        (lambda raw: b"".join(raw.splitlines(keepends=True)[1:]), "line 1: before it something was taken out"),
        (
            lambda raw: raw + line_of(EVENTS[4], previous=None, key=ANOTHER) + b"\n",
            f"line 5: it is by the key {ANOTHER.kid}",
        ),
        (lambda raw: raw + b"no decision\n", "line 5: it is no decision"),
        (lambda raw: raw[:-1], "line 4: it is not whole"),
    ],
)
def test_the_first_line_that_does_not_hold_is_named_with_its_reason(
    files: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    file = files / "decisions.jsonl"
    file.write_bytes(change(file.read_bytes()))
    found = verify_decisions(file, [files / "reviewer.pem"])
    assert not found.holds
    assert f"line {found.flaws[0].line}: {found.flaws[0].words}".startswith(says)


def test_what_does_not_hold_ends_with_1(files: Path) -> None:
    done = stopline("verify", "--decisions", files / "decisions.jsonl", "--key", files / "another.pem")
    assert done.code == 1
    *failed, last = done.out.splitlines()
    assert [line.partition(":")[0] for line in failed] == [f"FAILED line {number}" for number in range(1, 5)]
    assert KEY.kid in failed[0]
    assert last == "0 of 4 decisions hold."


def test_what_cannot_be_checked_is_told_in_a_sentence(files: Path) -> None:
    file, key = files / "decisions.jsonl", files / "reviewer.pem"
    for words, says in (
        ((file, []), "No key to check"),
        ((files / "none.jsonl", [key]), "cannot be read"),
        ((file, [file]), "decisions.jsonl"),
    ):
        with pytest.raises(StoplineError, match=says):
            verify_decisions(*words)
    for content, says in ((b"", "is empty"), (b"\n", "is empty"), (b'id = "site"\n', "holds no decisions")):
        file.write_bytes(content)
        with pytest.raises(StoplineError, match=f"decisions.jsonl {says}"):
            verify_decisions(file, [key])
    for words in ([], ["--decisions", file, file], ["--decisions", file]):
        done = stopline("verify", *words)
        assert done.code == 2, words
        assert "Traceback" not in done.err
