"""How ``stopline run`` ends where it fails: in one sentence, and with the exit code that says if a restart may help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.keys import create_key
from tests.command import ROOT, running_stopline, stopline
from tests.live import free_udp_port, live

if TYPE_CHECKING:
    from pathlib import Path

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
RECIPIENT = "age1yaau8j38fp5fxkdlcjry4fl3legp57c9zxlz34g3mw95lj7cacaqemac68"


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    """A site whose lamps are wired, and a node."""
    create_key(tmp_path / "node.key")
    node, site = tmp_path / "node.toml", tmp_path / "site.toml"
    node.write_text(
        f'schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\n\n[evidence]\nrecipients = ["{RECIPIENT}"]\n',
        encoding="utf-8",
    )
    text = (CASE / "site.toml").read_text(encoding="utf-8")
    pins = 'id = "north"\npins = { red = 17, amber = 27, green = 22 }\n'
    site.write_text(text.replace('id = "north"\n', pins), encoding="utf-8")
    return ["--site", site, "--node", node]


@pytest.mark.slow
def test_an_input_that_fails_ends_it_with_1_since_a_restart_may_mend_it(files: list[object]) -> None:
    """This machine has no GPIO, which is as good as one that has gone."""
    port = free_udp_port()
    with live(CASE / "video.mp4", port), running_stopline("run", f"udp://127.0.0.1:{port}", *files) as node:
        _, err = node.communicate(timeout=60)
    assert node.returncode == 1, err
    assert "GPIO cannot be used" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("source", ["video.mp4", "no-camera"])
def test_what_is_no_camera_is_a_mistake_that_no_restart_mends(source: str, files: list[object]) -> None:
    done = stopline("run", source, *files)
    assert done.code == 2
    assert "is no camera" in done.err
    assert "stopline replay" in done.err
    assert done.err.count("\n") == 1
