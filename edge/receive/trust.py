"""Whose events a receiver takes: the authority's published files, read again when they change, and single public keys.

A folder holds what ``stopline ca crl`` publishes (``nodes.pem``, ``revocations.json``) and the authority's own
``ca.pem``. A revocation list never goes back: the last one taken is remembered in the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from edge.errors import KeyFileError
from edge.keys import load_public_keys
from edge.keys.authority import authority_key, load_authority
from edge.keys.files import read_file
from edge.keys.revocation import newer, read_list, refusal
from edge.keys.trusted import Trust, read_trusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge.keys import PublicKey
    from edge.keys.revocation import Revocation, RevocationList

AUTHORITY: Final = "ca.pem"
NODES: Final = "nodes.pem"
REVOCATIONS: Final = "revocations.json"
MAX_LIST_BYTES: Final = 4_000_000
MAX_NODES_BYTES: Final = 64_000_000

_EVER = datetime.min.replace(tzinfo=UTC)
_A_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Trusted:
    """The keys that count now. ``bare`` ones are bound to no node and have no end but a revocation."""

    certified: Trust
    bare: Mapping[str, PublicKey]
    keys: Mapping[str, PublicKey] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", {**self.bare, **self.certified.public_keys})

    def keys_of(self, source: str) -> dict[str, PublicKey]:
        """The keys that may sign for one node."""
        named = {kid: key.public for kid, key in self.certified.keys.items() if key.source == source}
        return {**self.bare, **named}

    def refusal(self, kid: str, source: str, *, claimed: datetime | None, known_since: datetime) -> str | None:
        """Why an event with a good signature by one of ``keys`` is refused all the same; None where it stands."""
        if kid in self.certified.keys:
            return self.certified.refusal(kid, source, claimed=claimed, known_since=known_since)
        return refusal(kid, claimed=claimed, known_since=known_since, revocations=self.certified.revoked)

    def known_before(self, kid: str, source: str, *, claimed: datetime | None) -> datetime | None:
        """Before which instant such an event must have been known for it to stand; None where nothing can help it."""
        if self.refusal(kid, source, claimed=claimed, known_since=_EVER) is not None:
            return None
        revocation, key = self.certified.revoked.get(kid), self.certified.keys.get(kid)
        ends = [revocation.since] if revocation is not None else []
        if key is not None:
            ends.append(key.not_after + _A_MOMENT)  # at that very instant it still counts
        return min(ends, default=None)


class Remembered(Protocol):
    """Where the last revocation list is kept."""

    def last_revocations(self) -> bytes | None:
        """The bytes that were kept last."""
        ...

    def keep_revocations(self, raw: bytes) -> None:
        """Keep these."""
        ...


class _Forgetful:
    """Keeps nothing."""

    def last_revocations(self) -> bytes | None:
        return None

    def keep_revocations(self, raw: bytes) -> None:
        pass


def check_trust(folder: Path | None, key_files: Sequence[Path]) -> None:
    """Read every file once, before anything is kept of them. Raises KeyFileError."""
    TrustFiles(folder, key_files, _Forgetful()).read()


class TrustFiles:
    """The files that say whom to trust; ``read`` gives what they say now. Raises KeyFileError."""

    def __init__(self, folder: Path | None, key_files: Sequence[Path], remembered: Remembered) -> None:
        if folder is None and not key_files:
            raise KeyFileError("Whom to trust is not said: give --trust with the authority's folder, or --key")
        self._folder = folder
        self._key_files = tuple(key_files)
        self._remembered = remembered
        self._held: RevocationList | None = None
        self._stamps: tuple[tuple[int, int], ...] | None = None

    def changed(self) -> bool:
        """Whether a file is another one than at the last ``read``."""
        return self._stamps != self._look()

    def stale(self, now: datetime) -> bool:
        """Whether the revocation list has run out, so that a theft may be unknown here."""
        return self._held is not None and self._held.stale(now)

    def read(self) -> Trusted:
        """Read every file. Raises KeyFileError, and then what was read before stands."""
        stamps = self._look()
        bare = load_public_keys(self._key_files)
        certified = Trust({}) if self._folder is None else self._certified(self._folder)
        self._stamps = stamps
        return Trusted(certified, bare)

    def _certified(self, folder: Path) -> Trust:
        hint = "put there what 'stopline ca crl' publishes, and the authority's ca.pem"
        authority = load_authority(folder / AUTHORITY)
        nodes, _ = read_file(folder / NODES, hint=hint, limit=MAX_NODES_BYTES)
        return Trust(
            read_trusted(nodes, folder / NODES, authority), self._revoked(folder, authority_key(authority), hint)
        )

    def _revoked(self, folder: Path, authority: PublicKey, hint: str) -> Mapping[str, Revocation]:
        if self._held is None:
            kept = self._remembered.last_revocations()
            self._held = read_list(kept, authority) if kept is not None else None
        raw, _ = read_file(folder / REVOCATIONS, hint=hint, limit=MAX_LIST_BYTES)
        raw = raw.removesuffix(b"\n")
        offered = read_list(raw, authority)
        if offered != self._held:
            self._held = newer(self._held, offered)
            self._remembered.keep_revocations(raw)
        return self._held.revoked

    def _look(self) -> tuple[tuple[int, int], ...]:
        names = (AUTHORITY, NODES, REVOCATIONS)
        files = [*self._key_files, *(self._folder / name for name in names if self._folder is not None)]
        return tuple(_stamp(path) for path in files)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)
