"""``stopline keys``: a node's key made, shown, certified and followed by the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from edge.errors import KeyFileError
from edge.keys import enrolment, load_signing_key
from edge.keys.authority import load_authority
from edge.keys.certificates import Use, broker_claim, make_request, node_claim
from edge.keys.files import PUBLIC_MODE, read_file, write_whole
from edge.keys.instants import write_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.keys import SigningKey
    from edge.keys.certificates import Certificate, Claim

_MAX_CHAIN_BYTES = 65_536


def request(key_file: Path, node: str | None, hosts: Sequence[str], uses: Sequence[Use], out: Path | None) -> Path:
    """Write a certificate request for a node's key, or for a broker's; give its file. Raises KeyFileError."""
    claim = _claim(node, hosts, uses)
    path = out or key_file.with_suffix(".csr")
    write_whole(path, make_request(load_signing_key(key_file), claim), mode=PUBLIC_MODE, replace=True)
    return path


def enroll(key_file: Path, certificate: Path, authority: Path) -> Certificate:
    """Put the signed certificate in place. Raises KeyFileError."""
    signed, _ = read_file(certificate, hint="give the certificate that the authority signed", limit=_MAX_CHAIN_BYTES)
    return enrolment.enroll(key_file, signed, load_authority(authority), datetime.now(UTC))


def rotate(key_file: Path, node: str, overlap_days: int, *, in_tpm: bool) -> tuple[enrolment.Rotation, Path]:
    """Make the next key, the old key's statement about it, and its request; give the request's file. KeyFileError."""
    claim = node_claim(node)
    assert claim.holder is not None
    before = enrolment.enrolled(key_file)
    if before:
        claim = node_claim(node, before[0].claim.uses)
    rotation = enrolment.rotate(
        key_file, f"stopline://{node}", datetime.now(UTC), timedelta(days=overlap_days), in_tpm=in_tpm
    )
    path = key_file.with_suffix(".csr")
    write_whole(path, make_request(rotation.key, claim), mode=PUBLIC_MODE, replace=True)
    return rotation, path


def describe(key_file: Path) -> tuple[SigningKey, list[dict[str, Any]]]:
    """A key and what its certificates say. Raises KeyFileError."""
    return load_signing_key(key_file), [_row(one) for one in enrolment.enrolled(key_file)]


def _claim(node: str | None, hosts: Sequence[str], uses: Sequence[Use]) -> Claim:
    if (node is None) == (not hosts):
        raise KeyFileError("Say whose certificate it is to be: --node SITE/NODE, or --host HOST for a broker")
    if node is None:
        return broker_claim(hosts)
    if Use.BROKER in uses:
        raise KeyFileError("A node is no broker: use events, tls or both; for a broker give --host")
    return node_claim(node, uses or (Use.EVENTS, Use.TLS))


def _row(certificate: Certificate) -> dict[str, Any]:
    return {
        "for": str(certificate.claim),
        "uses": sorted(certificate.claim.uses),
        "valid_from": write_instant(certificate.not_before),
        "valid_until": write_instant(certificate.not_after),
        "signed_by": certificate.native.issuer.rfc4514_string(),
    }
