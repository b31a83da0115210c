"""Private keys that sign: what is asked of one, and the kind that lies in a file."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey

from edge.errors import KeyFileError
from edge.keys.files import PRIVATE_MODE, read_file, write_whole
from edge.keys.public import PublicKey
from edge.keys.tpm import TPM_BLOCK, tpm_key

if TYPE_CHECKING:
    from pathlib import Path


class SigningKey(Protocol):
    """A private P-256 key, wherever it lies. Its text form shows the ``kid`` alone."""

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint of the public part."""
        ...

    @property
    def public(self) -> PublicKey:
        """The part that may be handed to anyone."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over ``message``: r and s of 32 bytes each, as JWS (RFC 7518, section 3.4) wants them."""
        ...


@dataclass(frozen=True, slots=True)
class FileKey:
    """A private key read from a PEM file into this process's memory."""

    kid: str
    jwk: ECKey = field(repr=False)

    @classmethod
    def from_pem(cls, pem: bytes) -> FileKey:
        """A key from the PEM of a P-256 private key."""
        jwk = ECKey.import_key(pem)
        return cls(jwk.thumbprint(), jwk)

    @property
    def public(self) -> PublicKey:
        """The part that may be handed to anyone."""
        return PublicKey.of(self.jwk.public_key)

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over ``message``: r and s of 32 bytes each."""
        private = self.jwk.private_key
        assert private is not None
        return raw_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))


def raw_signature(der: bytes) -> bytes:
    """An ECDSA signature as r and s of 32 bytes each, from its ASN.1 form."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def create_key(path: Path, *, force: bool = False) -> FileKey:
    """Make a new P-256 key and write it to ``path`` (PEM PKCS#8, mode 0600), whole or not at all.

    Raises KeyFileError where ``path`` exists, unless ``force``: a lost key cannot be made again.
    """
    pem = _pem(ec.generate_private_key(ec.SECP256R1()))
    write_whole(path, pem, mode=PRIVATE_MODE, replace=force)
    return FileKey.from_pem(pem)


def load_signing_key(path: Path) -> SigningKey:
    """Read a private key: a PEM file by ``create_key`` or OpenSSL, or one wrapped by a TPM.

    Certificates that follow it in the file are passed over. One that other users can read is refused. KeyFileError;
    TpmError where the TPM does not answer, which says nothing of the file.
    """
    pem, mode = read_file(path, hint=f"make a key with 'stopline keys new {path}'")
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"{path} can be read by other users (mode {stat.S_IMODE(mode):04o}): run chmod 600 {path}")
    if TPM_BLOCK in pem:
        key = tpm_key(path, pem)
        key.sign(b"")  # a TPM that cannot is told now, not at the first violation
        return key
    return _file_key(path, pem)


def _file_key(path: Path, pem: bytes) -> FileKey:
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise KeyFileError(f"{path} is locked with a password: store it without one, in a file of mode 0600") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} holds no private key: make one with 'stopline keys new {path}'") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} is no P-256 key: make one with 'stopline keys new'")
    return FileKey.from_pem(_pem(private))


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
