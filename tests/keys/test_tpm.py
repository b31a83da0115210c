"""A key inside a TPM: real swtpm, real events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from edge import event
from edge.errors import KeyFileError, TpmError
from edge.keys import load_signing_key, trust
from edge.keys.enrolment import enrolled
from edge.keys.tpm import TPM_VARIABLE, _is_of_the_key, create_tpm_key
from edge.keys.trusted import certified
from tests.broker import free_port
from tests.cases import unsigned
from tests.command import ROOT
from tests.keys.software_tpm import SoftwareTpm, needs_tpm
from tests.recordings import FIRST, Recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.keys.conftest import Call

pytestmark = needs_tpm


@pytest.fixture
def tpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftwareTpm]:
    with SoftwareTpm(tmp_path / "tpm") as running:
        monkeypatch.setenv(TPM_VARIABLE, running.tcti)
        yield running


def test_a_key_in_a_tpm_signs_events_that_verify_accepts(tmp_path: Path, tpm: SoftwareTpm) -> None:
    made = create_tpm_key(tmp_path / "node.key")
    key = load_signing_key(tmp_path / "node.key")
    assert key.kid == made.kid
    raw = event.sign(unsigned(), key)
    assert event.verify(raw, trust(key.public)).kid == made.kid
    changed = raw.replace(b'"vehicle_class":"car"', b'"vehicle_class":"bus"')
    assert changed != raw
    with pytest.raises(event.EventError, match="changed after it was signed"):
        event.verify(changed, trust(key.public))


def test_what_lies_on_the_disk_is_wrapped_and_private(tmp_path: Path, tpm: SoftwareTpm) -> None:
    path = tmp_path / "node.key"
    create_tpm_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN TSS2 PRIVATE KEY-----")
    with pytest.raises(KeyFileError, match="exists"):
        create_tpm_key(path)


def test_many_signatures_are_all_64_bytes_and_leave_nothing_in_the_tpm(tmp_path: Path, tpm: SoftwareTpm) -> None:
    """A TPM has room for three loaded objects, and one r or s in 128 has a leading zero."""
    key = create_tpm_key(tmp_path / "node.key")
    for number in range(200):
        message = f"message {number}".encode()
        signature = key.sign(message)
        assert len(signature) == 64
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.public.native.verify(der, message, ec.ECDSA(hashes.SHA256()))


def test_the_key_survives_a_restart_of_its_tpm_and_works_in_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, works in (("one", None), ("one", True), ("other", False)):
        with SoftwareTpm(tmp_path / folder) as tpm:
            monkeypatch.setenv(TPM_VARIABLE, tpm.tcti)
            if works is None:
                create_tpm_key(tmp_path / "node.key")
                continue
            if works:
                key = load_signing_key(tmp_path / "node.key")
                event.verify(event.sign(unsigned(), key), trust(key.public))
            else:
                with pytest.raises(KeyFileError, match="the one the key was made in") as refused:
                    load_signing_key(tmp_path / "node.key")
                assert not isinstance(refused.value, TpmError), "no second try makes it this TPM's key"


def test_a_tpm_that_is_not_there_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TPM_VARIABLE, f"swtpm:host=127.0.0.1,port={free_port()}")
    with pytest.raises(TpmError, match="check that it is there"):
        create_tpm_key(tmp_path / "node.key")
    assert not (tmp_path / "node.key").exists()
    assert capfd.readouterr().err == ""


def test_a_tpm_that_goes_and_comes_back_signs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SoftwareTpm(tmp_path / "tpm") as tpm:
        monkeypatch.setenv(TPM_VARIABLE, tpm.tcti)
        create_tpm_key(tmp_path / "node.key")
        key = load_signing_key(tmp_path / "node.key")
    for _ in range(2):
        with pytest.raises(TpmError, match="check that it is there"):
            key.sign(b"")
    with SoftwareTpm(tmp_path / "tpm", tpm.port):
        event.verify(event.sign(unsigned(), key), trust(key.public))


def test_a_device_that_is_not_there_yet_or_may_not_be_opened_says_nothing_of_the_key(
    tmp_path: Path, tpm: SoftwareTpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At boot a TPM's device comes when its driver is ready, and its group a moment later."""
    create_tpm_key(tmp_path / "node.key")
    (tmp_path / "no-device").mkdir()
    for device in ("tpmrm0", "no-device"):
        monkeypatch.setenv(TPM_VARIABLE, f"device:{tmp_path / device}")
        with pytest.raises(TpmError, match=device):
            load_signing_key(tmp_path / "node.key")


