"""Public keys: what signatures are checked with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from edge.errors import KeyFileError
from edge.keys.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PUBLIC_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with. ``jwk`` is what the signature library takes."""

    kid: str
    jwk: ECKey = field(repr=False)

    @classmethod
    def of(cls, key: ec.EllipticCurvePublicKey) -> PublicKey:
        """The same key as the cryptography library holds it; its curve is P-256."""
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        jwk = ECKey.import_key(pem)
        return cls(jwk.thumbprint(), jwk)

    @property
    def pem(self) -> bytes:
        """The key as PEM SubjectPublicKeyInfo, as OpenSSL and every crypto library read it."""
        return self.jwk.as_pem(private=False)

    @property
    def native(self) -> ec.EllipticCurvePublicKey:
        """The key as the cryptography library takes it."""
        return self.jwk.public_key


def load_public_keys(paths: Iterable[Path]) -> dict[str, PublicKey]:
    """Read the keys to trust, each file holding one or several PEM public keys; by their ``kid``."""
    return trust(*(key for path in paths for key in _public_keys(path)))


def trust(*keys: PublicKey) -> dict[str, PublicKey]:
    """The keys by their ``kid``, as ``event.verify`` takes them."""
    return {key.kid: key for key in keys}


def _public_keys(path: Path) -> list[PublicKey]:
    pem, _ = read_file(path, hint="give the public key, as 'stopline keys show' prints it")
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
    return PublicKey.of(public)
