"""How ``stopline run`` ends where it fails: in one sentence, and with the exit code that says if a restart may help."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge.keys import create_key
from tests.broker import Listener, wait_until
from tests.command import ROOT, running_stopline, stopline
from tests.live import free_udp_port, live

if TYPE_CHECKING:
    from pathlib import Path

    from tests.broker import Mosquitto

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


@pytest.mark.alone
@pytest.mark.slow
def test_an_input_that_fails_ends_it_with_1_since_a_restart_may_mend_it(files: list[object]) -> None:
    """This machine has no GPIO, which is as good as one that has gone."""
    port = free_udp_port()
    with live(CASE / "video.mp4", port), running_stopline("run", f"udp://127.0.0.1:{port}", *files) as node:
        _, err = node.communicate(timeout=60)
    assert node.returncode == 1, err
    assert "GPIO cannot be used" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("source", ["video.mp4", "no-camera", "http://127.0.0.1:1/", "a:b"])
def test_what_is_no_camera_is_a_mistake_that_no_restart_mends(source: str, files: list[object]) -> None:
    done = stopline("run", source, *files)
    assert done.code == 2
    assert f"{source} is no camera" in done.err
    assert "stopline replay" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.broker
def test_a_camera_that_is_not_there_yet_is_named_while_it_is_waited_for(tmp_path: Path, broker: Mosquitto) -> None:
    """Whoever runs a hundred nodes hears of it from the node itself; and it ends when it is told to."""
    create_key(tmp_path / "node.key")
    node_file = tmp_path / "node.toml"
    node_file.write_text(
        f'schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\n\n[evidence]\nrecipients = ["{RECIPIENT}"]\n\n'
        f'[broker]\nurl = "{broker.url}"\n',
        encoding="utf-8",
    )
    camera = f"udp://127.0.0.1:{free_udp_port()}"
    words = ["--site", CASE / "site.toml", "--node", node_file, "--signal", CASE / "lamps.csv"]
    with Listener(broker.port, "stopline/v1/+/+/health") as listener, running_stopline("run", camera, *words) as node:
        wait_until(lambda: bool(listener.heard), timeout_s=30)
        health = json.loads(listener.heard[-1].payload)
        node.terminate()
        out, err = node.communicate(timeout=30)
    checks = {one["check"]: one["words"] for one in health["arming"]["checks"]}
    assert "No picture has come yet" in checks["picture"]
    assert health["frames"]["judged"] == 0
    assert (node.returncode, out) == (0, "0 frames judged, 0 dropped; passages: none\n")
    assert "cannot be opened" in err
