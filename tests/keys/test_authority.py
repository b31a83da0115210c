"""The small authority and a node's enrolment: what is signed for whom, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge import event
from edge.errors import KeyFileError
from edge.keys import enrolment, load_signing_key, trust
from edge.keys.authority import authority_key, create_authority, load_authority, open_authority
from edge.keys.certificates import Use, as_issuer, broker_claim, check_chain, make_request, node_claim, read_request
from edge.keys.revocation import Reason, read_list
from edge.keys.trusted import Trust, certified, read_trusted
from tests.cases import unsigned
from tests.keys.fleet import NODE, Fleet, found

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return found(tmp_path / "fleet")


def requested(fleet: Fleet, file: str, name: str = NODE, uses: tuple[Use, ...] = (Use.EVENTS, Use.TLS)) -> bytes:
    return make_request(enrolment.new_key(fleet.folder / file), node_claim(name, uses))


def test_the_authority_is_private_and_constrained(fleet: Fleet) -> None:
    ca = fleet.folder / "ca"
    assert (ca / "ca.key").stat().st_mode & 0o777 == 0o600
    certificate = open_authority(ca).certificate
    limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical
    assert (limits.value.ca, limits.value.path_length) == (True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    with pytest.raises(KeyFileError, match="is not empty"):
        create_authority(ca, "again", 10, NOW)


def test_a_nodes_certificate_says_whose_key_it_is_and_what_for(fleet: Fleet) -> None:
    node = fleet.node()
    [certificate] = enrolment.enrolled(node)
    native = certificate.native
    names = native.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"stopline://{NODE}"]
    assert native.subject.rfc4514_string() == "CN=edge-1,OU=main-and-3rd"
    usages = set(native.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages
    assert ExtendedKeyUsageOID.SERVER_AUTH not in usages
    assert not native.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert native.not_valid_after_utc - native.not_valid_before_utc <= 2 * DAY
    key = certified(certificate)
    raw = event.sign(unsigned(), load_signing_key(node))
    assert event.verify(raw, trust(key.public)).document["source"] == key.source


def test_openssl_agrees_strictly(fleet: Fleet) -> None:
    node = fleet.node()
    (fleet.folder / "node.crt").write_bytes(enrolment.certificates_only(node))
    words = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", str(fleet.ca)]
    done = subprocess.run([*words, str(fleet.folder / "node.crt")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_operator_says_whose_request_it_is(fleet: Fleet) -> None:
    with pytest.raises(KeyFileError, match="is for main-and-3rd/edge-1, not for main-and-3rd/edge-2"):
        fleet.authority.sign(requested(fleet, "a.key"), "main-and-3rd/edge-2", 1, NOW)


def test_a_request_is_signed_by_its_own_key(fleet: Fleet) -> None:
    request = x509.load_pem_x509_csr(requested(fleet, "a.key"))
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    changed = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(KeyFileError, match="not signed by its own key"):
        read_request(changed)
    with pytest.raises(KeyFileError, match="no certificate request"):
        read_request(b"nonsense")


def test_a_name_that_is_held_goes_to_another_key_only_with_its_word(fleet: Fleet) -> None:
    node = fleet.node()
    old = load_signing_key(node)
    with pytest.raises(KeyFileError, match="--succession, or revoke it first"):
        fleet.authority.sign(requested(fleet, "intruder.key"), NODE, 1, NOW)
    rotation = enrolment.rotate(node, f"stopline://{NODE}", NOW, 30 * DAY)
    statement = rotation.statement.read_bytes()
    with pytest.raises(KeyFileError, match="not for this request"):
        fleet.authority.sign(requested(fleet, "other.key"), NODE, 1, NOW, succession=statement)
    request = make_request(rotation.key, node_claim(NODE))
    signed = fleet.authority.sign(request, NODE, 1, NOW, succession=statement)
    enrolment.enroll(node, signed.pem, fleet.authority.certificate, NOW)
    assert load_signing_key(node).kid == rotation.key.kid != old.kid
    revocation = fleet.authority.revocations(NOW, 1).revoked[old.kid]
    assert (revocation.since, revocation.reason) == (NOW + 30 * DAY, Reason.SUPERSEDED)
    assert b"X509 CRL" in fleet.authority.crl(NOW, 1)
    assert len(x509.load_pem_x509_crl(fleet.authority.crl(NOW, 1))) == 0
    assert len(x509.load_pem_x509_crl(fleet.authority.crl(NOW + 31 * DAY, 1))) == 1


def test_one_name_may_have_a_key_for_events_and_another_for_tls(fleet: Fleet) -> None:
    """Where the first lies in a TPM."""
    for file, use in (("node.key", Use.EVENTS), ("tls.key", Use.TLS)):
        signed = fleet.authority.sign(requested(fleet, file, uses=(use,)), NODE, 1, NOW)
        enrolment.enroll(fleet.folder / file, signed.pem, fleet.authority.certificate, NOW)
    [tls] = enrolment.enrolled(fleet.folder / "tls.key")
    with pytest.raises(KeyFileError, match="does not allow its key to sign events: it is for tls"):
        certified(tls)


def test_a_revoked_key_is_listed_never_certified_again_and_ends_only_earlier(fleet: Fleet) -> None:
    node = fleet.node()
    key = load_signing_key(node)
    fleet.authority.revoke(key.kid, NOW, Reason.STOLEN)
    listed = read_list(fleet.authority.signed_revocations(NOW, 30), authority_key(fleet.authority.certificate))
    assert (listed.number, listed.revoked[key.kid].since) == (1, NOW)
    with pytest.raises(KeyFileError, match="has been revoked"):
        fleet.authority.sign(make_request(key, node_claim(NODE)), NODE, 1, NOW)
    with pytest.raises(KeyFileError, match=r"has ended at .* already"):
        fleet.authority.revoke(key.kid, NOW + DAY, Reason.RETIRED)
    assert fleet.authority.revoke(key.kid, NOW - DAY, Reason.STOLEN).since == NOW - DAY
    assert fleet.authority.revocations(NOW, 30).number == 2
    with pytest.raises(KeyFileError, match="was not certified here"):
        fleet.authority.revoke("unknown", NOW, Reason.STOLEN)


def test_after_a_theft_the_name_is_free_for_a_new_node(fleet: Fleet) -> None:
    stolen = load_signing_key(fleet.node())
    fleet.authority.revoke(stolen.kid, NOW, Reason.STOLEN)
    assert fleet.authority.sign(requested(fleet, "new.key"), NODE, 1, NOW).public.kid != stolen.kid


def test_the_authority_signs_nothing_that_outlives_it(tmp_path: Path) -> None:
    young = create_authority(tmp_path / "young", "Young", 10, NOW)
    request = make_request(enrolment.new_key(tmp_path / "a.key"), node_claim(NODE))
    with pytest.raises(KeyFileError, match="The authority itself is valid until"):
        young.sign(request, NODE, 11, NOW)


def test_a_damaged_register_signs_nothing(fleet: Fleet) -> None:
    (fleet.folder / "ca" / "register.json").write_text("{}")
    with pytest.raises(KeyFileError, match=r"register\.json is damaged"):
        fleet.authority.sign(requested(fleet, "a.key"), NODE, 1, NOW)


def enrolling(fleet: Fleet, signed: bytes, at: datetime = NOW) -> None:
    enrolment.enroll(fleet.folder / "a.key", signed, fleet.authority.certificate, at)


def test_what_does_not_fit_is_not_enrolled_and_leaves_everything_as_it_was(fleet: Fleet, tmp_path: Path) -> None:
    good = fleet.authority.sign(requested(fleet, "a.key"), NODE, 1, NOW)
    other = fleet.authority.sign(requested(fleet, "b.key", "main-and-3rd/edge-2"), "main-and-3rd/edge-2", 1, NOW)
    foreign = found(tmp_path / "foreign", "Foreign")
    request = make_request(load_signing_key(fleet.folder / "a.key"), node_claim(NODE))
    theirs = foreign.authority.sign(request, NODE, 1, NOW)
    before = {file.name: file.read_bytes() for file in fleet.folder.iterdir() if file.is_file()}
    wrong = {
        "which is not the one in": (other.pem, NOW),
        "was not signed by CN=Fleet": (theirs.pem, NOW),
        "expired at": (good.pem, NOW + 5 * DAY),
        "only: check this machine's clock": (good.pem, NOW - 5 * DAY),
        "holds no certificate": (b"nonsense", NOW),
        "damaged certificate": (good.pem.replace(b"MII", b"XXX", 1), NOW),
        "holds an authority's certificate": (fleet.ca.read_bytes(), NOW),
    }
    for words, (signed, at) in wrong.items():
        with pytest.raises(KeyFileError, match=words):
            enrolling(fleet, signed, at)
        assert {file.name: file.read_bytes() for file in fleet.folder.iterdir() if file.is_file()} == before
    enrolling(fleet, good.pem)
    assert (fleet.folder / "a.key").stat().st_mode & 0o777 == 0o600
    assert len(enrolment.enrolled(fleet.folder / "a.key")) == 1


def test_enrolling_again_is_the_same(fleet: Fleet) -> None:
    signed = fleet.authority.sign(requested(fleet, "a.key"), NODE, 1, NOW)
    enrolling(fleet, signed.pem)
    once = (fleet.folder / "a.key").read_bytes()
    enrolling(fleet, signed.pem)
    assert (fleet.folder / "a.key").read_bytes() == once


def test_a_power_cut_during_the_change_of_keys_leaves_one_whole_key_or_the_other(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at each of its writes, it can be run again, and the key file always fits its certificate."""
    node = fleet.node()
    old = load_signing_key(node).kid
    rotation = enrolment.rotate(node, f"stopline://{NODE}", NOW, DAY)
    request = make_request(rotation.key, node_claim(NODE))
    signed = fleet.authority.sign(request, NODE, 1, NOW, succession=rotation.statement.read_bytes())
    start = fleet.folder.parent / "start"
    shutil.copytree(fleet.folder, start)

    class PowerCut(Exception):  # noqa: N818
        pass

    write = enrolment.write_whole
    for cut in range(4):
        shutil.rmtree(fleet.folder)
        shutil.copytree(start, fleet.folder)
        writes = iter(range(10))

        def cutting(*given: object, writes: object = writes, cut: int = cut, **named: object) -> None:
            if next(writes) == cut:  # type: ignore[call-overload]
                raise PowerCut
            write(*given, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(enrolment, "write_whole", cutting)
        try:
            enrolment.enroll(node, signed.pem, fleet.authority.certificate, NOW)
            assert cut == 3
        except PowerCut:
            assert cut < 3
        [certificate] = enrolment.enrolled(node)
        kid = load_signing_key(node).kid
        assert certificate.public.kid == kid
        assert kid in (old, rotation.key.kid)
        monkeypatch.setattr(enrolment, "write_whole", write)
        enrolment.enroll(node, signed.pem, fleet.authority.certificate, NOW)
        assert load_signing_key(node).kid == rotation.key.kid
        assert not enrolment.waiting(node).exists()


def test_a_second_rotation_waits_for_the_first(fleet: Fleet) -> None:
    node = fleet.node()
    enrolment.rotate(node, f"stopline://{NODE}", NOW, DAY)
    with pytest.raises(KeyFileError, match="waits for its certificate already"):
        enrolment.rotate(node, f"stopline://{NODE}", NOW, DAY)
    other = fleet.node("main-and-3rd/edge-2", file="b.key")
    with pytest.raises(KeyFileError, match="is certified for main-and-3rd/edge-2, not for"):
        enrolment.rotate(other, f"stopline://{NODE}", NOW, DAY)


def test_any_other_authority_will_do_with_one_between(tmp_path: Path) -> None:
    """A root and an intermediate made by openssl, as an operator's own PKI has them."""

    def openssl(*words: object) -> None:
        subprocess.run(["openssl", *map(str, words)], cwd=tmp_path, check=True, capture_output=True)

    authority = "basicConstraints=critical,CA:TRUE"
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 10)
    openssl(*new, "-subj", "/CN=Root", "-addext", authority, "-keyout", "root.key", "-out", "root.pem")
    signed_by_root = ("-CA", "root.pem", "-CAkey", "root.key")
    openssl(*new, "-subj", "/CN=Between", "-addext", authority, "-keyout", "b.key", "-out", "b.pem", *signed_by_root)
    key = enrolment.new_key(tmp_path / "node.key")
    (tmp_path / "node.csr").write_bytes(make_request(key, node_claim(NODE)))
    by = ("-CA", "b.pem", "-CAkey", "b.key", "-copy_extensions", "copyall", "-days", 5)
    openssl("x509", "-req", "-in", "node.csr", *by, "-out", "node.crt")
    chain = (tmp_path / "node.crt").read_bytes() + (tmp_path / "b.pem").read_bytes()
    root = load_authority(tmp_path / "root.pem")
    at = datetime.now(UTC)
    assert check_chain(chain, "the chain", root, at).claim == node_claim(NODE)
    assert set(read_trusted(chain, "the chain", root)) == {key.kid}
    enrolment.enroll(tmp_path / "node.key", chain, root, at)
    assert len(enrolment.enrolled(tmp_path / "node.key")) == 1
    with pytest.raises(KeyFileError, match="was not signed by CN=Root"):
        check_chain((tmp_path / "node.crt").read_bytes(), "the chain", root, at)


