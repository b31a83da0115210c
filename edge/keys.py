"""The node's signing key and the public keys that a reader trusts: ECDSA P-256 in PEM files.

A key is known by its ``kid``, the RFC 7638 thumbprint (SHA-256, base64url) of its public part.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from edge.errors import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MAX_FILE_BYTES = 65_536
_PRIVATE_MODE = 0o600
_PUBLIC_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with. ``jwk`` is what the signature library takes."""

    kid: str
    jwk: ECKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """The key as PEM SubjectPublicKeyInfo, as OpenSSL and every crypto library read it."""
        return self.jwk.as_pem(private=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A node's private key. Its text form shows the ``kid`` alone."""

    kid: str
    jwk: ECKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The part that may be handed to anyone."""
        return PublicKey(self.kid, ECKey.import_key(self.jwk.as_pem(private=False)))


def create_key(path: Path, *, force: bool = False) -> SigningKey:
    """Make a new P-256 key and write it to ``path`` (PEM PKCS#8, mode 0600), whole or not at all.

    Raises KeyFileError where ``path`` exists, unless ``force``: a lost key cannot be made again.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        _write_whole(path, pem, force=force)
    except FileExistsError:
        raise KeyFileError(f"{path} exists: name another file, or use force to replace that key for good") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written ({error.strerror}): give a folder this user may write") from None
    return _signing_key(pem)


def load_signing_key(path: Path) -> SigningKey:
    """Read a private key made by ``create_key`` or OpenSSL; one that other users of the machine can read is refused."""
    pem, mode = _read(path)
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"{path} can be read by other users (mode {stat.S_IMODE(mode):04o}): run chmod 600 {path}")
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise KeyFileError(f"{path} is locked with a password: store it without one, in a file of mode 0600") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} holds no private key: make one with 'stopline keys new {path}'") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} is no P-256 key: make one with 'stopline keys new'")
    return _signing_key(pem)


def load_public_keys(paths: Iterable[Path]) -> dict[str, PublicKey]:
    """Read the keys to trust, each file holding one or several PEM public keys; by their ``kid``."""
    keys = [key for path in paths for key in _public_keys(path)]
    return {key.kid: key for key in keys}


def trust(*keys: PublicKey) -> dict[str, PublicKey]:
    """The keys by their ``kid``, as ``event.verify`` takes them."""
    return {key.kid: key for key in keys}


def _public_keys(path: Path) -> list[PublicKey]:
    pem, _ = _read(path)
    blocks = _PUBLIC_BLOCK.findall(pem)
    if not blocks:
        what = "a private key" if b"PRIVATE KEY" in pem else "no public key"
        raise KeyFileError(f"{path} holds {what}: give the public key, as 'stopline keys show' prints it")
    return [_public_key(path, block) for block in blocks]


def _public_key(path: Path, pem: bytes) -> PublicKey:
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} holds a damaged public key: fetch it again from the node") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} is no P-256 public key: give the one that 'stopline keys show' prints")
    jwk = ECKey.import_key(pem)
    return PublicKey(jwk.thumbprint(), jwk)


def _signing_key(pem: bytes) -> SigningKey:
    jwk = ECKey.import_key(pem)
    return SigningKey(jwk.thumbprint(), jwk)


def _read(path: Path) -> tuple[bytes, int]:
    """A file's bytes and its mode, both of the same open file, so that neither can be swapped in between."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES), os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        raise KeyFileError(f"{path} does not exist: make a key with 'stopline keys new {path}'") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read ({error.strerror}): give a file this user may read") from None


def _write_whole(path: Path, content: bytes, *, force: bool) -> None:
    """Write beside ``path`` and move into place in one step; without ``force`` an existing file wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if force:
            draft.replace(path)
        else:
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
