"""``stopline verify``: checks signed events in a file, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge import event
from edge.errors import ConfigError, EventError
from edge.keys import load_public_keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.keys import PublicKey

_MAX_FILE_BYTES = 1_000_000_000
_BESIDE = "node.pub.pem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one event; ``event_id`` is empty where it could not even be read."""

    line: int
    event_id: str
    intact: bool
    words: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The findings, and whether the keys were given by the reader (else they only lay beside the file)."""

    findings: tuple[Finding, ...]
    trusted: bool

    @property
    def intact(self) -> bool:
        """Whether there is at least one event and every one holds."""
        return bool(self.findings) and all(finding.intact for finding in self.findings)


def verify_file(file: Path, key_files: Sequence[Path]) -> Verification:
    """Check every event of ``file``, one a line. ConfigError where there is nothing to check, or no key for it."""
    raw = _read(file)
    beside = file.parent / _BESIDE
    if not key_files and not beside.exists():
        raise ConfigError(f"No key to check {file} with: give the node's public key with --key")
    keys = load_public_keys(key_files or [beside])
    lines = raw.removesuffix(b"\n").split(b"\n") if raw else []
    return Verification(tuple(_finding(*line, keys) for line in enumerate(lines, start=1)), bool(key_files))


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{file} is over 1 GB: split it at line ends")
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}): give a file of signed events") from None


def _finding(line: int, raw: bytes, keys: dict[str, PublicKey]) -> Finding:
    try:
        verified = event.verify(raw, keys)
    except EventError as error:
        return Finding(line, _id_of(raw), intact=False, words=str(error))
    return Finding(line, verified.id, intact=True, words="intact: signed by the key and unchanged since")


def _id_of(raw: bytes) -> str:
    try:
        return event.read(raw).id
    except EventError:
        return ""