def test_a_receiver_trusts_the_nodes_that_the_authority_names_and_what_ended_only_for_what_was_known_before(
    fleet: Fleet,
) -> None:
    """A real event of a stolen node, checked as a receiver checks it."""
    fleet.broker()
    node = fleet.node(ago=DAY, days=3)
    tls = fleet.authority.sign(
        requested(fleet, "tls.key", "main-and-3rd/edge-9", (Use.TLS,)), "main-and-3rd/edge-9", 1, NOW
    )
    key = load_signing_key(node)
    fleet.authority.revoke(key.kid, NOW, Reason.STOLEN)
    pem = "".join(one.pem for one in fleet.authority.issued()).encode()
    listed = read_list(fleet.authority.signed_revocations(NOW, 30), authority_key(fleet.authority.certificate))
    trust_now = Trust(read_trusted(pem, "nodes.pem", fleet.authority.certificate), listed.revoked)
    assert set(trust_now.keys) == {key.kid}
    assert tls.public.kid not in trust_now.keys
    seen = event.verify(event.sign(unsigned(), key), trust_now.public_keys)
    source, claimed = seen.document["source"], NOW - timedelta(hours=2)
    for known, stands in ((NOW - timedelta(hours=1), True), (NOW, False), (NOW + timedelta(hours=1), False)):
        words = trust_now.refusal(seen.kid, source, claimed=claimed, known_since=known)
        assert (words is None) == stands, words
    other = "stopline://main-and-3rd/edge-2"
    assert trust_now.refusal(seen.kid, other, claimed=claimed, known_since=claimed) is not None


