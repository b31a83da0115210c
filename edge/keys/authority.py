"""A small certificate authority in a folder: its key, its certificate, and the register of what it signed and ended.

It signs nodes and brokers only (path length 0), each for what its request asks and its operator confirms by name. What
changes is written whole; the revocation list grows and never takes anything back.
"""

from __future__ import annotations

import fcntl
import json
import secrets
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from edge.errors import KeyFileError
from edge.keys.certificates import (
    Certificate,
    Claim,
    Use,
    alternative_names,
    as_issuer,
    extended_usage,
    load_chain,
    read_certificates,
    read_request,
    subject_of,
)
from edge.keys.files import PRIVATE_MODE, PUBLIC_MODE, read_file, write_whole
from edge.keys.instants import read_instant, write_instant
from edge.keys.public import PublicKey
from edge.keys.revocation import MAX_REVOCATIONS, Reason, Revocation, RevocationList, sign_list
from edge.keys.signing import create_key, load_signing_key
from edge.keys.succession import read_succession
from edge.keys.tpm import create_tpm_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from edge.keys.signing import SigningKey

KEY_FILE: Final = "ca.key"
CERTIFICATE_FILE: Final = "ca.pem"

_REGISTER_FILE = "register.json"
_MAX_REGISTER_BYTES = 64_000_000
_CLOCK_SLACK = timedelta(minutes=5)  # of the machines that will read the certificate
_CRL_REASONS = {
    Reason.STOLEN: x509.ReasonFlags.key_compromise,
    Reason.COMPROMISED: x509.ReasonFlags.key_compromise,
    Reason.SUPERSEDED: x509.ReasonFlags.superseded,
    Reason.RETIRED: x509.ReasonFlags.cessation_of_operation,
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was signed: its number in hex, the key in it, whose it is, what for, until when."""

    serial: str
    kid: str
    name: str
    uses: tuple[str, ...]
    not_after: str
    pem: str


@dataclass(frozen=True, slots=True)
class _Register:
    number: int
    issued: tuple[Issued, ...]
    revoked: Mapping[str, Revocation]


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that is ready to sign. Make one with ``create_authority`` or ``open_authority``."""

    folder: Path
    key: SigningKey
    certificate: x509.Certificate

    def sign(
        self, raw_request: bytes, expected: str, days: int, now: datetime, *, succession: bytes | None = None
    ) -> Certificate:
        """Certify the key of a request whose claim reads as ``expected``: SITE/NODE, or the broker's hosts.

        Where the name holds a valid certificate for another key and the same use, that key must vouch for the new one
        (``succession``), or it must have been revoked. It then ends when its statement says. Raises KeyFileError.
        """
        public, claim = read_request(raw_request)
        if str(claim) != expected:
            raise KeyFileError(f"The request is for {claim}, not for {expected}: check whose it is")
        with self._changing() as register:
            _check_revoked(register, public)
            ended = _superseded(register, public, claim, now, succession)
            native = self._certify(public, claim, days, now)
            pem = native.public_bytes(Encoding.PEM)
            until = write_instant(native.not_valid_after_utc)
            uses = tuple(sorted(claim.uses))
            issued = Issued(f"{native.serial_number:x}", public.kid, expected, uses, until, pem.decode())
            after = replace(register, issued=(*register.issued, issued))
            self._write(after if ended is None else _with(after, ended))
        return read_certificates(pem, "the new certificate")[0]

    def revoke(self, kid: str, since: datetime, reason: Reason) -> Revocation:
        """End a key that this authority has certified; a key that has ended already can only end earlier."""
        with self._changing() as register:
            if all(one.kid != kid for one in register.issued):
                raise KeyFileError(f"The key {kid} was not certified here: 'stopline ca list' shows those that were")
            before = register.revoked.get(kid)
            if before is not None and since >= before.since:
                raise KeyFileError(
                    f"The key {kid} has ended at {write_instant(before.since)} already: give an earlier time"
                )
            if len(register.revoked) >= MAX_REVOCATIONS:
                raise KeyFileError(f"The list is full with {MAX_REVOCATIONS} keys: begin a new authority")
            revocation = Revocation(kid, since, reason)
            self._write(_with(register, revocation))
        return revocation

    def issued(self) -> tuple[Issued, ...]:
        """Every certificate ever signed, the oldest first."""
        return self._read().issued

    def revocations(self, now: datetime, days: int) -> RevocationList:
        """The list for receivers, to be renewed within so many days."""
        register = self._read()
        until = now + timedelta(days=days)
        return RevocationList(register.number, now.replace(microsecond=0), until, register.revoked)

    def signed_revocations(self, now: datetime, days: int) -> bytes:
        """The list as receivers take it: canonical JSON, signed."""
        return sign_list(self.revocations(now, days), self.key)

    def crl(self, now: datetime, days: int) -> bytes:
        """The same for brokers: an X.509 CRL in PEM."""
        register = self._read()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - _CLOCK_SLACK).next_update(now + timedelta(days=days))
        builder = builder.add_extension(_authority_key(self.key), critical=False)
        builder = builder.add_extension(x509.CRLNumber(register.number), critical=False)
        for issued in register.issued:
            revocation = register.revoked.get(issued.kid)
            if revocation is not None and revocation.since <= now:  # brokers take any entry as of now
                builder = builder.add_revoked_certificate(_revoked(issued, revocation))
        return builder.sign(as_issuer(self.key), hashes.SHA256()).public_bytes(Encoding.PEM)

    def _certify(self, public: PublicKey, claim: Claim, days: int, now: datetime) -> x509.Certificate:
        until = now + timedelta(days=days)
        if until > self.certificate.not_valid_after_utc:
            ends = write_instant(self.certificate.not_valid_after_utc)
            raise KeyFileError(
                f"The authority itself is valid until {ends} only: ask for fewer days, or begin a new one"
            )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject_of(claim))
            .issuer_name(self.certificate.subject)
            .public_key(public.native)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - _CLOCK_SLACK, self.certificate.not_valid_before_utc))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(extended_usage(claim), critical=False)
            .add_extension(alternative_names(claim), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public.native), critical=False)
            .add_extension(_authority_key(self.key), critical=False)
        )
        return builder.sign(as_issuer(self.key), hashes.SHA256())

    @contextmanager
    def _changing(self) -> Iterator[_Register]:
        """The register, held against another process of this authority."""
        with (self.folder / KEY_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self._read()

    def _read(self) -> _Register:
        path = self.folder / _REGISTER_FILE
        raw, _ = read_file(path, hint="give an authority's folder", limit=_MAX_REGISTER_BYTES)
        try:
            return _register(json.loads(raw))
        except (ValueError, KeyError, TypeError):
            raise KeyFileError(
                f"{path} is damaged: restore it from its backup before anything else is signed"
            ) from None

    def _write(self, register: _Register) -> None:
        write_whole(self.folder / _REGISTER_FILE, _register_bytes(register), mode=PRIVATE_MODE, replace=True)


def create_authority(folder: Path, name: str, days: int, now: datetime, *, in_tpm: bool = False) -> Authority:
    """Begin an authority in a new or empty folder. Raises KeyFileError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise KeyFileError(f"{folder} is not empty: give an authority a folder of its own")
    except OSError as error:
        raise KeyFileError(f"{folder} cannot be made ({error.strerror}): give a folder this user may write") from None
    key: SigningKey = (create_tpm_key if in_tpm else create_key)(folder / KEY_FILE)
    certificate = _self_signed(key, name, days, now)
    register = _Register(0, (), MappingProxyType({}))
    write_whole(folder / _REGISTER_FILE, _register_bytes(register), mode=PRIVATE_MODE)
    write_whole(folder / CERTIFICATE_FILE, certificate.public_bytes(Encoding.PEM), mode=PUBLIC_MODE)
    return Authority(folder, key, certificate)


def open_authority(folder: Path) -> Authority:
    """The authority in a folder. Raises KeyFileError."""
    if not (folder / KEY_FILE).exists():
        if (folder / _REGISTER_FILE).exists():
            raise KeyFileError(
                f"{folder} has lost its {KEY_FILE}: restore it from its backup, or begin a new authority"
            )
        raise KeyFileError(f"{folder} is no authority's folder: make one with 'stopline ca new FOLDER'")
    return Authority(folder, load_signing_key(folder / KEY_FILE), load_authority(folder / CERTIFICATE_FILE))


def load_authority(path: Path) -> x509.Certificate:
    """The certificate of an authority to trust, the only or first one in its file. Raises KeyFileError."""
    raw, _ = read_file(path, hint="give the authority's certificate, ca.pem")
    return load_chain(raw, path)[0]


def authority_key(certificate: x509.Certificate) -> PublicKey:
    """The key that the authority's revocation lists are checked with. Raises KeyFileError where it is no P-256 key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    native = certificate.public_key()
    if not isinstance(native, ec.EllipticCurvePublicKey) or not isinstance(native.curve, ec.SECP256R1):
        raise KeyFileError("The authority's key is no P-256 key: its revocation lists cannot be checked here")
    return PublicKey.of(native)


def _self_signed(key: SigningKey, name: str, days: int, now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64] or f"Stopline {secrets.token_hex(4)}")])
    native = key.public.native
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(native)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(native), critical=False)
    )
    return builder.sign(as_issuer(key), hashes.SHA256())


