"""``[evidence]`` of the node file, and what is said of each mistake in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.config import Evidence, load_node
from edge.errors import ConfigError
from edge.evidence.seal import Seal
from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RECIPIENT = "age1yaau8j38fp5fxkdlcjry4fl3legp57c9zxlz34g3mw95lj7cacaqemac68"
BEGINNING = 'schema = 1\n[node]\nid = "edge-1"\n[evidence]\n'


def read(tmp_path: Path, lines: str) -> Evidence:
    path = tmp_path / "node.toml"
    path.write_text(BEGINNING + lines + "\n")
    evidence = load_node(path).evidence
    assert evidence is not None
    return evidence


def test_a_recipient_is_enough(tmp_path: Path) -> None:
    evidence = read(tmp_path, f'recipients = ["{RECIPIENT}"]')
    assert (evidence.seal, evidence.recipients) == ("age", (RECIPIENT,))
    assert (evidence.before_s, evidence.after_s, evidence.ring_mb, evidence.part_kb) == (6, 6, 64, 256)


def test_it_may_be_left_out_and_may_be_open(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('schema = 1\n[node]\nid = "edge-1"\n')
    assert load_node(path).evidence is None
    assert read(tmp_path, 'seal = "none"').recipients == ()


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("", 4, "name the age public key of whoever may open it"),
        ("recipients = []", 4, "name the age public key of whoever may open it"),
        ('recipients = ["age1abc"]', 5, '"age1" and 58 characters'),
        (f'recipients = ["{RECIPIENT}", "ssh-ed25519 AAAA"]', 5, r"recipients\[2\]: no age recipient"),
        (f'recipients = ["{RECIPIENT[:-1]}b"]', 5, "no age recipient"),
        (f'seal = "none"\nrecipients = ["{RECIPIENT}"]', 4, 'seal is "none" though recipients are named'),
        ('seal = "rot13"', 5, "'age' or 'none'"),
        (f'recipients = ["{RECIPIENT}"]\npart_kb = 4', 6, "must be 64 or more: raise it"),
        (f'recipients = ["{RECIPIENT}"]\nbefore_s = 600', 6, "must be 60 or less: lower it"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, lines: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(tmp_path, lines)
    assert f"node.toml, line {line}: " in str(caught.value)


def test_a_secret_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    secret = "AGE-SECRET-KEY-1" + "Q" * 58
    with pytest.raises(ConfigError, match="this is a secret key") as caught:
        read(tmp_path, f'recipients = ["{secret}"]')
    assert secret not in str(caught.value)


def test_the_samples_recipient_is_one() -> None:
    evidence = load_node(ROOT / "firmware-config" / "node.toml").evidence
    assert evidence is not None
    assert Seal(evidence.recipients).name == "age"
