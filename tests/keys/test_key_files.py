from __future__ import annotations

import hashlib
import json
import subprocess
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from edge import keys
from edge.errors import KeyFileError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.key"


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def pem(private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_a_new_key_lies_alone_and_private_in_its_file(path: Path) -> None:
    made = keys.create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["node.key"]
    assert keys.load_signing_key(path).kid == made.kid
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_the_kid_is_the_thumbprint_of_rfc_7638(path: Path) -> None:
    key = keys.create_key(path)
    public = key.public.jwk.as_dict(private=False)
    members = json.dumps({name: public[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert key.kid == urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()


def test_an_existing_key_is_not_replaced_unless_forced(path: Path) -> None:
    first = keys.create_key(path)
    with pytest.raises(KeyFileError, match="exists: name another file"):
        keys.create_key(path)
    assert keys.load_signing_key(path).kid == first.kid
    assert keys.create_key(path, force=True).kid != first.kid
    assert [file.name for file in path.parent.iterdir()] == ["node.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    keys.create_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        keys.load_signing_key(path)


def test_what_is_no_such_key_is_told_in_one_sentence(path: Path) -> None:
    wrong = {
        "does not exist": path.with_name("absent"),
        "holds no private key": write(path.with_name("text"), b"hello"),
        "locked with a password": write(path.with_name("locked"), pem(ec.generate_private_key(ec.SECP256R1()), b"pw")),
        "no P-256 key": write(path.with_name("p384"), pem(ec.generate_private_key(ec.SECP384R1()))),
        "is no P-256 key": write(path.with_name("ed25519"), pem(ed25519.Ed25519PrivateKey.generate())),
        "cannot be read": path.parent,
    }
    for words, file in wrong.items():
        with pytest.raises(KeyFileError, match=words):
            keys.load_signing_key(file)


def test_a_folder_that_cannot_be_written_is_told(path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be written"):
        keys.create_key(path.parent / "absent" / "node.key")


def test_public_keys_are_read_one_or_several_a_file(path: Path) -> None:
    made = [keys.create_key(path.with_name(f"{index}.key")) for index in range(3)]
    both = write(path.with_name("both.pem"), made[0].public.pem + b"# a comment\n" + made[1].public.pem)
    one = write(path.with_name("one.pem"), made[2].public.pem)
    trusted = keys.load_public_keys([both, one])
    assert set(trusted) == {key.kid for key in made}
    assert all(trusted[key.kid].pem == key.public.pem for key in made)


def test_a_private_key_is_not_taken_for_a_public_one(path: Path) -> None:
    keys.create_key(path)
    with pytest.raises(KeyFileError, match="holds a private key: give the public key"):
        keys.load_public_keys([path])


def test_wrong_public_keys_are_refused(path: Path) -> None:
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key()
    other = p384.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    damaged = b"-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"
    for words, content in {"no public key": b"", "no P-256": other, "damaged": damaged}.items():
        with pytest.raises(KeyFileError, match=words):
            keys.load_public_keys([write(path, content)])


def test_no_secret_shows_in_a_key_that_is_printed(path: Path) -> None:
    key = keys.create_key(path)
    assert str(key) == repr(key) == f"FileKey(kid='{key.kid}')"


def test_openssl_reads_the_key_and_agrees_on_the_public_part(path: Path) -> None:
    key = keys.create_key(path)
    done = subprocess.run(["openssl", "pkey", "-in", str(path), "-pubout"], capture_output=True, check=True)
    assert done.stdout == key.public.pem
