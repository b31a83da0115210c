"""Mutual TLS with keys and certificates of ``stopline keys`` and ``stopline ca``, against a real Mosquitto, both ways.

Every refusal has its sentence on the node's side and its line in the broker's log.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from edge.config import Broker
from edge.errors import BrokerError
from edge.keys.revocation import Reason
from edge.keys.signing import load_signing_key
from edge.mqtt import Connection, Publication, Topics
from edge.tls import TidySocket
from tests.broker import MOSQUITTO, Mosquitto, wait_until
from tests.command import ROOT
from tests.keys.fleet import HOST, Fleet, found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.keys.conftest import Call

pytestmark = [pytest.mark.broker, pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")]

LONG_AGO = timedelta(days=10)
VERIFY_FAILED = "certificate verify failed"  # all that Mosquitto says of a client's certificate that does not hold


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The broker's own."""
    made: Path = tmp_path_factory.mktemp("tls")
    return made


@pytest.fixture
def ours(folder: Path) -> Fleet:
    return found(folder / "ours", "Ours")


@pytest.fixture
def foreign(folder: Path) -> Fleet:
    return found(folder / "foreign", "Foreign")


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ssl.TLSVersion:
    """Every case in both versions: they tell a refusal at different moments."""
    make = ssl.create_default_context

    def limited(**files: object) -> ssl.SSLContext:
        context = make(**files)  # type: ignore[arg-type]
        context.maximum_version = request.param
        return context

    monkeypatch.setattr(ssl, "create_default_context", limited)
    chosen: ssl.TLSVersion = request.param
    return chosen


def broker(folder: Path, trusted: Fleet, pair: tuple[Path, Path], *more: str) -> Mosquitto:
    cert, key = pair
    listener = (f"cafile {trusted.ca}", f"certfile {cert}", f"keyfile {key}", "require_certificate true")
    rights = folder / "mosquitto.acl"
    rights.write_bytes((ROOT / "firmware-config" / "mosquitto.acl").read_bytes())
    rights.chmod(0o644)
    options = (f"acl_file {rights}",)
    return Mosquitto(folder / "broker", options, (*listener, "use_identity_as_username true", *more))


def connection(running: Mosquitto, ca: Path, node: Path | None) -> Connection:
    return Connection(Broker(url=f"mqtts://{HOST}:{running.port}", ca=ca, cert=node, key=node), "node")


def refused(running: Mosquitto, ca: Path, node: Path | None) -> str:
    """The node's sentence where it is not let in."""
    trying = connection(running, ca, node)
    with pytest.raises(BrokerError) as error:
        trying.open()
    trying.close()
    return str(error.value)


def told(running: Mosquitto) -> Callable[[str], None]:
    """Waits for words in what the broker logs from now on."""
    before = len(running.log())
    return lambda words: wait_until(lambda: words in running.log()[before:], what=f"{words!r} in the broker's log")


def test_the_certificate_behind_the_signing_key_lets_the_node_in_under_its_own_name(
    folder: Path, ours: Fleet, version: ssl.TLSVersion
) -> None:
    node = ours.node()
    assert load_signing_key(node).kid
    with broker(folder, ours, ours.broker()) as running:
        says = told(running)
        connected = connection(running, ours.ca, node)
        connected.open()
        says("u'edge-1'")
        for name, allowed in (("edge-1", True), ("edge-2", False)):
            topic = Topics("stopline", "main-and-3rd", name).health
            connected.publish(Publication(topic, b"{}", "application/json"))
            acks = connected.take_acks()
            while not acks:
                connected.pump(0.1)
                acks = connected.take_acks()
            assert (acks[0].refusal is None) == allowed
        connected.close()


def test_no_client_certificate_is_refused(folder: Path, ours: Fleet, version: ssl.TLSVersion) -> None:
    with broker(folder, ours, ours.broker()) as running:
        says = told(running)
        assert "asks for a client certificate and got none" in refused(running, ours.ca, None)
        says("peer did not return a certificate")


