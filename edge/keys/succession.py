"""A node's new key, vouched for by its old one, and until when both count. Pure: no clock is read.

The old key signs that the new one follows it; the new one signs that it agrees, so that nobody can claim another's.
A statement counts only while the old key does: whoever steals a node cannot hand its good name on to their own key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.errors import KeyFileError
from edge.keys.instants import read_instant, write_instant
from edge.keys.jws import holds, read_document, sign_detached, sign_document
from edge.keys.public import PublicKey
from edge.keys.revocation import is_refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from edge.keys.revocation import Revocation
    from edge.keys.signing import SigningKey

STATEMENT_TYPE: Final = "org.stopline.key-succession.v1"

_FIELDS = {"type", "source", "old", "new", "new_key", "from", "old_until", "consent"}


@dataclass(frozen=True, slots=True)
class Succession:
    """``new`` follows the key ``old`` of the node ``source`` from ``since`` on; the old one ends at ``old_until``."""

    source: str
    old: str
    new: PublicKey
    since: datetime
    old_until: datetime


def sign_succession(source: str, old: SigningKey, new: SigningKey, since: datetime, old_until: datetime) -> bytes:
    """The statement, signed by both keys."""
    agreed = {
        "type": STATEMENT_TYPE,
        "source": source,
        "old": old.kid,
        "new": new.kid,
        "new_key": new.public.pem.decode(),
        "from": write_instant(since),
        "old_until": write_instant(old_until),
    }
    return sign_document({**agreed, "consent": sign_detached(rfc8785.dumps(agreed), new)}, old)


def read_succession(raw: bytes, trusted: Mapping[str, PublicKey]) -> Succession:
    """A statement by one of the trusted keys with the consent of the new one. Raises KeyFileError."""
    try:
        document, payload, signature = read_document(raw)
        succession = _succession(document)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"This is no statement of a new key ({error}): fetch it again from the node") from None
    old = trusted.get(succession.old)
    if old is None:
        raise KeyFileError(f"The new key is vouched for by the key {succession.old}, which is not trusted here")
    agreed = {name: value for name, value in document.items() if name != "consent"}
    if not holds(signature, payload, old) or not holds(document["consent"], rfc8785.dumps(agreed), succession.new):
        raise KeyFileError("The statement of a new key was changed after it was signed: fetch it again from the node")
    return succession


def succession_refusal(
    succession: Succession, *, known_since: datetime, revocations: Mapping[str, Revocation]
) -> str | None:
    """Why a statement is refused because its old key had ended when it became known; None where it counts."""
    old, known = succession.old, f"its statement became known at {write_instant(known_since)} only"
    if is_refused(old, claimed=succession.since, known_since=known_since, revocations=revocations):
        end = revocations[old]
        ended = f"was revoked from {write_instant(end.since)} on ({end.reason})"
    elif known_since >= succession.old_until:
        ended = f"ended at {write_instant(succession.old_until)}"
    else:
        return None
    return f"The new key {succession.new.kid} is not accepted: the old key {old} {ended}, and {known}"


def _succession(document: Mapping[str, Any]) -> Succession:
    texts = all(isinstance(value, str) for value in document.values())
    if not texts or set(document) != _FIELDS or document["type"] != STATEMENT_TYPE:
        raise ValueError("it has other fields")
    native = load_pem_public_key(document["new_key"].encode())
    if not isinstance(native, ec.EllipticCurvePublicKey) or not isinstance(native.curve, ec.SECP256R1):
        raise ValueError("the new key is no P-256 key")  # noqa: TRY004 - one error for whatever is no statement
    new = PublicKey.of(native)
    since, old_until = read_instant(document["from"]), read_instant(document["old_until"])
    if new.kid != document["new"] or document["old"] == new.kid or old_until < since:
        raise ValueError("it contradicts itself")
    return Succession(document["source"], document["old"], new, since, old_until)