def test_certificates_of_a_foreign_authority_make_nothing_trusted(fleet: Fleet, tmp_path: Path) -> None:
    foreign = found(tmp_path / "foreign", "Foreign")
    theirs = enrolment.certificates_only(foreign.node())
    ours = enrolment.certificates_only(fleet.node())
    root = fleet.authority.certificate
    assert len(read_trusted(ours, "nodes.pem", root)) == 1
    for smuggled in (theirs, ours + theirs, theirs + foreign.ca.read_bytes()):
        with pytest.raises(KeyFileError, match="was not signed by CN=Fleet"):
            read_trusted(smuggled, "nodes.pem", root)


def test_a_key_certified_again_counts_from_its_first_beginning_to_its_last_end(fleet: Fleet) -> None:
    node = fleet.node(ago=10 * DAY, days=5)
    request = make_request(load_signing_key(node), node_claim(NODE))
    again = fleet.authority.sign(request, NODE, 30, NOW)
    pem = enrolment.certificates_only(node) + again.pem
    [key] = read_trusted(pem, "nodes.pem", fleet.authority.certificate).values()
    assert key.not_before < NOW - 9 * DAY
    assert key.not_after == again.not_after


@pytest.mark.parametrize("name", ["", "edge-1", "a/b/c", "../edge-1", "site/no de", "site/" + "n" * 65, "si+te/n"])
def test_a_name_that_would_not_fit_a_topic_is_refused(name: str) -> None:
    with pytest.raises(KeyFileError, match="names no node"):
        node_claim(name)


