"""The demo as a newcomer starts it: from nothing to the cases in a browser, until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.request

import pytest

from tests.command import ROOT

pytestmark = pytest.mark.slow


def test_the_demo_ends_with_a_page_to_review_its_cases() -> None:
    with subprocess.Popen(
        ["script/demo", "--no-browser", "rear_margin"], cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0
    ) as running:
        assert running.stdout is not None
        try:
            said = ""
            while (address := re.search(r"http://127\.0\.0\.1:\d+/\S+", said)) is None:
                line = running.stdout.readline()
                assert line, said
                said += line
            assert "passages.csv" in said
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            assert "Stopline" in opener.open(address[0], timeout=10).read().decode()
        finally:
            os.killpg(running.pid, signal.SIGINT)
        assert running.wait(20) == 0


def test_a_case_that_is_none_is_told() -> None:
    done = subprocess.run(
        ["script/demo", "--no-browser", "none"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "There is no recording" in done.stderr
