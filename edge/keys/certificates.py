"""X.509 certificates of nodes and brokers: the request, what a certificate says, whether a chain of them holds.

A certificate names its holder in a URI, ``stopline://SITE/NODE``, the same as the ``source`` of the node's events, and
as its common name the node alone, which a broker takes for the user name. What the key may do stands in the extended
key usage: sign events (document signing, RFC 9336), show itself to a broker as a client, or be a broker.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.errors import KeyFileError
from edge.keys.instants import write_instant
from edge.keys.public import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from edge.keys.signing import SigningKey

CERTIFICATE_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)

_LONGEST_CHAIN = 4
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_HOLDER = re.compile(rf"(?:stopline://)?({_NAME})/({_NAME})")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PEM = serialization.Encoding.PEM


class Use(StrEnum):
    """What a certified key may be used for."""

    EVENTS = "events"
    TLS = "tls"
    BROKER = "broker"


_USAGES: Final = {
    Use.EVENTS: x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # id-kp-documentSigning, RFC 9336
    Use.TLS: ExtendedKeyUsageOID.CLIENT_AUTH,
    Use.BROKER: ExtendedKeyUsageOID.SERVER_AUTH,
}


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is: a node at its site."""

    site: str
    node: str

    @property
    def uri(self) -> str:
        """``stopline://SITE/NODE``, the source of the node's events."""
        return f"stopline://{self.site}/{self.node}"

    def __str__(self) -> str:
        return f"{self.site}/{self.node}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request asks and a certificate grants: whose key it is (a node's, a broker's at hosts), and its uses."""

    holder: Holder | None
    hosts: tuple[str, ...]
    uses: frozenset[Use]

    def __str__(self) -> str:
        return str(self.holder) if self.holder else ", ".join(self.hosts)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as far as this program cares. ``native`` is it as the cryptography library has it."""

    public: PublicKey
    claim: Claim
    not_before: datetime
    not_after: datetime
    native: x509.Certificate = field(repr=False)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.native.public_bytes(_PEM)


def node_claim(name: str, uses: Iterable[Use] = (Use.EVENTS, Use.TLS)) -> Claim:
    """The claim of a node written ``SITE/NODE``. Raises KeyFileError."""
    match = _HOLDER.fullmatch(name)
    if match is None:
        raise KeyFileError(f'"{name}" names no node: write SITE/NODE, each of letters, digits, ".", "_" and "-"')
    return Claim(Holder(match[1], match[2]), (), frozenset(uses))


def broker_claim(hosts: Sequence[str]) -> Claim:
    """The claim of a broker that is reached under these host names or addresses. Raises KeyFileError."""
    for host in hosts:
        if _address(host) is None and not _HOST.fullmatch(host):
            raise KeyFileError(f'"{host}" is no host: give a name such as broker.example.org, or an address')
    return Claim(None, tuple(hosts), frozenset({Use.BROKER}))


def make_request(key: SigningKey, claim: Claim) -> bytes:
    """A certificate request (PKCS #10, PEM) signed by the key that it is for."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject_of(claim))
    builder = builder.add_extension(alternative_names(claim), critical=False)
    builder = builder.add_extension(extended_usage(claim), critical=False)
    return builder.sign(as_issuer(key), hashes.SHA256()).public_bytes(_PEM)


def read_request(raw: bytes) -> tuple[PublicKey, Claim]:
    """The key and the claim of a request whose signature proves that the asker holds the key. Raises KeyFileError."""
    try:
        request = x509.load_pem_x509_csr(raw)
        signed, public = request.is_signature_valid, request.public_key()
        claim = _claim(request.extensions)
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        raise KeyFileError(
            "This is no certificate request of a node or broker: make one with 'stopline keys request'"
        ) from None
    if not signed:
        raise KeyFileError("The certificate request is not signed by its own key: ask the node for a new one")
    return PublicKey.of(_p256(public)), claim


def read_certificates(raw: bytes, name: object) -> tuple[Certificate, ...]:
    """The nodes' and brokers' certificates in a PEM file, in its order; authorities are left out. KeyFileError."""
    return tuple(_certificate(one) for one in load_chain(raw, name) if not is_authority(one))


def load_chain(raw: bytes, name: object) -> list[x509.Certificate]:
    """Every certificate in a PEM file, at least one. Raises KeyFileError that begins with ``name``."""
    try:
        chain = [x509.load_pem_x509_certificate(block) for block in CERTIFICATE_BLOCK.findall(raw)]
    except ValueError:
        raise KeyFileError(f"{name} holds a damaged certificate: fetch it again") from None
    if not chain:
        raise KeyFileError(f"{name} holds no certificate: give the one that the authority signed, in PEM")
    return chain


def check_chain(raw: bytes, name: object, authority: x509.Certificate, at: datetime) -> Certificate:
    """The certificate of a node or broker that leads, over those that follow it in the file, to the trusted authority.

    Everything on the way must be valid ``at`` that instant. Raises KeyFileError.
    """
    first, *between = load_chain(raw, name)
    between = [one for one in between if one != authority]
    for subject, issuer in zip([first, *between], [*between, authority], strict=True):
        _check_issued(subject, issuer, name)
    for one in (first, *between, authority):
        _check_time(one, name, at)
    if is_authority(first):
        raise KeyFileError(f"{name} holds an authority's certificate: give the node's own first")
    return _certificate(first)


def issued_under(raw: bytes, name: object, authority: x509.Certificate) -> tuple[Certificate, ...]:
    """The nodes' and brokers' certificates in a PEM file; all lead to the authority, over others in the same file.

    Whether they are valid now is not asked. Raises KeyFileError, also where one does not lead there.
    """
    chain = load_chain(raw, name)
    between = [one for one in chain if is_authority(one)]
    ends = [one for one in chain if not is_authority(one)]
    for end in ends:
        _check_led(end, [authority, *between], authority, name)
    return tuple(_certificate(end) for end in ends)


def _check_led(
    end: x509.Certificate, issuers: Sequence[x509.Certificate], authority: x509.Certificate, name: object
) -> None:
    at = end
    for _ in range(_LONGEST_CHAIN):
        issuer = next((one for one in issuers if _issued(at, one)), None)
        if issuer == authority:
            return
        if issuer is None:
            break
        at = issuer
    _check_issued(end, authority, name)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign other certificates."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def subject_of(claim: Claim) -> x509.Name:
    """The subject: the node's name as common name and the site as its unit, or the broker's first host."""
    if claim.holder is None:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, claim.hosts[0][:64])])
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, claim.holder.site)
    return x509.Name([unit, x509.NameAttribute(NameOID.COMMON_NAME, claim.holder.node)])


