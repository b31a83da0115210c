"""docs/keys.md does what it says: its blocks marked ``run``, pasted into one shell in their order."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from edge.config import load_node
from edge.keys.authority import authority_key, load_authority
from edge.keys.enrolment import enrolled
from edge.keys.revocation import read_list
from edge.keys.tpm import TPM_VARIABLE
from edge.tls import _ALERTS
from tests.command import STOPLINE
from tests.docs.pages import ROOT, blocks, table_rows
from tests.keys.software_tpm import SoftwareTpm, needs_tpm

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "keys.md"
BLOCKS = blocks(PAGE)


def pasted(folder: Path, text: str, **environment: str) -> str:
    path = f"{STOPLINE.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e"],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
        check=False,
        env={**os.environ, **environment, "PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_blocks_marked_run_certify_rotate_and_publish(tmp_path: Path) -> None:
    pasted(tmp_path, "".join(block.text for block in BLOCKS if "run" in block.marks))
    [certificate] = enrolled(tmp_path / "node.key")
    assert str(certificate.claim.holder) == "main-and-3rd/edge-1"
    raw = (tmp_path / "ca" / "revocations.json").read_bytes()
    listed = read_list(raw, authority_key(load_authority(tmp_path / "ca" / "ca.pem")))
    assert [one.reason for one in listed.revoked.values()] == ["superseded"]
    assert (tmp_path / "broker.crt").exists()


@pytest.mark.slow
@needs_tpm
def test_the_block_for_a_tpm_makes_two_keys(tmp_path: Path) -> None:
    [block] = [block for block in BLOCKS if "--tpm" in block.text]
    with SoftwareTpm(tmp_path / "tpm") as tpm:
        pasted(tmp_path, block.text, **{TPM_VARIABLE: tpm.tcti})
    assert "TSS2" in (tmp_path / "node.key").read_text()
    assert (tmp_path / "tls.csr").exists()


def test_the_node_file_shown_can_be_read(tmp_path: Path) -> None:
    [block] = [block for block in BLOCKS if block.language == "toml"]
    (tmp_path / "node.toml").write_text("schema = 1\n" + block.text)
    node = load_node(tmp_path / "node.toml")
    assert node.broker is not None
    assert node.broker.cert == node.broker.key == node.node.key


def test_the_table_of_refusals_has_the_programs_own_words() -> None:
    said = [row[1] for row in table_rows(PAGE, "## What a refusal looks like")]
    for words in _ALERTS.values():
        assert any(words.startswith(sentence) for sentence in said), words
