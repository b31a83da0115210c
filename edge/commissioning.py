"""The commissioning: a signed record of what the node was when somebody stood before it and found it good.

Two files in the node's state folder: ``commissioned.json`` (signed by the node's key, and by the installer's where one
was given) and ``view.npz``, the reference view that it names. Whatever differs from it later disarms.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.errors import ConfigError, KeyFileError
from edge.health import CheckName, Finding, Outcome
from edge.keys import PublicKey
from edge.keys.files import PRIVATE_MODE, read_file, write_whole
from edge.keys.jws import holds, read_document, sign_detached, sign_document
from edge.view import Features, hash_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.keys import SigningKey

RECORD: Final = "commissioned.json"
VIEW: Final = "view.npz"
TYPE: Final = "org.stopline.commissioned.v1"

_AGAIN = "run 'stopline commission' again"
_HINT = "run 'stopline commission' first"
_MOST_BYTES = 4_000_000
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Fitness:
    """What must stay as it was: the hashes of site file, model, the software's own files, and the reference view."""

    site_sha256: str
    model_sha256: str
    software: str
    software_sha256: str
    view_sha256: str


@dataclass(frozen=True, slots=True)
class Commissioned:
    """A record that verifies. ``at`` is RFC 3339 in UTC, ``sha256`` that of the record's own bytes."""

    site: str
    node: str
    by: str
    at: str
    fitness: Fitness
    installer_kid: str | None
    sha256: str


_CHANGED: Final = {
    "site_sha256": "the site file",
    "model_sha256": "the detector",
    "software": "the software's version",
    "software_sha256": "the software's files",
    "view_sha256": "the reference view",
}


def software_sha256(package: Path = _PACKAGE) -> str:
    """One hash over the names and contents of all files of the installed package, what Python compiles left out."""
    total = sha256()
    for file in sorted(_files(package)):
        total.update(f"{file.relative_to(package).as_posix()}\0{sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _files(package: Path) -> Iterator[Path]:
    return (file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def write_record(
    state: Path,
    record: dict[str, str],
    fitness: Fitness,
    view: bytes,
    key: SigningKey,
    installer: SigningKey | None = None,
) -> None:
    """Keep a commissioning: ``record`` says site, node, by and at. Raises ConfigError where it cannot be written.

    The view is written first: a record whose view is not there counts as none. Where the record cannot be written the
    view of the one before is put back.
    """
    document: dict[str, Any] = {"type": TYPE, **record, **asdict(fitness), "installer": None}
    if installer is not None:
        document["installer"] = {
            "kid": installer.kid,
            "public_key": installer.public.pem.decode(),
            "signature": sign_detached(rfc8785.dumps(document), installer),
        }
    try:
        before = (state / VIEW).read_bytes() if (state / VIEW).exists() else None
        write_whole(state / VIEW, view, mode=PRIVATE_MODE, replace=True)
        _write_beside(state, sign_document(document, key), before)
    except KeyFileError as error:
        raise ConfigError(str(error)) from None


def _write_beside(state: Path, record: bytes, view_before: bytes | None) -> None:
    try:
        write_whole(state / RECORD, record, mode=PRIVATE_MODE, replace=True)
    except KeyFileError:
        if view_before is not None:
            write_whole(state / VIEW, view_before, mode=PRIVATE_MODE, replace=True)
        raise


def read_record(state: Path, key: SigningKey) -> Commissioned:
    """The record, once its signature by this node's key holds. Raises ConfigError: then there is none that counts."""
    try:
        raw, _ = read_file(state / RECORD, hint=_HINT, limit=_MOST_BYTES)
        document, payload, signature = read_document(raw)
    except KeyFileError as error:
        raise ConfigError(str(error)) from None
    except ValueError as error:
        raise ConfigError(f"{state / RECORD} is no record of a commissioning ({error}): {_AGAIN}") from None
    if not holds(signature, payload, key.public):
        raise ConfigError(f"{state / RECORD} is not signed by this node's key, or was changed since: {_AGAIN}")
    try:
        fitness = Fitness(**{one.name: str(document[one.name]) for one in fields(Fitness)})
        installer = _installer(document)
        site, node, by, at = (str(document[name]) for name in ("site", "node", "by", "at"))
        return Commissioned(site, node, by, at, fitness, installer, sha256(raw).hexdigest())
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f"{state / RECORD} was written by another Stopline: {_AGAIN}") from None


def _installer(document: dict[str, Any]) -> str | None:
    """The key that the installer signed with; ConfigError where that signature does not hold."""
    signed = document["installer"]
    if signed is None:
        return None
    key = PublicKey.of(_native(str(signed["public_key"])))
    if signed["kid"] != key.kid or not holds(signed["signature"], rfc8785.dumps({**document, "installer": None}), key):
        raise ConfigError(f"The installer's signature on the commissioning does not hold: {_AGAIN}")
    return key.kid


def _native(pem: str) -> EllipticCurvePublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError(pem)
    return key


def read_view(state: Path) -> tuple[Features, str]:
    """The reference view and its hash. Raises ConfigError."""
    try:
        raw, _ = read_file(state / VIEW, hint=_HINT, limit=_MOST_BYTES)
    except KeyFileError as error:
        raise ConfigError(str(error)) from None
    return Features.unpacked(raw), hash_of(raw)


def compare(commissioned: Commissioned, site: str, node: str, now: Fitness) -> Finding:
    """Whether everything is still as it was commissioned; the sentence names what is not."""
    if (commissioned.site, commissioned.node) != (site, node):
        words = f"The record is that of {commissioned.site}/{commissioned.node}, not of {site}/{node}: {_AGAIN}."
        return Finding(CheckName.COMMISSIONING, Outcome.NOT_OK, words)
    changed = [name for key, name in _CHANGED.items() if getattr(now, key) != getattr(commissioned.fitness, key)]
    if changed:
        words = f"Changed since the commissioning of {commissioned.at}: {', '.join(changed)}; {_AGAIN}."
        return Finding(CheckName.COMMISSIONING, Outcome.NOT_OK, words)
    words = f"All is as commissioned by {commissioned.by} at {commissioned.at}."
    return Finding(CheckName.COMMISSIONING, Outcome.OK, words)


def compare_with_start(begun: Fitness, now: Fitness) -> Finding | None:
    """What a node at work must be told though record and disk agree: that it still is what it was when it ``begun``.

    None where no file has changed since. The reference view is passed over: it is read anew with each record.
    """
    changed = [
        name for key, name in _CHANGED.items() if key != "view_sha256" and getattr(now, key) != getattr(begun, key)
    ]
    if not changed:
        return None
    words = f"Changed since the node was started: {', '.join(changed)}; restart it."
    return Finding(CheckName.COMMISSIONING, Outcome.NOT_OK, words)
