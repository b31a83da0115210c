"""What trying the program out leaves in a checkout is ignored, and nothing that belongs here is."""

from __future__ import annotations

import subprocess

import pytest

from tests.command import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")


def git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def test_nothing_that_is_tracked_is_ignored() -> None:
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard") == []


def test_keys_and_results_are_ignored() -> None:
    left = ["node.key", "out/node.key", "node.key.old", "node.key.next", "ca/ca.pem", "site.toml", "decisions.jsonl"]
    left += ["models/yolox_nano.onnx"]
    kept = ["models/stopline-s.onnx", "sim_fixtures/new/site.toml", "edge/keys/new.py", "docs/example-key.pem"]
    assert git("check-ignore", "--no-index", *left, *kept) == left
