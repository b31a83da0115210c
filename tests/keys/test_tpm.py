"""A key inside a TPM: real swtpm, real events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from edge import event
from edge.errors import KeyFileError
from edge.keys import load_signing_key, trust
from edge.keys.tpm import TPM_VARIABLE, create_tpm_key
from tests.broker import free_port
from tests.cases import unsigned
from tests.keys.software_tpm import SoftwareTpm, needs_tpm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
            key = load_signing_key(tmp_path / "node.key")
            if works:
                event.verify(event.sign(unsigned(), key), trust(key.public))
            else:
                with pytest.raises(KeyFileError, match="the one the key was made in"):
                    key.sign(b"message")


def test_a_tpm_that_is_not_there_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TPM_VARIABLE, f"swtpm:host=127.0.0.1,port={free_port()}")
    with pytest.raises(KeyFileError, match="check that it is there"):
        create_tpm_key(tmp_path / "node.key")
    assert not (tmp_path / "node.key").exists()
    assert capfd.readouterr().err == ""


def test_a_damaged_file_is_told(tmp_path: Path, tpm: SoftwareTpm) -> None:
    path = tmp_path / "node.key"
    create_tpm_key(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "AAAA" + lines[1][4:], *lines[2:]]))
    with pytest.raises(KeyFileError, match="is damaged"):
        load_signing_key(path)
