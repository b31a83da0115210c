"""Detached JWS (RFC 7515, RFC 7797 with ``b64: false``) by any signing key, its private part in this process or not.

``sign_document`` puts one into a small JSON document as its ``signature``, in the way that events carry theirs.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.keys.public import PublicKey
    from edge.keys.signing import SigningKey

MAX_DOCUMENT_BYTES: Final = 4_000_000

_NUMBER_BYTES = 32


def sign_detached(payload: bytes, key: SigningKey) -> str:
    """The compact form with its payload left out: header, two dots, signature."""
    header = _header(key.kid)
    signature = key.sign(header.encode() + b"." + payload)
    return f"{header}..{_encoded(signature)}"


def holds(signature: object, payload: bytes, key: PublicKey) -> bool:
    """Whether ``key`` made this detached signature over ``payload``, spelt exactly as ``sign_detached`` spells it."""
    header = _header(key.kid)
    if not isinstance(signature, str) or not signature.startswith(f"{header}.."):
        return False
    raw = _decoded(signature.removeprefix(f"{header}.."))
    if len(raw) != 2 * _NUMBER_BYTES:
        return False
    r, s = (int.from_bytes(half, "big") for half in (raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]))
    try:
        key.native.verify(encode_dss_signature(r, s), header.encode() + b"." + payload, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def sign_document(document: Mapping[str, Any], key: SigningKey) -> bytes:
    """The canonical bytes (RFC 8785) of a document with its ``signature`` by ``key``."""
    return rfc8785.dumps({**document, "signature": sign_detached(rfc8785.dumps(dict(document)), key)})


def read_document(raw: bytes) -> tuple[dict[str, Any], bytes, object]:
    """A signed document without its signature, the bytes that were signed, and the signature, not checked yet.

    Raises ValueError for what is no document in its canonical bytes.
    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"it has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = json.loads(raw.decode("utf-8"))
        canonical = rfc8785.dumps(document)
    except (RecursionError, rfc8785.CanonicalizationError) as error:
        raise ValueError("it cannot be written in the canonical form") from error
    if not isinstance(document, dict) or canonical != raw.removesuffix(b"\n"):
        raise ValueError("it is no JSON object in the canonical form")
    signature = document.pop("signature", None)
    return document, rfc8785.dumps(document), signature


def _header(kid: str) -> str:
    fields = {"alg": "ES256", "b64": False, "crit": ["b64"], "kid": kid}
    return _encoded(json.dumps(fields, separators=(",", ":")).encode())


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(segment: str) -> bytes:
    """The bytes of base64url in its one proper spelling; none where it is another."""
    try:
        content = urlsafe_b64decode(segment.encode("ascii") + b"=" * (-len(segment) % 4))
    except ValueError:
        return b""
    return content if _encoded(content) == segment else b""
