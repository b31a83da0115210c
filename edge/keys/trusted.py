"""Which key may sign whose events, and when: what a receiver decides by. Pure: no clock, no file.

A certified key is bound to its node, so that one node's key cannot sign in another's name. A certificate's validity and
a succession's end work like a revocation: by the later of the instant an event claims and the one since which it is
known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.errors import KeyFileError
from edge.keys.certificates import Use
from edge.keys.instants import write_instant
from edge.keys.revocation import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

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