def test_a_certificate_that_names_no_node_is_told(fleet: Fleet) -> None:
    """As another authority may have signed it, its own way."""
    from cryptography.hazmat.primitives import hashes

    key = enrolment.new_key(fleet.folder / "a.key")
    plain = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge-1")])
    builder = x509.CertificateBuilder().subject_name(plain).issuer_name(fleet.authority.certificate.subject)
    builder = builder.public_key(key.public.native).serial_number(7).not_valid_before(NOW).not_valid_after(NOW + DAY)
    signed = builder.sign(as_issuer(fleet.authority.key), hashes.SHA256()).public_bytes(Encoding.PEM)
    with pytest.raises(KeyFileError, match="CN=edge-1 names neither a node"):
        enrolling(fleet, signed)


def test_a_key_made_by_openssl_is_enrolled_as_well(fleet: Fleet) -> None:
    path = fleet.folder / "a.key"
    words = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    path.chmod(0o600)
    assert path.read_bytes().startswith(b"-----BEGIN EC PARAMETERS-----")
    key = load_signing_key(path)
    signed = fleet.authority.sign(make_request(key, node_claim(NODE)), NODE, 1, NOW)
    enrolling(fleet, signed.pem)
    assert load_signing_key(path).kid == key.kid
    assert len(enrolment.enrolled(path)) == 1


def test_a_brokers_hosts_are_names_or_addresses() -> None:
    assert broker_claim(["broker.example.org", "192.0.2.1", "2001:db8::1"]).uses == {Use.BROKER}
    with pytest.raises(KeyFileError, match="is no host"):
        broker_claim(["two words"])
