"""The benchmark still runs on today's code; its figures mean nothing on a machine that runs tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_benchmark_measures_every_stream_within_the_memory_bar() -> None:
    command = [sys.executable, "script/throughput.py", "--seconds", "1", "--rounds", "1", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    cases = json.loads(done.stdout)["cases"]
    assert [(case["case"], case["bar"]) for case in cases] == [
        ("640x360", 0.95),
        ("1920x1080", 0.80),
        ("640x360, evidence", 0.85),
    ]
    for case in cases:
        assert case["ratio"] > 0
        assert 50 < case["peak_memory_mb"] < case["most_memory_mb"]
        assert min(case["stages_ms"].values()) > 0
        assert case["passes"] == (case["ratio"] >= case["bar"])
    assert done.returncode == (not all(case["passes"] for case in cases))
