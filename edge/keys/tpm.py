"""A signing key inside a TPM 2.0: made there, used there, never in this process's memory.

The key's file is a ``TSS2 PRIVATE KEY`` PEM, as tpm2-tools and tpm2-openssl know it: the key wrapped by this one TPM's
storage root, of no use anywhere else. Each signature opens the TPM, loads the key and lets go of it again: events are
rare, and nothing of the TPM is held in between. Needs the extra ``tpm`` (tpm2-pytss) and the system's libtss2.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.errors import KeyFileError, TpmError
from edge.keys.files import PRIVATE_MODE, write_whole
from edge.keys.public import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TPM_VARIABLE: Final = "STOPLINE_TPM"
TPM_DEVICE: Final = "device:/dev/tpmrm0"
TPM_BLOCK: Final = b"-----BEGIN TSS2 PRIVATE KEY-----"

_NUMBER_BYTES = 32


@dataclass(frozen=True, slots=True)
class TpmKey:
    """A P-256 key that only its own TPM can use. ``tpm`` says how to reach it, as libtss2 names it (a TCTI)."""

    kid: str
    public: PublicKey = field(repr=False)
    pem: bytes = field(repr=False)
    tpm: str

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over ``message`` by the TPM: r and s of 32 bytes each.

        Raises KeyFileError where the TPM does not take the key, TpmError where it does not answer as it must.
        """
        with _open(self.tpm) as (esapi, tss):
            handle = tss.tsskey.TSSPrivKey.from_pem(self.pem).load(esapi)
            try:
                # Held until its parts are copied: they are views into its memory.
                signed = esapi.sign(handle, *_to_sign(tss, hashlib.sha256(message).digest()))
                return _number(signed.signature.ecdsa.signatureR) + _number(signed.signature.ecdsa.signatureS)
            finally:
                esapi.flush_context(handle)


def create_tpm_key(path: Path, *, force: bool = False) -> TpmKey:
    """Make a P-256 key inside the TPM and write its wrapped form to ``path`` (mode 0600), whole or not at all.

    The TPM is the one that the environment variable ``STOPLINE_TPM`` names, or ``/dev/tpmrm0``. Raises KeyFileError.
    """
    with _open(_tpm()) as (esapi, tss):
        pem = tss.tsskey.TSSPrivKey.create_ecc(esapi).to_pem()
    key = tpm_key(path, pem)
    write_whole(path, pem, mode=PRIVATE_MODE, replace=force)
    return key


def tpm_key(path: Path, pem: bytes) -> TpmKey:
    """The key of a ``TSS2 PRIVATE KEY`` file; the TPM is not asked yet. Raises KeyFileError."""
    tss = _library()
    try:
        public = load_pem_public_key(tss.tsskey.TSSPrivKey.from_pem(pem).public.to_pem())
    except (ValueError, TypeError, LookupError, RuntimeError, tss.TSS2_Exception):
        raise KeyFileError(f"{path} is damaged: it holds no whole TPM key; make a new one with --tpm") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} is no P-256 key: make one with 'stopline keys new --tpm'")
    readable = PublicKey.of(public)
    return TpmKey(readable.kid, readable, pem, _tpm())


def _tpm() -> str:
    return os.environ.get(TPM_VARIABLE, TPM_DEVICE)


def _to_sign(tss: Any, digest: bytes) -> tuple[Any, Any, Any]:
    """What TPM2_Sign takes beside the key: the digest, the scheme, and a ticket that says it was made outside."""
    details = tss.TPMU_SIG_SCHEME(any=tss.TPMS_SCHEME_HASH(hashAlg=tss.TPM2_ALG.SHA256))
    scheme = tss.TPMT_SIG_SCHEME(scheme=tss.TPM2_ALG.ECDSA, details=details)
    ticket = tss.TPMT_TK_HASHCHECK(tag=tss.TPM2_ST.HASHCHECK, hierarchy=tss.TPM2_RH.NULL)
    return tss.TPM2B_DIGEST(digest), scheme, ticket


def _number(value: Any) -> bytes:
    """The number's 32 bytes: a TPM may drop leading zeros, which JWS keeps."""
    return bytes(value).rjust(_NUMBER_BYTES, b"\0")


@contextmanager
def _open(tpm: str) -> Iterator[tuple[Any, Any]]:
    """The TPM ready for commands, and the library's names; what fails is told in one sentence."""
    tss = _library()
    try:
        with tss.ESAPI(tpm) as esapi:
            yield esapi, tss
    except (tss.TSS2_Exception, RuntimeError) as error:
        if _is_of_the_key(tss, error):
            raise KeyFileError(
                f"The TPM at {tpm} does not take what it is given ({error}): check that it is the one the key was made "
                f"in, or name another with {TPM_VARIABLE}"
            ) from None
        raise TpmError(
            f"The TPM at {tpm} did not do as asked ({error}): check that it is there and that this user may use it, or "
            f"name another with {TPM_VARIABLE}"
        ) from None


def _is_of_the_key(tss: Any, error: RuntimeError) -> bool:
    """Whether what was handed to the TPM is wrong, and not the TPM.

    A TPM tells so: its return codes of format one name the handle, parameter or session that it refuses, such as a key
    that another TPM has wrapped. Warnings, its own failure, and all that comes from the way to it are of the other
    format. What is no return code at all the library says of a key file, such as that it needs a password.
    """
    return not isinstance(error, tss.TSS2_Exception) or bool(error.fmt1)


def _library() -> Any:
    os.environ.setdefault("TSS2_LOG", "all+none")  # libtss2 writes to stderr on its own; our sentence says it
    try:
        import tpm2_pytss
        import tpm2_pytss.tsskey
    except (ImportError, NotImplementedError):
        raise KeyFileError(
            "A key in a TPM needs the extra 'tpm' and the system's TPM library: apt install libtss2-dev gcc, then "
            "pip install 'stopline[tpm]'"
        ) from None
    return tpm2_pytss
