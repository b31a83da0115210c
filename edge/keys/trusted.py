"""Which key may sign whose events, and when: what a receiver decides by. Pure: no clock, no file.

A certified key is bound to its node, so that one node's key cannot sign in another's name. A certificate's validity and
a succession's end work like a revocation: by the later of the instant an event claims and the one since which it is
known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from edge.errors import KeyFileError
from edge.keys.certificates import Use, issued_under
from edge.keys.instants import write_instant
from edge.keys.revocation import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography import x509

    from edge.keys.certificates import Certificate
    from edge.keys.public import PublicKey
    from edge.keys.revocation import Revocation
    from edge.keys.succession import Succession


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that may sign the events of one node (``source``), from ``not_before`` to ``not_after``."""

    public: PublicKey
    source: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Trust:
    """Every key that a receiver trusts, by ``kid``, and the keys that have ended."""

    keys: Mapping[str, TrustedKey]
    revoked: Mapping[str, Revocation] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def public_keys(self) -> dict[str, PublicKey]:
        """The keys as ``event.verify`` takes them; what it says yes to is still to be held against ``refusal``."""
        return {kid: key.public for kid, key in self.keys.items()}

    def refusal(self, kid: str, source: str, *, claimed: datetime | None, known_since: datetime) -> str | None:
        """Why an event with a good signature by a trusted key is refused all the same; None where it stands."""
        return key_refusal(self.keys[kid], source, claimed=claimed, known_since=known_since, revocations=self.revoked)


def read_trusted(raw: bytes, name: object, authority: x509.Certificate) -> dict[str, TrustedKey]:
    """The keys that may sign events, by ``kid``, from a PEM file of nodes' certificates under the authority.

    Certificates for TLS alone, of brokers and of authorities are passed over. One that has expired still counts: what
    was signed and known in its time stands. Raises KeyFileError.
    """
    keys: dict[str, TrustedKey] = {}
    for certificate in issued_under(raw, name, authority):
        if Use.EVENTS not in certificate.claim.uses:
            continue
        key = certified(certificate)
        keys[key.public.kid] = _joined(keys.get(key.public.kid, key), key)
    return keys


def _joined(one: TrustedKey, other: TrustedKey) -> TrustedKey:
    """A key that was certified twice counts from the first beginning to the last end."""
    if one.source != other.source:
        raise KeyFileError(f"The key {one.public.kid} is certified for {one.source} and for {other.source}: revoke it")
    begin, end = min(one.not_before, other.not_before), max(one.not_after, other.not_after)
    return replace(one, not_before=begin, not_after=end)


def certified(certificate: Certificate) -> TrustedKey:
    """What a certificate, whose chain has been checked, allows. Raises KeyFileError where events are not among it."""
    claim = certificate.claim
    if claim.holder is None or Use.EVENTS not in claim.uses:
        raise KeyFileError(
            f"The certificate of {claim} does not allow its key to sign events: it is for {_uses(claim.uses)}"
        )
    return TrustedKey(certificate.public, claim.holder.uri, certificate.not_before, certificate.not_after)


def succeeded(old: TrustedKey, succession: Succession) -> tuple[TrustedKey, TrustedKey]:
    """The old key with its end, and the new one with its beginning. Raises KeyFileError where they do not belong.

    The new key is trusted no longer than the old one was, until its own certificate comes. Whether the statement came
    in time says ``succession_refusal``.
    """
    if succession.old != old.public.kid or succession.source != old.source:
        raise KeyFileError(f"The statement of a new key is for {succession.source}, not for the key of {old.source}")
    ended = replace(old, not_after=min(old.not_after, succession.old_until))
    return ended, TrustedKey(succession.new, old.source, succession.since, old.not_after)


def key_refusal(
    key: TrustedKey,
    source: str,
    *,
    claimed: datetime | None,
    known_since: datetime,
    revocations: Mapping[str, Revocation],
) -> str | None:
    """Why an event of ``source`` is refused on account of its key, in one sentence; None where it stands.

    ``claimed`` and ``known_since`` as for ``revocation.refusal``.
    """
    kid = key.public.kid
    if source != key.source:
        return f"The event says it is from {source}, but its key {kid} belongs to {key.source}"
    revoked = refusal(kid, claimed=claimed, known_since=known_since, revocations=revocations)
    if revoked is not None:
        return revoked
    if (known_since if claimed is None else max(claimed, known_since)) > key.not_after:
        return f"The event's key {kid} ended at {write_instant(key.not_after)}, and the event was not known before"
    if claimed is not None and claimed < key.not_before:
        return f"The event claims a time before its key {kid} began, {write_instant(key.not_before)}"
    return None


def _uses(uses: frozenset[Use]) -> str:
    return " and ".join(sorted(uses))