def _authority_key(key: SigningKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public.native)


def _usage(*, authority: bool) -> x509.KeyUsage:
    """An authority signs certificates, CRLs and its revocation list; a node signs."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _revoked(issued: Issued, revocation: Revocation) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(int(issued.serial, 16)).revocation_date(revocation.since)
    return builder.add_extension(x509.CRLReason(_CRL_REASONS[revocation.reason]), critical=False).build()


def _check_revoked(register: _Register, public: PublicKey) -> None:
    if public.kid in register.revoked:
        raise KeyFileError(f"The key {public.kid} has been revoked: the node must make a new one")


def _superseded(
    register: _Register, public: PublicKey, claim: Claim, now: datetime, succession: bytes | None
) -> Revocation | None:
    """The end of the key that holds this name so far, as its own statement sets it; None where no other key does.

    Nobody gets a certificate in a name that another key holds, unless that key says so. Raises KeyFileError.
    """
    others = [
        one
        for one in register.issued
        if one.name == str(claim)
        and one.kid != public.kid
        and set(one.uses) & claim.uses
        and Use.BROKER not in claim.uses
        and one.kid not in register.revoked
        and read_instant(one.not_after) > now
    ]
    if not others:
        return None
    if succession is None:
        raise KeyFileError(
            f"{claim} holds a certificate for the key {others[-1].kid}: give that key's statement with --succession, "
            "or revoke it first"
        )
    trusted = {key.kid: key for one in others for key in [read_certificates(one.pem.encode(), one.name)[0].public]}
    stated = read_succession(succession, trusted)
    if stated.new.kid != public.kid or claim.holder is None or stated.source != claim.holder.uri:
        raise KeyFileError(f"The statement is for {stated.source} and the key {stated.new.kid}, not for this request")
    if stated.old_until <= now:
        raise KeyFileError(f"The old key {stated.old} has ended by its own statement: make a new one, or revoke it")
    return Revocation(stated.old, stated.old_until, Reason.SUPERSEDED)


def _with(register: _Register, revocation: Revocation) -> _Register:
    """The register with one more key ended, or one ended earlier."""
    revoked = MappingProxyType({**register.revoked, revocation.kid: revocation})
    return replace(register, number=register.number + 1, revoked=revoked)


def _register_bytes(register: _Register) -> bytes:
    rows = [
        {"kid": one.kid, "from": write_instant(one.since), "reason": one.reason.value}
        for one in register.revoked.values()
    ]
    document = {"number": register.number, "issued": [asdict(one) for one in register.issued], "revoked": rows}
    return json.dumps(document, indent=1).encode() + b"\n"


def _register(document: Mapping[str, Any]) -> _Register:
    issued = tuple(Issued(**{**row, "uses": tuple(row["uses"])}) for row in document["issued"])
    revoked = {
        row["kid"]: Revocation(row["kid"], read_instant(row["from"]), Reason(row["reason"]))
        for row in document["revoked"]
    }
    return _Register(int(document["number"]), issued, MappingProxyType(revoked))
