"""Signed notes and checkpoints: those that others have published verify here, and every damaged one is refused."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import LedgerError
from edge.keys import PublicKey
from edge.ledger import checkpoint, note
from edge.ledger.checkpoint import Checkpoint
from tests.ledger.ledgers import KEY, KEYS, ORIGIN, STRANGER

if TYPE_CHECKING:
    from pathlib import Path

# Checkpoints of running logs with their keys, as published by those who run them.
REKOR_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC3"
    "0M9+RYtw=="
)
REKOR = (
    "Rekor\n798034\nf+7CoKgXKE/tNys9TTXcr/ad6U/K3xvznmzew9y6SP0=\n\n"
    "— rekor.sigstore.dev wNI9ajBEAiARInWIWyCdyG27CO6LPnPekyw20qO0YJfoaPaowGp/XgIgc+qEHS3+GKVClgqq20uDLet7MCoTURUC"
    "RdxwWBHHufk=\n"
)
PIXEL_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE37jHQmTXJPC8sUj0Dg0N0ZlxfRqJZV1YzlclXLQzhVYPcC/JblDoez0DSZwOSlShiCf4oo83MULQfe"
    "c3erolDw=="
)
PIXEL = (
    "DEFAULT\n10\nbsWRucJU5xJPHb5eBdOm6+DM+VelCZBuvtI3sHERJ9Y=\n\n"
    "— pixel6_transparency_log kcFuMDBFAiEAhqMAP8P6qf6QxtUJhzMhbN+MbZ9dwfUHzGQJmffJHtoCIGD0cNe47dHWBoPwYdgBCepB06/+"
    "g5O1FmYjXl06owL4\n"
)
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
COSIGNED = (
    "arche2025h1.staging.ct.transparency.dev\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\n"
    "— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkp"
    "tQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n"
    "— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxt"
    "qB0DrAWfBw==\n"
)

CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def key_of(der64: str) -> PublicKey:
    key = load_der_public_key(note.decode64(der64, "a key"))
    return PublicKey.of(key)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "name", "der64", "vkey_start"),
    [
        (REKOR, "rekor.sigstore.dev", REKOR_KEY, "rekor.sigstore.dev+c0d23d6a+AjBZMBMG"),
        (PIXEL, "pixel6_transparency_log", PIXEL_KEY, "pixel6_transparency_log+91c16e30+AjBZMBMG"),
    ],
)
def test_ecdsa_notes_of_running_logs_verify(raw: str, name: str, der64: str, vkey_start: str) -> None:
    read, key = note.parse(raw.encode()), key_of(der64)
    [signature] = read.by(name, note.ecdsa_key_id(key))
    assert note.ecdsa_holds(read.text, signature, key)
    assert not note.ecdsa_holds(read.text.replace("\n", " ", 1), signature, key)
    assert note.ecdsa_vkey(name, key).startswith(vkey_start)
    assert read.encoded() == raw.encode()
    assert checkpoint.read(read.text).size in {798034, 10}


def test_the_cosignature_of_a_running_witness_verifies() -> None:
    read, key = note.parse(COSIGNED.encode()), note.WitnessKey.from_vkey(REMORA)
    [signature] = read.by(key.name, key.key_id)
    assert key.time_of(read.text, signature) == 1_779_573_024
    assert key.time_of(read.text.replace("1432088532", "1432088533"), signature) is None
    assert key.vkey == REMORA


def test_a_checkpoint_reads_as_three_lines_and_a_signature() -> None:
    raw = checkpoint.sign(CHECKPOINT, KEY).encoded()
    lines = raw.decode().split("\n")
    assert lines[:4] == ["main-and-3rd/edge-1", "7", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
    assert lines[4].startswith("— main-and-3rd/edge-1 ")
    assert checkpoint.verify(raw, KEYS).checkpoint == CHECKPOINT


def test_openssl_verifies_a_checkpoint(tmp_path: Path) -> None:
    signed = checkpoint.sign(CHECKPOINT, KEY)
    (tmp_path / "text").write_text(signed.text, encoding="utf-8")
    (tmp_path / "key.pem").write_bytes(KEY.public.pem)
    (tmp_path / "signature").write_bytes(signed.signatures[0].content)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "text"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert outcome.stdout == "Verified OK\n"


def test_a_checkpoint_by_another_key_or_changed_is_refused() -> None:
    raw = checkpoint.sign(CHECKPOINT, KEY).encoded()
    with pytest.raises(LedgerError, match="signed by none of the trusted keys"):
        checkpoint.verify(checkpoint.sign(CHECKPOINT, STRANGER).encoded(), KEYS)
    with pytest.raises(LedgerError, match="was changed"):
        checkpoint.verify(raw.replace(b"\n7\n", b"\n8\n"), KEYS)
    with pytest.raises(LedgerError, match="signed by none"):
        checkpoint.verify(raw.replace(b"main-and-3rd", b"main-and-4th", 1), KEYS)


def test_signatures_of_unknown_keys_are_kept_and_ignored() -> None:
    text = CHECKPOINT.text()
    signed = checkpoint.sign(CHECKPOINT, KEY).signed(
        note.sign_ecdsa(text, ORIGIN, STRANGER), note.cosign(text, "court/w1", WITNESS, 1_750_000_000)
    )
    found = checkpoint.verify(signed.encoded(), KEYS)
    assert len(found.note.signatures) == 3
    assert found.cosigned_s(note.witness_key("court/w1", WITNESS)) == 1_750_000_000
    assert found.cosigned_s(note.witness_key("court/w2", WITNESS)) is None


def test_a_witness_signs_the_time_as_well() -> None:
    key, text = note.witness_key("court/w1", WITNESS), CHECKPOINT.text()
    line = note.cosign(text, "court/w1", WITNESS, 1_750_000_000)
    later = note.Signature(line.name, line.key_id, (1_750_000_001).to_bytes(8, "big") + line.content[8:])
    assert key.time_of(text, line) == 1_750_000_000
    assert key.time_of(text, later) is None


def test_signing_again_replaces_the_old_signature_of_the_same_key() -> None:
    signed = checkpoint.sign(CHECKPOINT, KEY)
    again = signed.signed(note.sign_ecdsa(signed.text, ORIGIN, KEY))
    assert len(again.signatures) == 1
    assert checkpoint.verify(again.encoded(), KEYS).checkpoint == CHECKPOINT


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "no signed note"),
        (b"main-and-3rd/edge-1\n7\n", "no signed note"),
        (b"a\n1\nb\n\nno dash\n", "no signature line"),
        ("a\n1\nb\n\n— name bm90aGluZw==".encode(), "no signed note"),
        ("a\r\n1\nb\n\n— name bm90aGluZw==\n".encode(), "no signed note"),
        ("a\n1\nb\n\n— name bm90\n".encode(), "too short"),
        ("a\n1\nb\n\n— name bm90aGluZw\n".encode(), "no proper base64"),
        ("a\n1\nb\n\n— na+me bm90aGluZw==\n".encode(), "cannot name a key"),
        (b"\xff\xfe\n\n", "no text in UTF-8"),
        (b"x" * 200_001, "200001 bytes is none"),
    ],
)
def test_what_is_no_signed_note_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(LedgerError, match=words):
        note.parse(raw)


def test_a_note_may_have_many_signatures_but_not_any_number() -> None:
    line = "— name bm90aGluZw==\n"
    assert len(note.parse(("a\n\n" + line * 64).encode()).signatures) == 64
    with pytest.raises(LedgerError, match="65 signatures"):
        note.parse(("a\n\n" + line * 65).encode())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n7\n", "three lines"),
        ("a\n07\nAAAA\n", "no number"),
        ("a\n-1\nAAAA\n", "no number"),
        ("a\n7\nAAAA\n", "3 bytes and not 32"),
        ("a\n7\n!\n", "no proper base64"),
        ("\n7\nAAAA\n", "three lines"),
    ],
)
def test_a_note_that_is_no_checkpoint_is_refused(text: str, words: str) -> None:
    with pytest.raises(LedgerError, match=words):
        checkpoint.read(text)


def test_further_lines_of_a_checkpoint_are_signed_and_let_be() -> None:
    text = CHECKPOINT.text() + "something for others\n"
    raw = note.Note(text, (note.sign_ecdsa(text, ORIGIN, KEY),)).encoded()
    assert checkpoint.verify(raw, KEYS).checkpoint == CHECKPOINT


def test_checkpoints_one_after_the_other_in_a_file_are_all_read() -> None:
    notes = [checkpoint.sign(Checkpoint(ORIGIN, size, bytes(32)), KEY) for size in range(3)]
    for between in (b"", b"\n"):
        assert note.parse_many(between.join(one.encoded() for one in notes) + between) == notes
    with pytest.raises(LedgerError, match="something else"):
        note.parse_many(notes[0].encoded() + b"and a word\n")


@pytest.mark.parametrize(
    "line", ["", "court/w1", "court/w1+00000000+BAAA", REMORA.replace("da77", "da78"), REMORA.replace("+BO", "+AO")]
)
def test_a_damaged_witness_key_is_refused(line: str) -> None:
    with pytest.raises(LedgerError):
        note.WitnessKey.from_vkey(line)


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused_in_words(raw: bytes) -> None:
    for read in (note.parse, note.parse_many):
        try:
            found = read(raw)
        except LedgerError:
            continue
        assert found


@given(st.integers(0, 10**17), st.binary(min_size=32, max_size=32))
def test_every_checkpoint_survives_being_written(size: int, root: bytes) -> None:
    one = Checkpoint(ORIGIN, size, root)
    assert checkpoint.read(one.text()) == one
