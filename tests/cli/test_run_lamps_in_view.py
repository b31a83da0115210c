"""``stopline run --signal view``: a live camera whose picture is all that tells of the lamps."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge.keys import create_key
from tests.command import ROOT, running_stopline, stopline
from tests.live import free_udp_port, send_live, wait_for_listener

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.alone

CASES = ROOT / "sim_fixtures"
CASE = CASES / "plain_red_runner"
_SENT_S = 14.0


def node_file(folder: Path) -> Path:
    node, authority = folder / "node.toml", pyrage.x25519.Identity.generate().to_public()
    evidence = f'[evidence]\nrecipients = ["{authority}"]\nafter_s = 1.0\n'
    node.write_text(f'schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\nstate = "state"\n\n{evidence}')
    return node


def site_file(folder: Path) -> Path:
    """The case's site, asking for less amber than is shown: seen, it is a picture too long or too short."""
    site = folder / "site.toml"
    text = (CASE / "site.toml").read_text(encoding="utf-8")
    site.write_text(text.replace("min_amber_s = 3\n", "min_amber_s = 2.8\n"), encoding="utf-8")
    return site


@pytest.mark.slow
@pytest.mark.replay
def test_a_violation_is_seen_by_the_picture_alone(tmp_path: Path) -> None:
    """The node was not commissioned, so it records nothing; what it judged it tells at its end."""
    create_key(tmp_path / "node.key")
    port = free_udp_port()
    camera = f"udp://127.0.0.1:{port}?timeout=20000000"
    words = ["--site", site_file(tmp_path), "--node", node_file(tmp_path), "--signal", "view"]
    with running_stopline("run", camera, *words) as node:
        wait_for_listener(port)
        send_live(CASE / "video.mp4", port, _SENT_S)
        time.sleep(1.0)
        node.send_signal(signal.SIGTERM)
        out, err = node.communicate(timeout=60)
    assert node.returncode == 0, err
    assert "1 violation" in out, out


def test_a_site_without_regions_is_refused_in_one_sentence(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    words = ["--site", CASES / "within_grace" / "site.toml", "--node", node_file(tmp_path), "--signal", "view"]
    done = stopline("run", "udp://127.0.0.1:9", *words)
    assert done.code == 2
    assert "add [signal_groups.view] to it" in done.err
    assert done.err.count("\n") == 1


def test_help_names_it() -> None:
    assert "view" in stopline("run", "--help").out
