"""``stopline ca``: a small certificate authority for a fleet of nodes and its brokers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edge.errors import KeyFileError
from edge.keys.authority import CERTIFICATE_FILE, authority_key, create_authority, open_authority
from edge.keys.files import PUBLIC_MODE, check_place, read_file, write_whole
from edge.keys.instants import given_instant, write_instant

if TYPE_CHECKING:
    from pathlib import Path

    from edge.keys.certificates import Certificate
    from edge.keys.revocation import Reason, Revocation

CRL_FILE = "crl.pem"
LIST_FILE = "revocations.json"
CERTIFICATES_FILE = "nodes.pem"


def new(folder: Path, name: str, days: int, *, in_tpm: bool) -> tuple[Path, str]:
    """Begin an authority; give its certificate's file and the id of its key. Raises KeyFileError."""
    authority = create_authority(folder, name, days, _now(), in_tpm=in_tpm)
    return folder / CERTIFICATE_FILE, authority_key(authority.certificate).kid


def sign(
    folder: Path, request: Path, expected: str, days: int, succession: Path | None, out: Path | None
) -> tuple[Certificate, Path]:
    """Sign a request and write the certificate; give it and its file. Raises KeyFileError."""
    raw, _ = read_file(request, hint="give the request of 'stopline keys request'")
    statement = None
    if succession is not None:
        statement, _ = read_file(succession, hint="give the statement of 'stopline keys rotate'")
    path = out or request.with_suffix(".crt")
    check_place(path)  # what the authority has signed stands in its register for good
    certificate = open_authority(folder).sign(raw, expected, days, _now(), succession=statement)
    write_whole(path, certificate.pem, mode=PUBLIC_MODE, replace=True)
    return certificate, path


def revoke(folder: Path, kid: str, since: str | None, reason: Reason) -> Revocation:
    """End a key, from now on or from an earlier instant. Raises KeyFileError."""
    instant = _now().replace(microsecond=0) if since is None else given_instant(since)
    if instant > _now():
        raise KeyFileError(
            f"{write_instant(instant)} lies in the future: a key is revoked from now on, or from earlier"
        )
    return open_authority(folder).revoke(kid, instant, reason)


def publish(folder: Path, days: int, out: Path | None) -> tuple[Path, Path, Path]:
    """Write the revocations for brokers (X.509 CRL) and for receivers (signed list), and all nodes' certificates.

    Gives the three files. Raises KeyFileError.
    """
    authority, now, target = open_authority(folder), _now(), out or folder
    crl, listed = target / CRL_FILE, target / LIST_FILE
    write_whole(crl, authority.crl(now, days), mode=PUBLIC_MODE, replace=True)
    write_whole(listed, authority.signed_revocations(now, days) + b"\n", mode=PUBLIC_MODE, replace=True)
    nodes = target / CERTIFICATES_FILE
    write_whole(nodes, "".join(one.pem for one in authority.issued()).encode(), mode=PUBLIC_MODE, replace=True)
    return crl, listed, nodes


def listed(folder: Path) -> list[dict[str, Any]]:
    """Every certificate signed here, the oldest first, with the end of its key. Raises KeyFileError."""
    authority = open_authority(folder)
    revoked = authority.revocations(_now(), 1).revoked
    return [
        {
            "key": one.kid,
            "for": one.name,
            "uses": ", ".join(one.uses),
            "valid_until": one.not_after,
            "revoked": f"{write_instant(end.since)} {end.reason}" if (end := revoked.get(one.kid)) else "",
        }
        for one in authority.issued()
    ]


def _now() -> datetime:
    return datetime.now(UTC)