@pytest.mark.parametrize(
    ("code", "of_the_key"),
    [
        (0x01DF, True),  # TPM_RC_INTEGRITY, parameter 1: what tells a key of another TPM
        (0x018B, True),  # TPM_RC_HANDLE, handle 1
        (0x0101, False),  # TPM_RC_FAILURE
        (0x0100, False),  # TPM_RC_INITIALIZE: not started yet
        (0x0922, False),  # TPM_RC_RETRY
        (0x0921, False),  # TPM_RC_LOCKOUT
        (0x0902, False),  # TPM_RC_OBJECT_MEMORY
        (0x000A000A, False),  # the way to it: IO error
        (0x000A0009, False),  # try again
        (0x000A0008, False),  # no connection
    ],
)
def test_what_a_tpm_answers_tells_a_wrong_key_from_a_bad_moment(code: int, of_the_key: bool) -> None:
    import tpm2_pytss

    assert _is_of_the_key(tpm2_pytss, tpm2_pytss.TSS2_Exception(code)) is of_the_key
    assert _is_of_the_key(tpm2_pytss, RuntimeError("no password specified but it is required"))


@pytest.mark.parametrize(("name", "code"), [("swtpm:host=127.0.0.1,port=1", 1), ("", 2)])
def test_a_node_whose_tpm_is_late_is_begun_again_and_one_with_a_wrong_key_is_not(
    name: str, code: int, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = ROOT / "sim_fixtures" / FIRST
    (tmp_path / "node.toml").write_text('schema = 1\n[node]\nid = "edge-1"\n')
    with SoftwareTpm(tmp_path / "one") as tpm:
        monkeypatch.setenv(TPM_VARIABLE, tpm.tcti)
        create_tpm_key(tmp_path / "node.key")
    with SoftwareTpm(tmp_path / "other") as other:
        monkeypatch.setenv(TPM_VARIABLE, name or other.tcti)
        ended = call("run", "picamera", "--site", case / "site.toml", "--node", "node.toml", code=code)
    assert ended.err.startswith("stopline: The TPM at ")
    assert ended.err.count("\n") == 1


def test_a_damaged_file_is_told(tmp_path: Path, tpm: SoftwareTpm) -> None:
    path = tmp_path / "node.key"
    create_tpm_key(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "AAAA" + lines[1][4:], *lines[2:]]))
    with pytest.raises(KeyFileError, match="is damaged"):
        load_signing_key(path)


@pytest.mark.slow
@pytest.mark.replay
def test_a_certified_key_in_a_tpm_signs_a_replays_events_and_stopline_verify_accepts_them(
    tmp_path: Path, tpm: SoftwareTpm, call: Call
) -> None:
    """The whole way: made in the TPM, certified, enrolled, named in the node file, its event checked."""
    recording = Recording(FIRST)
    call("keys", "new", "node.key", "--tpm")
    call("keys", "request", "node.key", "--node", "plain-red-runner/edge-1", "--use", "events")
    call("ca", "new", "ca")
    call("ca", "sign", "ca", "node.csr", "--for", "plain-red-runner/edge-1")
    call("keys", "enroll", "node.key", "node.crt", "--ca", "ca/ca.pem")
    (tmp_path / "node.toml").write_text('schema = 1\n[node]\nid = "edge-1"\n')
    call(*recording.words(tmp_path / "out"), "--node", "node.toml")
    verified = call("verify", "out/events.jsonl", "--key", "node.pub.pem", "--json").json()
    assert verified["intact"]
    assert verified["key_trusted"]
    [certificate] = enrolled(tmp_path / "node.key")
    trusted = certified(certificate)
    seen = event.verify((tmp_path / "out" / "events.jsonl").read_bytes().splitlines()[0], trust(trusted.public))
    assert seen.document["source"] == trusted.source
    assert b"TSS2 PRIVATE KEY" in (tmp_path / "node.key").read_bytes()


def test_an_authority_may_have_its_key_in_a_tpm(tmp_path: Path, tpm: SoftwareTpm, call: Call) -> None:
    call("ca", "new", "ca", "--tpm")
    assert (tmp_path / "ca" / "ca.key").read_bytes().startswith(b"-----BEGIN TSS2 PRIVATE KEY-----")
    call("keys", "new", "node.key")
    call("keys", "request", "node.key", "--node", "main-and-3rd/edge-1")
    call("ca", "sign", "ca", "node.csr", "--for", "main-and-3rd/edge-1")
    call("keys", "enroll", "node.key", "node.crt", "--ca", "ca/ca.pem")
    call("ca", "crl", "ca")


def test_without_the_library_a_tpm_key_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tpm2_pytss", None)
    with pytest.raises(KeyFileError, match="needs the extra 'tpm'"):
        create_tpm_key(tmp_path / "node.key")