def test_a_client_of_a_foreign_authority_is_refused(
    folder: Path, ours: Fleet, foreign: Fleet, version: ssl.TLSVersion
) -> None:
    with broker(folder, ours, ours.broker()) as running:
        says = told(running)
        assert "does not trust the authority that signed the client certificate" in refused(
            running, ours.ca, foreign.node()
        )
        says(VERIFY_FAILED)


def test_an_expired_client_is_refused(folder: Path, ours: Fleet, version: ssl.TLSVersion) -> None:
    node = ours.node(ago=LONG_AGO, days=9)
    with broker(folder, ours, ours.broker()) as running:
        says = told(running)
        assert "refuses the client certificate, which has expired" in refused(running, ours.ca, node)
        says(VERIFY_FAILED)


def test_a_revoked_client_is_refused_and_another_is_not(folder: Path, ours: Fleet, version: ssl.TLSVersion) -> None:
    stolen, good = ours.node(), ours.node("main-and-3rd/edge-2", file="other.key")
    now = datetime.now(UTC)
    ours.authority.revoke(load_signing_key(stolen).kid, now - timedelta(hours=1), Reason.STOLEN)
    crl = folder / "crl.pem"
    crl.write_bytes(ours.authority.crl(now, 30))
    with broker(folder, ours, ours.broker(), f"crlfile {crl}") as running:
        says = told(running)
        assert "refuses the client certificate, which has been revoked" in refused(running, ours.ca, stolen)
        says(VERIFY_FAILED)
        let_in = connection(running, ours.ca, good)
        let_in.open()
        let_in.close()


def test_a_broker_whose_revocation_list_has_run_out_lets_nobody_in(
    folder: Path, ours: Fleet, version: ssl.TLSVersion
) -> None:
    crl = folder / "crl.pem"
    crl.write_bytes(ours.authority.crl(datetime.now(UTC) - LONG_AGO, 9))
    with broker(folder, ours, ours.broker(), f"crlfile {crl}") as running:
        says = told(running)
        assert "the broker's revocation list has: renew that" in refused(running, ours.ca, ours.node())
        says(VERIFY_FAILED)


def test_a_brokers_certificate_does_not_serve_a_client(folder: Path, ours: Fleet, version: ssl.TLSVersion) -> None:
    pair = ours.broker()
    with broker(folder, ours, pair) as running:
        says = told(running)
        assert "refuses the client certificate, which is not for clients" in refused(running, ours.ca, pair[1])
        says(VERIFY_FAILED)


def test_a_broker_of_a_foreign_authority_is_refused(
    folder: Path, ours: Fleet, foreign: Fleet, version: ssl.TLSVersion
) -> None:
    with broker(folder, ours, foreign.broker()) as running:
        says = told(running)
        assert "certificate that is not trusted (unable to get local issuer certificate)" in refused(
            running, ours.ca, ours.node()
        )
        says("alert unknown ca")


def test_an_expired_broker_is_refused(folder: Path, ours: Fleet, version: ssl.TLSVersion) -> None:
    with broker(folder, ours, ours.broker(ago=LONG_AGO, days=9)) as running:
        says = told(running)
        words = refused(running, ours.ca, ours.node())
        assert "not trusted (certificate has expired): have it renewed where the broker is" in words
        says("alert certificate expired")


def test_a_broker_under_another_name_is_refused(folder: Path, ours: Fleet, version: ssl.TLSVersion) -> None:
    with broker(folder, ours, ours.broker("broker.example.org")) as running:
        says = told(running)
        assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in refused(running, ours.ca, ours.node())
        says("alert bad certificate")


def test_a_stolen_node_cannot_play_the_broker(folder: Path, ours: Fleet, version: ssl.TLSVersion) -> None:
    node, stolen = ours.node(), ours.node("main-and-3rd/edge-2", file="stolen.key")
    stolen.chmod(0o644)  # the thief's broker reads it as a user of its own
    with broker(folder, ours, (stolen, stolen)) as running:
        says = told(running)
        assert "it is not for servers, so somebody else may be there" in refused(running, ours.ca, node)
        says("alert unsupported certificate")


