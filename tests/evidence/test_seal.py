"""Sealing with pyrage, opened by the real age program."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge.errors import ConfigError
from edge.evidence.seal import PLAIN_TYPE, SEALED_TYPE, Seal

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = os.urandom(300_000) + b"a secret that must not be readable" + bytes(100)

needs_age = pytest.mark.skipif(shutil.which("age") is None, reason="the age program is not installed")


def new_key(folder: Path, name: str) -> tuple[Path, str]:
    """A secret key's file and its public key, both made by age-keygen."""
    path = folder / name
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    (public,) = [line for line in path.read_text().splitlines() if line.startswith("# public key: ")]
    return path, public.removeprefix("# public key: ")


def opened_by_age(sealed: Path, key: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["age", "-d", "-i", key, sealed], capture_output=True, check=False)


@needs_age
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 300_134])
def test_age_opens_what_was_sealed_byte_for_byte(tmp_path: Path, size: int) -> None:
    key, public = new_key(tmp_path, "authority.key")
    sealed = tmp_path / "bundle.tar.age"
    sealed.write_bytes(Seal([public]).close(PLAIN[:size]))
    done = opened_by_age(sealed, key)
    assert done.returncode == 0, done.stderr
    assert done.stdout == PLAIN[:size]


@needs_age
def test_each_of_two_recipients_opens_it_alone_and_nobody_else(tmp_path: Path) -> None:
    first, first_public = new_key(tmp_path, "first.key")
    second, second_public = new_key(tmp_path, "second.key")
    stranger, _ = new_key(tmp_path, "stranger.key")
    sealed = tmp_path / "bundle.tar.age"
    sealed.write_bytes(Seal([first_public, second_public]).close(PLAIN))
    assert opened_by_age(sealed, first).stdout == PLAIN
    assert opened_by_age(sealed, second).stdout == PLAIN
    refused = opened_by_age(sealed, stranger)
    assert refused.returncode != 0
    assert refused.stdout == b""


@needs_age
def test_a_changed_byte_is_found_by_age(tmp_path: Path) -> None:
    key, public = new_key(tmp_path, "authority.key")
    sealed = bytearray(Seal([public]).close(PLAIN))
    file = tmp_path / "bundle.tar.age"
    for place in range(0, len(sealed), 9001):
        sealed[place] ^= 1
        file.write_bytes(sealed)
        assert opened_by_age(file, key).returncode != 0, place
        sealed[place] ^= 1


def test_nothing_of_the_content_shows() -> None:
    sealed = Seal([str(pyrage.x25519.Identity.generate().to_public())]).close(PLAIN)
    assert b"secret" not in sealed
    assert sealed.startswith(b"age-encryption.org/v1\n")
    assert len(sealed) > len(PLAIN)


def test_it_says_how_it_closes() -> None:
    closed = Seal([str(pyrage.x25519.Identity.generate().to_public())])
    assert (closed.name, closed.content_type) == ("age", SEALED_TYPE)
    left_open = Seal([])
    assert (left_open.name, left_open.content_type) == ("none", PLAIN_TYPE)
    assert left_open.close(PLAIN) == PLAIN


def test_a_mistyped_recipient_is_told() -> None:
    public = str(pyrage.x25519.Identity.generate().to_public())
    for place in (5, 20, 61):
        wrong = public[:place] + ("q" if public[place] != "q" else "p") + public[place + 1 :]
        with pytest.raises(ConfigError, match="is no age recipient, or was mistyped"):
            Seal([public, wrong])
