"""A node's own key through its life: asked to be certified, put in place with its certificate, followed by the next.

A node's key file may hold its certificates too, after the key. So a new key comes into place together with its
certificate, in one step: no power cut can leave the one without the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import KeyFileError
from edge.keys.certificates import CERTIFICATE_BLOCK, Certificate, check_chain, load_chain, read_certificates
from edge.keys.files import PRIVATE_MODE, PUBLIC_MODE, read_file, write_whole
from edge.keys.public import load_public_keys
from edge.keys.signing import create_key, load_signing_key
from edge.keys.succession import sign_succession
from edge.keys.tpm import create_tpm_key

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from cryptography import x509

    from edge.keys.public import PublicKey
    from edge.keys.signing import SigningKey

_KEY_BLOCK = re.compile(rb"-----BEGIN ((?:EC |TSS2 )?PRIVATE KEY)-----.+?-----END \1-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new key beside the old one, not in use yet, and the old key's statement about it."""

    key: SigningKey
    file: Path
    statement: Path


def new_key(path: Path, *, in_tpm: bool = False, force: bool = False) -> SigningKey:
    """Make a key, in the TPM or in its file, and write its public part beside it as ``.pub.pem``. KeyFileError."""
    key: SigningKey = (create_tpm_key if in_tpm else create_key)(path, force=force)
    _write_public(path, key)
    return key


def enroll(path: Path, signed: bytes, authority: x509.Certificate, at: datetime) -> Certificate:
    """Put a signed certificate in place behind the key that it is for: the one in use, or the one that waits to follow.

    Whole or not at all: it must lead to the authority, be valid ``at`` now and fit the key. The key that it replaces is
    kept as ``.old``. Raises KeyFileError.
    """
    files = [file for file in (path, waiting(path)) if file.exists()]
    if not files:
        raise KeyFileError(f"{path} does not exist: give the node's key, which 'stopline keys new' makes")
    certificate = check_chain(signed, "The certificate", authority, at)
    chain = b"".join(CERTIFICATE_BLOCK.findall(signed))
    for file in files:
        if load_signing_key(file).kid == certificate.public.kid:
            break
    else:
        raise KeyFileError(
            f"The certificate is for the key {certificate.public.kid}, which is not the one in {path}: fetch the one "
            "that was signed for this node's request"
        )
    before = _public_before(path)
    if file != path:
        _keep_old(path)
    content, _ = read_file(file, hint="make a key first")
    write_whole(path, _key_of(content) + chain, mode=PRIVATE_MODE, replace=True)
    _write_public(path, load_signing_key(path), *before)
    after = waiting(path)
    if after.exists() and load_signing_key(after).kid == certificate.public.kid:
        after.unlink()
    return certificate


def rotate(path: Path, source: str, now: datetime, overlap: timedelta, *, in_tpm: bool = False) -> Rotation:
    """Make the key that will follow the one in ``path``, and have the old one vouch for it.

    The new key waits beside it as ``.next`` until its certificate is enrolled. Raises KeyFileError.
    """
    old = load_signing_key(path)
    _check_source(path, source)
    after = waiting(path)
    if after.exists():
        raise KeyFileError(f"{after} waits for its certificate already: enroll that, or remove it")
    new: SigningKey = (create_tpm_key if in_tpm else create_key)(after)
    statement = path.with_suffix(".succession.json")
    write_whole(
        statement, sign_succession(source, old, new, now, now + overlap) + b"\n", mode=PUBLIC_MODE, replace=True
    )
    return Rotation(new, after, statement)


def waiting(path: Path) -> Path:
    """Where the key that will follow the one in ``path`` waits for its certificate."""
    return path.with_name(f"{path.name}.next")


def enrolled(path: Path) -> tuple[Certificate, ...]:
    """The node's certificate in its key file, or nothing where there is none yet. Raises KeyFileError."""
    content, _ = read_file(path, hint="make a key first")
    return read_certificates(content, path) if CERTIFICATE_BLOCK.search(content) else ()


def _check_source(path: Path, source: str) -> None:
    """A key that is certified for one node is not followed by another's."""
    for certificate in enrolled(path):
        holder = certificate.claim.holder
        if holder is not None and holder.uri != source:
            raise KeyFileError(f"{path} is certified for {holder}, not for {source}: give that name")


def _keep_old(path: Path) -> None:
    content, _ = read_file(path, hint="make a key first")
    write_whole(path.with_name(f"{path.name}.old"), content, mode=PRIVATE_MODE, replace=True)


def _key_of(content: bytes) -> bytes:
    match = _KEY_BLOCK.search(content)
    assert match is not None  # it has been loaded
    return match[0] if match[0].endswith(b"\n") else match[0] + b"\n"


def _public_before(path: Path) -> list[PublicKey]:
    """The keys that the node had before, the latest first: whoever checks its older events needs them."""
    beside = path.with_suffix(".pub.pem")
    return list(load_public_keys([beside]).values()) if beside.exists() else []


def _write_public(path: Path, key: SigningKey, *before: PublicKey) -> None:
    keys = {one.kid: one for one in (key.public, *before)}
    content = b"".join(one.pem for one in keys.values())
    write_whole(path.with_suffix(".pub.pem"), content, mode=PUBLIC_MODE, replace=True)


def certificates_only(path: Path) -> bytes:
    """The certificates in a node's key file, which may be handed to anyone. Raises KeyFileError."""
    content, _ = read_file(path, hint="make a key first")
    load_chain(content, path)
    return b"".join(CERTIFICATE_BLOCK.findall(content))
