"""Whose signatures an audit believes: files of keys, statements of new keys, and an authority's published folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from edge.errors import ConfigError
from edge.keys import load_public_keys
from edge.keys.files import read_file
from edge.keys.succession import read_succession
from edge.keys.trusted import Trust, TrustedKey, succeeded
from edge.receive.trust import Trusted, TrustFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.keys import PublicKey

_EVER: Final = datetime.min.replace(tzinfo=UTC)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class _NoMemory:
    """An audit takes the revocation list as it lies there: it has seen none before."""

    def last_revocations(self) -> bytes | None:
        return None

    def keep_revocations(self, raw: bytes) -> None:
        del raw


def audit_trust(key_files: Sequence[Path], folder: Path | None, succession_files: Sequence[Path]) -> Trusted:
    """The keys that count, with their ends. ConfigError where none is given, KeyFileError for files of no use."""
    if not key_files and folder is None:
        raise ConfigError("No key to check with: give the node's public key with --key, or --trust")
    trusted = Trusted(Trust({}), load_public_keys(key_files))
    if folder is not None:
        trusted = replace(TrustFiles(folder, (), _NoMemory()).read(), bare=trusted.bare)
    for file in succession_files:
        trusted = _with_successor(trusted, file)
    return trusted


def _with_successor(trusted: Trusted, file: Path) -> Trusted:
    """With the new key that an old one vouches for. A key from a file becomes one of that node, with an end."""
    raw, _ = read_file(file, hint="give the statement that 'stopline keys rotate' wrote")
    succession = read_succession(raw.removesuffix(b"\n"), trusted.keys)
    old = trusted.certified.keys.get(succession.old) or _unbounded(trusted.bare[succession.old], succession.source)
    ended, new = succeeded(old, succession)
    certified = trusted.certified
    known = certified.keys.get(new.public.kid)
    keys = {**certified.keys, ended.public.kid: ended, new.public.kid: known or new}
    return Trusted(replace(certified, keys=keys), trusted.bare)


def _unbounded(key: PublicKey, source: str) -> TrustedKey:
    return TrustedKey(key, source, _EVER, _NEVER)
