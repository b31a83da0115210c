"""The command line called inside the test's process, in the test's own folder: many short commands, quickly."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from edge import cli
from tests.command import Outcome

if TYPE_CHECKING:
    from pathlib import Path


class Call(Protocol):
    """Calls ``stopline`` with these words and holds it to this exit code."""

    def __call__(self, *words: object, code: int = 0) -> Outcome: ...


@pytest.fixture
def call(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: object, code: int = 0) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["stopline", *map(str, words)])
        capfd.readouterr()
        ended: object = 0
        try:
            cli.main()
        except SystemExit as exit_:
            ended = exit_.code or 0
        out, err = capfd.readouterr()
        assert ended == code, f"{words}: {out}{err}"
        assert code != 2 or len(err.splitlines()) == 1
        return Outcome(code, out, err)

    return run