def test_the_command_line_says_it_in_one_sentence(
    folder: Path, ours: Fleet, foreign: Fleet, call: Call, tmp_path: Path
) -> None:
    good, expired, theirs = (
        ours.node(),
        ours.node("main-and-3rd/edge-2", file="old.key", ago=LONG_AGO, days=9),
        foreign.node(),
    )
    with broker(folder, ours, ours.broker()) as running:
        for key, code, words in (
            (None, 2, "asks for a client certificate and got none"),
            (theirs, 2, "does not trust the authority that signed the client certificate"),
            (expired, 2, "refuses the client certificate, which has expired"),
            (good, 3, "0 verified"),
        ):
            pair = "" if key is None else f'cert = "{key}"\nkey = "{key}"\n'
            url = f'url = "mqtts://{HOST}:{running.port}"\nca = "{ours.ca}"\n'
            (tmp_path / "node.toml").write_text(f'schema = 1\n[node]\nid = "edge-1"\n[broker]\n{url}{pair}')
            assert words in call("inspect", "--node", "node.toml", "--for", "0.5", code=code).err


def test_a_key_in_a_tpm_is_told_to_be_no_key_for_tls(folder: Path, ours: Fleet) -> None:
    key = folder / "tpm.key"
    key.write_text("-----BEGIN TSS2 PRIVATE KEY-----\nMA==\n-----END TSS2 PRIVATE KEY-----\n")
    with pytest.raises(BrokerError, match="lies in a TPM, where TLS cannot reach it"):
        Connection(Broker(url="mqtts://127.0.0.1", ca=ours.ca, cert=ours.node(), key=key), "node")


@contextmanager
def serving(ours: Fleet, then: Callable[[ssl.SSLSocket], None]) -> Iterator[int]:
    """A TLS 1.3 server that sends no session tickets and does ``then`` with its one client; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.broker())
    context.num_tickets = 0
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with suppress(OSError), context.wrap_socket(client, server_side=True) as secured:
                then(secured)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def shaken(ours: Fleet, port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=ours.ca)
    context.sslsocket_class = TidySocket
    return context.wrap_socket(socket.create_connection((HOST, port), timeout=7), server_hostname=HOST)


def test_a_server_that_sends_nothing_after_the_handshake_costs_half_a_second(ours: Fleet) -> None:
    with serving(ours, lambda client: client.sendall(client.recv(5))) as port, shaken(ours, port) as secured:
        secured.sendall(b"hello")
        assert secured.recv(5) == b"hello"


def test_a_server_that_speaks_first_is_none_of_mqtt(ours: Fleet) -> None:
    greeting = b"220 mail.example.org"
    with serving(ours, lambda client: client.sendall(greeting)) as port, pytest.raises(OSError, match="speaks before"):
        shaken(ours, port)


def test_a_server_that_hangs_up_is_told(ours: Fleet) -> None:
    def hang_up(client: ssl.SSLSocket) -> None:
        client.settimeout(1)
        client.unwrap()

    with serving(ours, hang_up) as port, pytest.raises(OSError, match="hung up after the handshake"):
        shaken(ours, port)


def test_the_verdict_after_the_handshake_leaves_the_socket_as_it_was(folder: Path, ours: Fleet) -> None:
    with broker(folder, ours, ours.broker()) as running:
        context = ssl.create_default_context(cafile=ours.ca)
        context.sslsocket_class = TidySocket
        context.load_cert_chain(ours.node())
        plain = socket.create_connection((HOST, running.port), timeout=7)
        with context.wrap_socket(plain, server_hostname=HOST) as secured:
            assert secured.version() == "TLSv1.3"
            assert secured.gettimeout() == 7
