"""Detached JWS (RFC 7515, RFC 7797 with ``b64: false``) by any signing key, its private part in this process or not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.keys.signing import SigningKey


def sign_detached(payload: bytes, key: SigningKey) -> str:
    """The compact form with its payload left out: header, two dots, signature."""
    fields = {"alg": "ES256", "b64": False, "crit": ["b64"], "kid": key.kid}
    header = _encoded(json.dumps(fields, separators=(",", ":")).encode())
    signature = key.sign(header.encode() + b"." + payload)
    return f"{header}..{_encoded(signature)}"


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
