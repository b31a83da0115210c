"""A file is written whole or not at all, with its mode, and nothing else is left beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from edge.durable import PRIVATE_MODE, write_whole

if TYPE_CHECKING:
    from pathlib import Path

# Writes two contents in turn until it is killed.
WRITER = """
import sys
from pathlib import Path
from edge.durable import write_whole
while True:
    for byte in (b"a", b"b"):
        write_whole(Path(sys.argv[1]), byte * 300_000)
"""


def test_it_has_its_content_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_whole(file, b"one", mode=PRIVATE_MODE)
    write_whole(file, b"two", mode=PRIVATE_MODE)
    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o777 == PRIVATE_MODE & ~_umask()
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_an_existing_file_is_left_alone_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_whole(file, b"one", replace=False)
    with pytest.raises(FileExistsError):
        write_whole(file, b"two", replace=False)
    assert file.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_where_it_cannot_be_put_in_place_no_draft_is_left(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "taken", b"content")
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]


def test_killed_anywhere_it_is_one_content_or_the_other(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, b"a" * 300_000)
    for kill in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)])
        time.sleep(0.3 + 0.013 * kill)
        writer.kill()
        writer.wait()
        content = file.read_bytes()
        assert content in (b"a" * 300_000, b"b" * 300_000)


def test_what_a_crash_left_under_a_named_draft_is_written_over(tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.write_bytes(b"longer than what comes")
    write_whole(tmp_path / "file", b"content", draft=draft)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("file", b"content")]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
