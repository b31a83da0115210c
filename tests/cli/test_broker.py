"""Commands against a real Mosquitto: what leaves the node arrives, is readable, and is checked by whoever reads it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge.outbox import Outbox
from tests.broker import Listener, free_port, wait_until
from tests.command import events, passages, running_stopline, stopline
from tests.live import free_udp_port, live
from tests.recordings import FIRST, Recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.broker import Mosquitto
    from tests.cli.conftest import Command, Inputs
    from tests.recordings import Replays

pytestmark = [pytest.mark.broker, pytest.mark.slow]

TOPIC = "stopline/v1/plain-red-runner/replay/event/violation"
EVENTS, BIRTHS, STATES = (f"stopline/v1/+/+/{what}" for what in ("event/#", "birth", "status"))
ALWAYS_RED = "t_s,group,red,amber,green\n-60,{0},0,0,1\n-20,{0},0,1,0\n-17,{0},1,0,0\n"


def deliver(inputs: Inputs, broker: Mosquitto) -> None:
    """Replay something short into a folder whose outbox holds an event: it goes out too."""
    outcome = stopline(*inputs.words("--broker", broker.url, "--json"))
    assert outcome.code == 0, outcome.err
    assert outcome.json()["waiting"] == 0


def test_a_broker_out_of_reach_leaves_events_in_the_outbox_and_says_so(
    command: Command, with_waiting_event: Inputs
) -> None:
    inputs = with_waiting_event
    outcome = command(*inputs.words("--broker", f"mqtt://127.0.0.1:{free_port()}"))
    assert outcome.code == 0
    assert "messages, events and evidence, wait in" in outcome.out
    assert "is not there: nothing listens on that port" in outcome.out
    left = command("outbox", "list", inputs.out / "outbox.sqlite", "--json").json()
    assert f"{left['pending']} messages" in outcome.out
    assert [message["kind"] for message in left["messages"][:2]] == ["event", "evidence"]


def test_an_event_that_waited_goes_with_the_next_replay(
    command: Command, with_waiting_event: Inputs, replays: Replays, broker: Mosquitto
) -> None:
    with Listener(broker.port) as listener:
        deliver(with_waiting_event, broker)
        wait_until(lambda: listener.on(TOPIC), what="the event")
        [heard] = listener.on(TOPIC)
    assert heard.payload + b"\n" == (replays.of(FIRST) / "events.jsonl").read_bytes()
    left = command("outbox", "list", with_waiting_event.out / "outbox.sqlite", "--json").json()
    assert (left["pending"], left["refused"]) == (0, 0)
    assert left["delivered"] >= 2  # the event and its evidence


def test_an_ordinary_client_shows_events_a_person_can_read(with_waiting_event: Inputs, broker: Mosquitto) -> None:
    client = shutil.which("mosquitto_sub")
    if client is None:
        pytest.skip("mosquitto_sub is not installed")
    words = [
        client,
        "-p",
        str(broker.port),
        "-V",
        "5",
        "-v",
        "-t",
        EVENTS,
        "-t",
        BIRTHS,
        "-t",
        STATES,
        "-W",
        "60",
        "-F",
        "%t %p",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watching:
        wait_until(lambda: "New client connected" in broker.log(), what="mosquitto_sub to connect")
        time.sleep(0.5)  # to subscribe
        deliver(with_waiting_event, broker)
        assert watching.stdout is not None
        shown = {}
        for line in watching.stdout:
            topic, _, payload = line.rstrip("\n").partition(" ")
            shown[topic.removeprefix("stopline/v1/")] = payload
            if topic == "stopline/v1/main-and-3rd/replay/status" and payload == "offline":
                break
        watching.terminate()
    event = json.loads(shown["plain-red-runner/replay/event/violation"])
    assert event["data"]["verdict"] == "violation"
    assert event["data"]["review"] == "required"
    assert shown["main-and-3rd/replay/birth"].startswith("{")


@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "for programs"])
def test_inspect_shows_and_checks_what_arrives(as_json: bool, with_waiting_event: Inputs, broker: Mosquitto) -> None:
    key = with_waiting_event.out / "node.pub.pem"
    words = ["inspect", "--broker", broker.url, "--key", key, "--count", "1", "--for", "60"]
    with running_stopline(*words, *(["--json"] if as_json else [])) as watching:
        assert watching.stderr is not None
        assert "listening" in watching.stderr.readline()
        deliver(with_waiting_event, broker)
        out, err = watching.communicate(timeout=60)
    assert watching.returncode == 0, err
    assert "1 verified, 0 by a key that is not trusted, 0 invalid" in err
    [line] = out.splitlines()
    if as_json:
        seen = json.loads(line)
        assert (seen["check"], seen["lane"], seen["site"]) == ("verified", "lane-2", "plain-red-runner")
    else:
        assert "verified" in line
        assert "red for at least" in line


def test_inspect_without_the_key_ends_with_1(with_waiting_event: Inputs, broker: Mosquitto) -> None:
    with running_stopline("inspect", "--broker", broker.url, "--count", "1", "--for", "60") as watching:
        assert watching.stderr is not None
        assert "listening" in watching.stderr.readline()
        deliver(with_waiting_event, broker)
        out, err = watching.communicate(timeout=60)
    assert watching.returncode == 1, err
    assert "key not trusted" in out
    assert "red for at least" not in out, "what is not verified is not shown"


def test_inspect_where_nothing_comes_ends_with_3(command: Command, broker: Mosquitto) -> None:
    outcome = command("inspect", "--broker", broker.url, "--for", "0.5")
    assert outcome.code == 3
    assert "0 verified" in outcome.err


def test_inspect_where_no_broker_is_ends_with_2(command: Command) -> None:
    outcome = command("inspect", "--broker", f"mqtt://127.0.0.1:{free_port()}", "--for", "5")
    assert outcome.code == 2
    assert "is not there: nothing listens on that port" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_broker_killed_during_a_replay_loses_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    """Red all the time makes every passage a violation: some before the broker dies, the others while it is away."""
    recording, out = Recording(FIRST), tmp_path / "out"
    groups = ("north", "cross")
    rows = [row for group in groups for row in ALWAYS_RED.format(group).splitlines()[1:]]
    lamps = tmp_path / "lamps.csv"
    lamps.write_text("\n".join(["t_s,group,red,amber,green", *sorted(rows, key=_time_of)]) + "\n", encoding="utf-8")
    words = recording.words(out, "--broker", broker.url, "--json")
    words[words.index("--signal") + 1] = lamps
    with Listener(broker.port) as listener, running_stopline(*words) as replaying:
        wait_until(lambda: listener.on(TOPIC), timeout_s=120, what="the first event")
        broker.kill()
        wait_until(lambda: _pending(out) or replaying.poll() is not None, timeout_s=120, what="a waiting event")
        assert replaying.poll() is None, "the replay ended before an event had to wait"
        broker.start()
        told, err = replaying.communicate(timeout=200)
        assert replaying.returncode == 0, err
        made = {event["id"]: event for event in events(out)}
        wait_until(lambda: {json.loads(h.payload)["id"] for h in listener.on(TOPIC)} == set(made), what="all events")
        heard = listener.on(TOPIC)
    assert json.loads(told)["waiting"] == 0
    assert len(made) == len(passages(out)) >= 4
    for one in heard:
        assert json.loads(one.payload) == made[json.loads(one.payload)["id"]], "a duplicate differs from the first"


def _time_of(row: str) -> float:
    return float(row.split(",", maxsplit=1)[0])


def _pending(out: Path) -> int:
    with Outbox(out / "outbox.sqlite") as outbox:
        return outbox.counts().pending


@pytest.mark.alone
def test_a_node_runs_live_until_it_is_told_to_stop(tmp_path: Path, broker: Mosquitto) -> None:
    recording = Recording(FIRST)
    assert stopline("keys", "new", tmp_path / "node.key").code == 0
    authority = pyrage.x25519.Identity.generate().to_public()
    node = (
        f'schema = 1\n[node]\nid = "edge-1"\n[broker]\nurl = "{broker.url}"\n[evidence]\nrecipients = ["{authority}"]\n'
    )
    (tmp_path / "node.toml").write_text(node, encoding="utf-8")
    port = free_udp_port()
    words = ["--site", recording.folder / "site.toml", "--signal", recording.folder / "lamps.csv"]
    camera = f"udp://127.0.0.1:{port}?timeout=20000000"
    about = "stopline/v1/plain-red-runner/edge-1"
    with Listener(broker.port) as listener:
        with running_stopline("run", camera, *words, "--node", tmp_path / "node.toml") as running:
            time.sleep(2.0)  # until it listens
            with live(recording.video, port):
                wait_until(lambda: listener.on(f"{about}/signal"), timeout_s=60, what="the first phase")
                running.send_signal(signal.SIGTERM)
                out, err = running.communicate(timeout=60)
        wait_until(lambda: [one.payload for one in listener.on(f"{about}/status")] == [b"online", b"offline"])
        birth = json.loads(listener.on(f"{about}/birth")[0].payload)
    assert running.returncode == 0, err
    frames = int(out.split()[0])
    assert frames > 0
    assert birth["kid"]
