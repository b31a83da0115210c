"""``stopline keys`` and ``stopline ca`` as a person calls them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from edge.cli_keys import ReasonWord, UseWord
from edge.keys import load_public_keys
from edge.keys.authority import authority_key, load_authority
from edge.keys.certificates import Use
from edge.keys.revocation import Reason, is_refused, read_list

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keys.conftest import Call

NODE = "main-and-3rd/edge-1"


@pytest.fixture
def here(tmp_path: Path, call: Call) -> Path:
    """A folder with an authority and a node that it has certified."""
    for words in (
        ("ca", "new", "ca", "--name", "Example City"),
        ("keys", "new", "node.key"),
        ("keys", "request", "node.key", "--node", NODE),
        ("ca", "sign", "ca", "node.csr", "--for", NODE),
        ("keys", "enroll", "node.key", "node.crt", "--ca", "ca/ca.pem"),
    ):
        call(*words)
    return tmp_path


def kid_of(call: Call) -> str:
    kid: str = call("ca", "list", "ca", "--json").json()[-1]["key"]
    return kid


def test_the_words_of_the_command_line_are_those_of_the_program() -> None:
    assert [*UseWord] == [use.value for use in Use if use is not Use.BROKER]
    assert [*ReasonWord] == [reason.value for reason in Reason]


def test_show_tells_the_key_and_who_certified_it(here: Path, call: Call) -> None:
    shown = call("keys", "show", "node.key")
    assert shown.out == (here / "node.pub.pem").read_text()
    assert f"certified for {NODE} (events and tls) until" in shown.err
    assert "by CN=Example City" in shown.err
    assert "PRIVATE" not in shown.out + shown.err


def test_a_key_follows_the_other_with_an_overlap(here: Path, call: Call) -> None:
    old = kid_of(call)
    call("keys", "rotate", "node.key", "--node", NODE, "--overlap", "14")
    assert "give that key's statement" in call("ca", "sign", "ca", "node.csr", "--for", NODE, code=2).err
    call("ca", "sign", "ca", "node.csr", "--for", NODE, "--succession", "node.succession.json")
    call("keys", "enroll", "node.key", "node.crt", "--ca", "ca/ca.pem")
    public = load_public_keys([here / "node.pub.pem"])
    assert list(public) == [kid_of(call), old], "whoever checks older events needs the old key"
    call("ca", "crl", "ca")
    listed = read_list(
        (here / "ca" / "revocations.json").read_bytes(), authority_key(load_authority(here / "ca/ca.pem"))
    )
    end = listed.revoked[old].since
    assert timedelta(days=13) < end - datetime.now(UTC) < timedelta(days=15)
    assert kid_of(call) != old
    rows = call("ca", "list", "ca", "--json").json()
    assert [bool(row["revoked"]) for row in rows] == [True, False]


def test_a_stolen_nodes_key_ends(here: Path, call: Call) -> None:
    kid = kid_of(call)
    since = datetime.now(UTC) - timedelta(hours=3)
    call("ca", "revoke", "ca", "--kid", kid, "--reason", "stolen", "--from", since.isoformat())
    (here / "out").mkdir()
    call("ca", "crl", "ca", "--out", "out")
    assert (here / "out" / "crl.pem").read_text().startswith("-----BEGIN X509 CRL-----")
    raw = (here / "out" / "revocations.json").read_bytes()
    revoked = read_list(raw, authority_key(load_authority(here / "ca" / "ca.pem"))).revoked
    later, earlier = since + timedelta(hours=1), since - timedelta(hours=1)
    assert is_refused(kid, claimed=later, known_since=later, revocations=revoked)
    assert not is_refused(kid, claimed=earlier, known_since=earlier, revocations=revoked)
    table = call("ca", "list", "ca").out
    assert "stolen" in table


def test_the_list_shows_every_key_in_full(here: Path, call: Call) -> None:
    shown = "".join(call("ca", "list", "ca").out.split("│")[1::6]).replace(" ", "")
    assert kid_of(call) in shown


def test_mistakes_are_told_in_one_sentence_with_code_2(here: Path, call: Call) -> None:
    wrong: dict[str, tuple[object, ...]] = {
        "Say whose certificate": ("keys", "request", "node.key"),
        "names no node": ("keys", "request", "node.key", "--node", "edge-1"),
        "is no host": ("keys", "request", "node.key", "--host", "a b"),
        "make a key with": ("keys", "request", "absent.key", "--node", NODE),
        "does not exist": ("ca", "sign", "ca", "absent.csr", "--for", NODE),
        "elsewhere is no authority's folder: make one": ("ca", "list", "elsewhere"),
        "nowhere is no authority's folder": ("ca", "sign", "nowhere", "node.csr", "--for", NODE),
        "never is no authority's folder": ("ca", "revoke", "never", "--kid", "x", "--reason", "stolen"),
        "absent is no authority's folder": ("ca", "crl", "absent"),
        ". is no authority's folder": ("ca", "list", "."),
        "absent.key does not exist: give": ("keys", "enroll", "absent.key", "node.crt", "--ca", "ca/ca.pem"),
        "is no instant": ("ca", "revoke", "ca", "--kid", "x", "--reason", "stolen", "--from", "yesterday"),
        "lies in the future": ("ca", "revoke", "ca", "--kid", "x", "--reason", "stolen", "--from", "2999-01-01T00:00Z"),
        "was not certified here": ("ca", "revoke", "ca", "--kid", "-x", "--reason", "stolen"),
        "is not empty": ("ca", "new", "ca"),
        "holds no certificate": ("keys", "enroll", "node.key", "node.csr", "--ca", "ca/ca.pem"),
        "exists": ("keys", "new", "node.key"),
        "cannot be written": ("ca", "crl", "ca", "--out", "absent"),
    }
    before = {file: file.read_bytes() for file in here.rglob("*") if file.is_file()}
    for sentence, words in wrong.items():
        assert sentence in call(*words, code=2).err
    assert {file: file.read_bytes() for file in here.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(("out", "reason"), [("absent/next.crt", "No such file"), ("ca", "Is a directory")])
def test_what_could_not_be_written_is_not_signed(out: str, reason: str, here: Path, call: Call) -> None:
    other = "main-and-3rd/edge-2"
    call("keys", "new", "next.key")
    call("keys", "request", "next.key", "--node", other)
    refused = call("ca", "sign", "ca", "next.csr", "--for", other, "--out", out, code=2)
    assert f"{out} cannot be written ({reason}" in refused.err
    assert len(call("ca", "list", "ca", "--json").json()) == 1
    call("ca", "sign", "ca", "next.csr", "--for", other)


def test_an_authority_without_its_key_is_not_begun_anew(here: Path, call: Call) -> None:
    (here / "ca" / "ca.key").unlink()
    assert "ca has lost its ca.key: restore it" in call("ca", "list", "ca", code=2).err
