"""``stopline run``: a fixture sent live over UDP, judged as it comes, and ended in order."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import av
import pytest

from edge import event
from edge.keys import create_key, trust
from edge.outbox import Outbox
from tests.command import ROOT, start_stopline, stopline

if TYPE_CHECKING:
    from pathlib import Path

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
_SENT_S = 14.0


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _send_live(port: int) -> None:
    """The fixture's first seconds as MPEG-TS, its packets as they are, each at its own time."""
    with av.open(str(CASE / "video.mp4")) as recording, av.open(f"udp://127.0.0.1:{port}", "w", "mpegts") as stream:
        source = recording.streams.video[0]
        target = stream.add_stream_from_template(source)
        start_s = time.monotonic()
        for packet in recording.demux(source):
            if packet.dts is None or packet.time_base is None or packet.dts * packet.time_base > _SENT_S:
                break
            time.sleep(max(0.0, start_s + float(packet.dts * packet.time_base) - time.monotonic()))
            packet.stream = target
            stream.mux(packet)


def _node_file(folder: Path) -> Path:
    node = folder / "node.toml"
    node.write_text('schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\nstate = "state"\n')
    return node


@pytest.mark.slow
@pytest.mark.replay
def test_a_live_camera_is_judged_and_the_node_ends_in_order(tmp_path: Path) -> None:
    key = create_key(tmp_path / "node.key")
    port = _free_port()
    node = start_stopline(
        "run", f"udp://127.0.0.1:{port}?timeout=20000000", "--site", CASE / "site.toml", "--node", _node_file(tmp_path),
        "--signal", CASE / "lamps.csv",
    )  # fmt: skip
    time.sleep(3.0)  # until the detector is loaded; what is sent before is not missed by a real camera either
    sender = threading.Thread(target=_send_live, args=(port,))
    sender.start()
    sender.join()
    time.sleep(1.0)
    node.send_signal(signal.SIGTERM)
    out, err = node.communicate(timeout=60)
    assert node.returncode == 0, err
    assert "frames judged" in out
    with Outbox(tmp_path / "state" / "outbox.sqlite") as outbox:
        waiting = outbox.pending(10)
    checked = [event.verify(row.message.payload, trust(key.public)) for row in waiting]
    assert [one.lane for one in checked] == ["lane-2"]
    document = json.loads(waiting[0].message.payload)
    assert document["data"]["clock"]["basis"] == "utc"
    # The played lamps start with the first picture judged, a moment after the first one sent: the red is that later.
    assert 0.5 < checked[0].red_at_least_s < 2.2


def test_a_recording_is_sent_to_replay(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    node = _node_file(tmp_path)
    lamps = ("--signal", CASE / "lamps.csv")
    done = stopline("run", CASE / "video.mp4", "--site", CASE / "site.toml", "--node", node, *lamps)
    assert done.code == 2
    assert "stopline replay" in done.err
    assert "Traceback" not in done.err


def test_lamps_without_pins_are_named(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    done = stopline("run", "udp://127.0.0.1:9", "--site", CASE / "site.toml", "--node", _node_file(tmp_path))
    assert done.code == 2
    assert "signal group north has no pins" in done.err
    assert done.err.count("\n") == 1