def alternative_names(claim: Claim) -> x509.SubjectAlternativeName:
    """The URI of the node, or the hosts of the broker."""
    if claim.holder is not None:
        return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(claim.holder.uri)])
    return x509.SubjectAlternativeName(
        [x509.DNSName(host) if (address := _address(host)) is None else x509.IPAddress(address) for host in claim.hosts]
    )


def extended_usage(claim: Claim) -> x509.ExtendedKeyUsage:
    """The uses, as X.509 names them."""
    return x509.ExtendedKeyUsage([_USAGES[use] for use in sorted(claim.uses)])


def as_issuer(key: SigningKey) -> ec.EllipticCurvePrivateKey:
    """The key as the cryptography library's builders take it, wherever its private part lies."""
    return _Issuer(key)


class _Issuer(ec.EllipticCurvePrivateKey):
    """Signs and tells its public part; everything else that a private key in memory could do, it cannot."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def curve(self) -> ec.EllipticCurve:
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        return 256

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public.native

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        assert isinstance(signature_algorithm.algorithm, hashes.SHA256)
        raw = self._key.sign(bytes(data))
        return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise NotImplementedError

    def private_bytes(self, *_: object) -> bytes:
        raise NotImplementedError

    def __copy__(self) -> _Issuer:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> _Issuer:
        return self


def _certificate(native: x509.Certificate) -> Certificate:
    try:
        public, claim = PublicKey.of(_p256(native.public_key())), _claim(native.extensions)
    except (ValueError, x509.ExtensionNotFound):
        raise KeyFileError(
            f"The certificate of {native.subject.rfc4514_string()} names neither a node (stopline://SITE/NODE) nor a "
            "broker with its use: have it signed from a request of 'stopline keys request'"
        ) from None
    return Certificate(public, claim, native.not_valid_before_utc, native.not_valid_after_utc, native)


def _claim(extensions: x509.Extensions) -> Claim:
    """What the extensions say. Raises ValueError or ExtensionNotFound where they say nothing of use here."""
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usages = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    uses = frozenset(use for use, usage in _USAGES.items() if usage in usages)
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    nodes = [match for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if (match := _node_uri(uri))]
    if nodes and not hosts and len(nodes) == 1 and uses and Use.BROKER not in uses:
        return Claim(Holder(nodes[0][1], nodes[0][2]), (), uses)
    if hosts and not nodes and uses == {Use.BROKER}:
        return Claim(None, tuple(hosts), uses)
    raise ValueError("neither a node's nor a broker's")


def _node_uri(uri: str) -> re.Match[str] | None:
    return _HOLDER.fullmatch(uri) if uri.startswith("stopline://") else None


def _p256(public: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise KeyFileError("The key to be certified is no P-256 key: make one with 'stopline keys new'")
    return public


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_issued(subject: x509.Certificate, issuer: x509.Certificate, name: object) -> None:
    if not _issued(subject, issuer):
        raise KeyFileError(
            f"{name} was not signed by {issuer.subject.rfc4514_string()}: give the certificate of the authority that "
            "signed it, or have it signed by yours"
        )


def _issued(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return is_authority(issuer)


def _check_time(certificate: x509.Certificate, name: object, at: datetime) -> None:
    who = certificate.subject.rfc4514_string()
    if at > certificate.not_valid_after_utc:
        ended = write_instant(certificate.not_valid_after_utc)
        raise KeyFileError(f"{name}: the certificate of {who} expired at {ended}: have a new one signed")
    if at < certificate.not_valid_before_utc:
        begins = write_instant(certificate.not_valid_before_utc)
        raise KeyFileError(
            f"{name}: the certificate of {who} is valid from {begins} on only: check this machine's clock"
        )
