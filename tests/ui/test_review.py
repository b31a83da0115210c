"""The review over HTTP: what is listed, shown and decided, for a replay's folder and for a receiver's store."""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge.keys import load_public_keys, load_signing_key
from edge.ui.decisions import check_chain
from tests.command import stopline
from tests.ui.pages import Page, served
from tests.verify.casefile import KEY, casefile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.verify.casefile import CaseFile


@pytest.fixture
def reviewer(tmp_path: Path) -> Path:
    done = stopline("keys", "new", tmp_path / "reviewer.key")
    assert done.code == 0, done.err
    return tmp_path / "reviewer.key"


@pytest.fixture
def page(replayed: Path, reviewer: Path) -> Iterator[Page]:
    with served(replayed, "--sign-with", reviewer) as running:
        yield running.enter()


def test_a_replay_is_listed_and_each_case_is_checked(page: Page, one_case: CaseFile) -> None:
    event_id = one_case.document["id"]
    assert f"/case/{event_id}" in page.ask("/").text
    shown = page.ask(f"/case/{event_id}").text
    assert "unchanged since it was signed, and the verdict follows from the raw data" in shown
    assert "The key lay beside the events" in shown
    assert f"/case/{event_id}/clip.mp4" in shown


def test_evidence_comes_out_of_the_bundle_whole_or_in_parts(page: Page, one_case: CaseFile) -> None:
    clip = f"/case/{one_case.document['id']}/clip.mp4"
    whole = page.ask(clip)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.body == b"clip.mp4" * 40
    part = page.ask(clip, headers={"range": "bytes=8-15"})
    assert (part.status, part.body) == (206, b"clip.mp4")
    assert part.headers["content-range"] == "bytes 8-15/320"
    rest = page.ask(clip, headers={"range": "bytes=312-"})
    assert (rest.status, rest.body) == (206, b"clip.mp4")
    assert page.ask(clip, headers={"range": "bytes=320-"}).status == 416
    assert page.ask(clip, headers={"range": "bytes=9-8"}).status == 416


def test_a_decision_is_signed_and_shown(page: Page, one_case: CaseFile, replayed: Path, reviewer: Path) -> None:
    event_id = one_case.document["id"]
    assert page.decide(event_id, "choice=reject&reason=made_way").status == 303
    assert "it made way for an emergency vehicle" in page.ask(f"/case/{event_id}").text
    lines = (replayed / "decisions.jsonl").read_bytes().splitlines()
    assert check_chain(lines, load_public_keys([reviewer.with_name("reviewer.pub.pem")])) == []
    (line,) = map(json.loads, lines)
    assert line["event_sha256"] == hashlib.sha256(one_case.event).hexdigest()
    assert line["reviewer"] == load_signing_key(reviewer).kid
    assert f"/case/{event_id}" in page.ask("/?state=reject").text
    assert f"/case/{event_id}" not in page.ask("/?state=open").text
    assert page.decide(event_id, "choice=confirm").status == 303
    assert f"/case/{event_id}" in page.ask("/?state=confirm").text


@pytest.mark.parametrize("form", ["", "choice=reject", "choice=reject&reason=dislike", "choice=fine", "choice=erase"])
def test_what_is_no_decision_changes_nothing(page: Page, one_case: CaseFile, replayed: Path, form: str) -> None:
    assert page.decide(one_case.document["id"], form).status == 400
    assert not (replayed / "decisions.jsonl").exists()


def test_without_a_reviewers_key_nothing_is_decided(replayed: Path, one_case: CaseFile) -> None:
    with served(replayed) as running:
        page = running.enter()
        assert "--sign-with" in page.ask(f"/case/{one_case.document['id']}").text
        assert page.decide(one_case.document["id"], "choice=confirm").status == 403
    assert not (replayed / "decisions.jsonl").exists()


def test_there_is_no_way_to_seek_a_vehicle(page: Page) -> None:
    fields = set(re.findall(r'<(?:select|input|textarea)[^>]* name="([^"]*)"', page.ask("/").text))
    assert fields == {"node", "lane", "month", "state"}


def test_the_filters_hold(page: Page, one_case: CaseFile) -> None:
    event_id = one_case.document["id"]
    month, lane = one_case.document["time"][:7], one_case.document["subject"]
    for asked, listed in (
        (f"month={month}&lane={lane}", True),
        ("month=1999-01", False),
        ("lane=another", False),
        ("node=a/b", False),
        ("month=%25&lane=%25", False),
        ("skip=-1&state=nothing", True),
        ("skip=1", False),
    ):
        assert (f"/case/{event_id}" in page.ask(f"/?{asked}").text) is listed, asked


