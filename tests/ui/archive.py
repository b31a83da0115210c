"""What a receiver keeps of some weeks: cases of three nodes, decisions on them, what two of the nodes counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pyrage

from edge.decisions import Choice, Reason
from edge.keys import create_key, load_public_keys, load_signing_key, trust
from edge.keys.trusted import Trust
from edge.messages import encoded
from edge.receive.hearing import hear
from edge.receive.store import open_store
from edge.receive.tallies import read_health
from edge.receive.trust import Trusted
from edge.ui.journal import Journal
from tests.command import stopline
from tests.receive.fleet_of_cases import Made, made
from tests.receive.health_of_nodes import health
from tests.receive.messages import judged, messages_of
from tests.recordings import Recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.receive.store import Store

MONTH = "2026-05"
START = datetime(2026, 5, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
HOUR_MS = 3_600_000
VEHICLES = ("car", "car", "van", "motorcycle", "car", "truck", "bus")
REJECTED = {3: Reason.PICTURE_UNCLEAR, 5: Reason.MADE_WAY, 8: Reason.PICTURE_UNCLEAR}
UNDECIDED = {11, 12}


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recording that a node sealed and replayed: the folder, and beside it the keys that it takes to review it."""

    folder: Path

    @property
    def out(self) -> Path:
        """What the replay wrote."""
        return self.folder / "out"

    @property
    def raw(self) -> bytes:
        """Its one event."""
        return (self.out / "events.jsonl").read_bytes().removesuffix(b"\n")

    @property
    def event_id(self) -> str:
        """The event's id."""
        return str(json.loads(self.raw)["id"])

    @property
    def words(self) -> list[object]:
        """What opens and checks its cases, and who signs decisions."""
        keys = ["--identity", self.folder / "age.key", "--sign-with", self.folder / "reviewer.key"]
        return ["--key", self.folder / "node.pub.pem", *keys]


def replay_sealed(folder: Path) -> Replayed:
    """A recording replayed by a node of its own."""
    identity = pyrage.x25519.Identity.generate()
    (folder / "age.key").write_text(str(identity), encoding="utf-8")
    for name in ("node", "reviewer"):
        key = create_key(folder / f"{name}.key")
        (folder / f"{name}.pub.pem").write_bytes(key.public.pem)
    (folder / "node.toml").write_text(
        f'schema = 1\n[node]\nid = "edge-1"\nkey = "node.key"\n[evidence]\nrecipients = ["{identity.to_public()}"]\n',
        encoding="utf-8",
    )
    words = ["--node", folder / "node.toml", "--start", "2026-06-02T06:00:00Z", "--keep-tracks"]
    done = stopline(*Recording("plain_red_runner").words(folder / "out", *words))
    assert done.code == 0, done.err
    return Replayed(folder)


def fill(folder: Path, replayed: Replayed) -> Path:
    """An archive of a dozen made-up cases, and of the one that was replayed, which is in no month of the report."""
    with open_store(str(folder)) as store:
        cases = list(a_dozen())
        for case in cases:
            at_ms = int(datetime.fromisoformat(json.loads(case.raw)["time"]).timestamp() * 1000)
            taken = store.take(judged(*case.messages), at_ms)
            assert taken.events == 1, taken
        _take_real(store, replayed)
        _decide(folder / "decisions.jsonl", cases, replayed)
        for node in (1, 2):
            origin = f"main-and-3rd/edge-{node}"
            heard = [read_health(origin, payload, at_ms) for at_ms, payload in a_months_messages(node)]
            assert None not in heard
            hear(store, [one for one in heard if one is not None], {origin})
    return folder


def a_dozen() -> Iterator[Made]:
    """Cases of two nodes, two lanes and all kinds of vehicles; of one of them the bundle never came."""
    dice = Random(12)  # noqa: S311 - the same every time
    for number in range(1, 13):
        at = START + timedelta(days=2 * number, hours=dice.randint(5, 20), seconds=dice.randint(0, 3599))
        told = (
            ("through", "left")[number % 3 == 0],
            VEHICLES[number % len(VEHICLES)],
            round(0.6 + dice.expovariate(0.8), 3),
        )
        yield made(
            number,
            f"edge-{1 + number % 2}",
            bundle_bytes=0 if number == 7 else 900,
            time=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            change=lambda document, told=told: _tell(document, *told),
        )


def _tell(document: dict[str, Any], lane: str, vehicle_class: str, least_s: float) -> None:
    document["subject"] = document["data"]["lane"] = lane
    document["data"]["vehicle_class"] = vehicle_class
    document["data"]["red_time"]["at_least_s"] = least_s


def _take_real(store: Store, replayed: Replayed) -> None:
    trusted = Trusted(Trust({}), load_public_keys([replayed.folder / "node.pub.pem"]))
    (bundle,) = (replayed.out / "evidence").iterdir()
    messages = messages_of(replayed.raw, bundle.read_bytes())
    taken = store.take(judged(*messages, trusted=trusted), START_MS + 40 * 24 * HOUR_MS)
    assert (taken.events, taken.bundles) == (1, 1), taken


def _decide(file: Path, cases: list[Made], replayed: Replayed) -> None:
    """By the reviewer's key, some hours after each case."""
    key = load_signing_key(replayed.folder / "reviewer.key")
    journal = Journal(file, trust(key.public))
    for number, case in enumerate(cases, start=1):
        if number not in UNDECIDED:
            reason = REJECTED.get(number)
            at = datetime.fromisoformat(json.loads(case.raw)["time"]) + timedelta(hours=9)
            journal.add(Choice.REJECT if reason else Choice.CONFIRM, reason, case.sha256, at, key)


def a_months_messages(node: int) -> Iterator[tuple[int, bytes]]:
    """A node's ``health`` at each hour of a month; one node is started anew in the middle, one loses a day."""
    dice = Random(node)  # noqa: S311 - the same month every time
    passages = {"on_green": 0, "on_amber": 0, "violation": 0, "within_grace": 0, "rear_margin": 0, "doubtful_track": 0}
    ambers: dict[str, int] = {}
    since, number = 0, 0
    for hour in range(1, 31 * 24):
        if node == 2 and hour == 300:
            since, number, ambers, passages = hour, 0, {}, dict.fromkeys(passages, 0)
        number += 1
        for verdict, at_most in (("on_green", 240), ("on_amber", 18), ("within_grace", 3)):
            passages[verdict] += dice.randint(0, at_most)
        passages["violation"] += hour % 120 == 0
        for name in ("rear_margin", "doubtful_track"):
            passages[name] += dice.random() < 0.05
        for _ in range(40):
            length = f"{dice.gauss(3.04, 0.015):.2f}"
            ambers[length] = ambers.get(length, 0) + 1
        if node == 2 and 500 <= hour < 524:
            continue
        is_night = node == 1 and hour % 24 < 2 and hour > 24
        said = health(
            number,
            (hour - since) * 3600.0 + 10,
            run=f"{node * 1000 + since:016x}",
            passages=passages,
            ambers=dict(ambers),
            faults={"short_amber": sum(n for name, n in ambers.items() if float(name) < 3), "dark": hour // 200},
            armed=not is_night,
            for_s=min(3600.0, (hour - since) * 3600.0),
            reasons=("picture",) if is_night else (),
            group="north",
            reopened=hour // 250,
        )
        yield START_MS + hour * HOUR_MS, encoded(said)