@pytest.mark.parametrize(("language", "word"), [("de", "Fälle"), ("fr", "Cas"), ("en", "Cases")])
def test_it_speaks_the_readers_language(page: Page, language: str, word: str) -> None:
    assert f"<h1>{word}</h1>" in page.ask("/", headers={"accept-language": language}).text
    assert f'<html lang="{language}">' in page.ask(f"/?lang={language}").text


def test_sealed_evidence_is_opened_in_memory_only(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "age.key").write_text(str(identity), encoding="utf-8")
    sealed = casefile(tmp_path / "site")
    sealed.recipients = (str(identity.to_public()),)
    sealed.finish()
    folder = tmp_path / "out"
    (folder / "evidence").mkdir(parents=True)
    (folder / "events.jsonl").write_bytes(sealed.event + b"\n")
    (folder / "evidence" / f"{sealed.document['id']}.tar.age").write_bytes(sealed.sent)
    (tmp_path / "node.pem").write_bytes(KEY.public.pem)
    before = sorted(folder.rglob("*"))
    case = f"/case/{sealed.document['id']}"
    with served(folder, "--key", tmp_path / "node.pem") as closed:
        page = closed.enter()
        assert "There is no film of this case at hand" in page.ask(case).text
        assert page.ask(f"{case}/clip.mp4").status == 404
    with served(folder, "--key", tmp_path / "node.pem", "--identity", tmp_path / "age.key") as opened:
        page = opened.enter()
        assert page.ask(f"{case}/clip.mp4").body == b"clip.mp4" * 40
        assert "The key lay beside" not in page.ask(case).text
    assert sorted(folder.rglob("*")) == before


def test_what_came_from_outside_cannot_become_markup(tmp_path: Path, replayed: Path, one_case: CaseFile) -> None:
    changed = one_case.event.replace(b'"vehicle_class":"car"', b'"vehicle_class":"<script>alert(1)</script>"')
    (replayed / "events.jsonl").write_bytes(one_case.event + b"\n" + changed + b"\nnot json\n\n")
    with served(replayed) as running:
        assert b"<script>alert" not in running.enter().ask("/").body


@pytest.fixture
def store(tmp_path: Path, one_case: CaseFile) -> Path:
    """A receiver's store with the case and sixty events of another node."""
    pytest.importorskip("sqlalchemy", reason="the receiver's extra is not installed: pip install 'stopline[receive]'")
    from edge.receive.store import open_store
    from tests.receive.fleet_of_cases import made
    from tests.receive.messages import judged, messages_of

    messages = messages_of(one_case.event, one_case.sent)
    messages += [message for number in range(1, 61) for message in made(number, "edge-2").messages]
    with open_store(tmp_path / "store") as opened:
        taken = opened.take(judged(*messages), int(time.time() * 1000))
        assert (taken.events, taken.bundles, taken.refused) == (61, 1, ())
    (tmp_path / "node.pem").write_bytes(KEY.public.pem)
    return tmp_path / "store"


def test_a_store_is_listed_in_pages(store: Path) -> None:
    with served("--store", store, "--key", store.parent / "node.pem") as running:
        page = running.enter()
        first = page.ask("/").text
        assert len(re.findall(r'href="/case/', first)) == 50
        (earlier,) = re.findall(r'rel="next" href="/\?([^"]*)"', first)
        second = page.ask(f"/?{earlier.replace('&amp;', '&')}").text
        assert len(re.findall(r'href="/case/', second)) == 11
        assert 'rel="next"' not in second
        assert 'rel="prev"' in second
        of_one = page.ask("/?node=main-and-3rd/edge-1").text
        assert len(re.findall(r'href="/case/', of_one)) == 1


def test_an_erased_case_is_gone_and_its_record_tells_nothing(store: Path, one_case: CaseFile, reviewer: Path) -> None:
    from edge.receive.store import open_store

    event_id = one_case.document["id"]
    with served("--store", store, "--key", store.parent / "node.pem", "--sign-with", reviewer) as running:
        page = running.enter()
        assert page.ask(f"/case/{event_id}/clip.mp4").status == 200
        assert page.decide(event_id, "choice=erase").headers["location"] == "/"
        assert page.ask(f"/case/{event_id}").status == 404
        assert page.ask(f"/case/{event_id}/clip.mp4").status == 404
    with open_store(store) as opened:
        assert opened.count() == 60
        assert opened.bundle(event_id) is None
    record = (store / "decisions.jsonl").read_text(encoding="utf-8")
    assert json.loads(record)["choice"] == "erase"
    assert event_id not in record
