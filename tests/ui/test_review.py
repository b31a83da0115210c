"""The review over HTTP: what is listed, shown and decided, for a replay's folder and for a receiver's store."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import re
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyrage
import pytest
from starlette.exceptions import HTTPException

from edge import verify
from edge.commands.verify import Evidence
from edge.decisions import Choice, Decision, check_chain, sign_decision
from edge.errors import StoreError
from edge.keys import load_public_keys, load_signing_key
from edge.ui.cases import Entry, ReplayCases, Wanted, entry_of
from edge.ui.journal import Journal
from edge.ui.look import Look
from edge.ui.review import Desk, Opened, Review
from tests.cases import signing_key
from tests.command import stopline
from tests.receive.fleet_of_cases import made
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


def test_a_replay_is_listed_and_each_case_is_checked(entered: Page, one_case: CaseFile) -> None:
    event_id = one_case.document["id"]
    assert f"/case/{event_id}" in entered.ask("/").text
    shown = entered.ask(f"/case/{event_id}").text
    assert "Unchanged since it was signed, and the verdict follows from the raw data" in shown
    assert "The key lay beside the events" in shown
    assert f"/case/{event_id}/clip.mp4" in shown


def test_evidence_comes_out_of_the_bundle_whole_or_in_parts(entered: Page, one_case: CaseFile) -> None:
    clip = f"/case/{one_case.document['id']}/clip.mp4"
    whole = entered.ask(clip)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.body == b"clip.mp4" * 40
    part = entered.ask(clip, headers={"range": "bytes=8-15"})
    assert (part.status, part.body) == (206, b"clip.mp4")
    assert part.headers["content-range"] == "bytes 8-15/320"
    rest = entered.ask(clip, headers={"range": "bytes=312-"})
    assert (rest.status, rest.body) == (206, b"clip.mp4")
    assert entered.ask(clip, headers={"range": "bytes=320-"}).status == 416
    assert entered.ask(clip, headers={"range": "bytes=9-8"}).status == 416


def test_a_decision_is_signed_and_shown(page: Page, one_case: CaseFile, replayed: Path, reviewer: Path) -> None:
    event_id = one_case.document["id"]
    assert page.decide(event_id, "choice=reject&reason=made_way").status == 303
    assert "it made way for an emergency vehicle" in page.ask(f"/case/{event_id}").text
    lines = (replayed / "decisions.jsonl").read_bytes().splitlines()
    assert list(check_chain(lines, load_public_keys([reviewer.with_name("reviewer.pub.pem")]))) == []
    (line,) = map(json.loads, lines)
    assert line["event_sha256"] == hashlib.sha256(one_case.event).hexdigest()
    assert line["reviewer"] == load_signing_key(reviewer).kid
    assert f"/case/{event_id}" in page.ask("/?state=reject").text
    assert f"/case/{event_id}" not in page.ask("/?state=open").text
    assert page.decide(event_id, "choice=confirm").status == 303
    assert f"/case/{event_id}" in page.ask("/?state=confirm").text


def test_what_is_no_decision_changes_nothing(page: Page, one_case: CaseFile, replayed: Path) -> None:
    for form in (
        "",
        "choice=reject",
        "choice=reject&reason=dislike",
        "choice=fine",
        "choice=confirm" + "&a=1" * 10,
        "choice=%FF&%00=%00",
    ):
        answer = page.decide(one_case.document["id"], form)
        assert answer.status == 400, form
        assert "Choose whether to confirm, reject with a reason, or erase" in answer.text
    assert not (replayed / "decisions.jsonl").exists()


@pytest.mark.parametrize(
    "query", ["skip=-1", "skip=99999999999999999999", "skip=1e3", "skip=%D9%A1", "skip=", "lane=%00", "node=a%0Ab"]
)
def test_a_list_that_is_not_there_is_refused_in_words(entered: Page, query: str) -> None:
    for path in ("/", "/cases.csv"):
        answer = entered.ask(f"{path}?{query}")
        assert answer.status == (200 if path == "/cases.csv" and "skip" in query else 400), path
        assert b"Traceback" not in answer.body
    assert entered.ask("/?skip=999999999").status == 200


def test_a_decision_that_nobody_can_rely_on_counts_as_none(
    replayed: Path, one_case: CaseFile, reviewer: Path, tmp_path: Path
) -> None:
    """Forged, by a colleague whose key is not known, and by one whose key is: told apart on every page."""
    event_id, sha256 = one_case.document["id"], hashlib.sha256(one_case.event).hexdigest()
    colleague, forger = signing_key(0xC0), signing_key(0xBAD)
    (tmp_path / "colleague.pem").write_bytes(colleague.public.pem)
    at = datetime(2026, 5, 4, tzinfo=UTC)
    own = load_signing_key(reviewer).kid
    forged = sign_decision(Decision(sha256, Choice.CONFIRM, None, at, own), None, forger)
    true = sign_decision(Decision(sha256, Choice.CONFIRM, None, at, colleague.kid), None, colleague)
    for line, words, state, says in (
        (forged, [], "unverified", "but changed after it was signed"),
        (true, [], "unverified", "which is not known here"),
        (true, ["--reviewer-key", tmp_path / "colleague.pem"], "confirm", "signed by the key"),
    ):
        (replayed / "decisions.jsonl").write_bytes(line + b"\n")
        with served(replayed, "--sign-with", reviewer, *words) as running:
            page = running.enter()
            shown = page.ask(f"/case/{event_id}").text
            assert says in shown
            assert f'<span class="tag {state}">' in shown
            assert f"/case/{event_id}" in page.ask(f"/?state={state}").text
            assert (f"/case/{event_id}" in page.ask("/?state=confirm").text) is (state == "confirm")
            holds = state == "confirm"
            for path in ("/", "/report"):
                assert ("not known here: 1." in page.ask(path).text) is not holds
            (row,) = csv.DictReader(io.StringIO(page.ask("/cases.csv").text, newline=""))
            standing = {True: "holds", False: "changed" if line is forged else "key_unknown"}[holds]
            assert (row["state"], row["signature"]) == (state, standing)
            counts = {row["decision"]: row["count"] for row in _sheet_of(page, "decisions")}
            assert counts == {"confirm": str(int(holds)), "erase": "0", "unverified": str(int(not holds)), "open": "0"}
            if not holds:
                assert page.decide(event_id, "choice=confirm").status == 303
                assert '<span class="tag confirm">' in page.ask(f"/case/{event_id}").text


def _sheet_of(page: Page, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.ask(f"/report/{name}.csv").text, newline="")))


def test_without_a_reviewers_key_nothing_is_decided(entered: Page, one_case: CaseFile) -> None:
    event_id = one_case.document["id"]
    assert "--sign-with" in entered.ask(f"/case/{event_id}").text
    assert entered.decide(event_id, "choice=confirm").status == 403
    assert entered.decide(event_id, "choice=erase").status == 403
    assert "Nobody has decided on this case yet" in entered.ask(f"/case/{event_id}").text


def test_there_is_no_way_to_seek_a_vehicle(entered: Page) -> None:
    fields = set(re.findall(r'<(?:select|input|textarea)[^>]* name="([^"]*)"', entered.ask("/").text))
    assert fields == {"node", "lane", "month", "state"}


def test_the_filters_hold(entered: Page, one_case: CaseFile) -> None:
    event_id = one_case.document["id"]
    month, lane = one_case.document["time"][:7], one_case.document["subject"]
    for asked, listed in (
        (f"month={month}&lane={lane}", True),
        ("month=1999-01", False),
        ("lane=another", False),
        ("node=a/b", False),
        ("month=%25&lane=%25", False),
        ("skip=0&state=nothing", True),
        ("skip=1", False),
    ):
        assert (f"/case/{event_id}" in entered.ask(f"/?{asked}").text) is listed, asked


@pytest.mark.parametrize(("language", "word"), [("de", "Fälle"), ("fr", "Cas"), ("en", "Cases")])
def test_it_speaks_the_readers_language(entered: Page, language: str, word: str) -> None:
    assert f"<h1>{word}</h1>" in entered.ask("/", headers={"accept-language": language}).text
    assert f'<html lang="{language}">' in entered.ask(f"/?lang={language}").text


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


def test_a_case_of_a_replay_is_erased_and_nothing_else(replayed: Path, one_case: CaseFile, reviewer: Path) -> None:
    event_id = one_case.document["id"]
    others = [made(number).raw for number in (1, 2)]
    kept = b"not json\n" + others[0] + b"\n" + others[1] + b"\n"
    (replayed / "events.jsonl").write_bytes(kept.replace(others[1], one_case.event + b"\n" + others[1]))
    (replayed / "events.jsonl").chmod(0o640)
    bundle = replayed / "evidence" / f"{event_id}.tar"
    with served(replayed, "--sign-with", reviewer) as one, served(replayed) as other:
        page, looking = one.enter(), other.enter()
        assert "passages.csv stays" in page.ask(f"/case/{event_id}").text
        assert looking.ask(f"/case/{event_id}/clip.mp4").status == 200
        assert page.decide(event_id, "choice=erase").headers["location"] == "/"
        for either in (page, looking):
            assert either.ask(f"/case/{event_id}").status == 404
            assert either.ask(f"/case/{event_id}/clip.mp4").status == 404
            assert either.ask("/").text.count('href="/case/') == 2
        assert "Cases to be erased by what was decided" not in page.ask("/report").text
    assert not bundle.exists()
    assert (replayed / "events.jsonl").read_bytes() == kept
    assert (replayed / "events.jsonl").stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in replayed.iterdir()) == [
        "decisions.jsonl",
        "events.jsonl",
        "evidence",
        "node.pub.pem",
    ]
    (line,) = (replayed / "decisions.jsonl").read_bytes().splitlines()
    assert json.loads(line)["choice"] == "erase"
    assert event_id.encode() not in line
    assert not ReplayCases(replayed).erase(event_id)


def test_pages_that_erase_at_the_same_time_take_nothing_else_away(tmp_path: Path) -> None:
    cases = [made(number) for number in range(1, 17)]
    (tmp_path / "events.jsonl").write_bytes(b"".join(case.raw + b"\n" for case in cases))
    one, other = ReplayCases(tmp_path), ReplayCases(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit([one, other][number % 2].erase, case.id) for number, case in enumerate(cases[:12])]
        assert all(erased.result() for erased in done)
    assert {entry.id for entry in one.entries(Wanted())} == {case.id for case in cases[12:]}


def test_a_case_that_cannot_be_erased_is_still_there_and_told(
    replayed: Path, one_case: CaseFile, reviewer: Path
) -> None:
    event_id = one_case.document["id"]
    bundle = replayed / "evidence" / f"{event_id}.tar"
    bundle.unlink()
    (bundle / "in the way").mkdir(parents=True)  # what is no file cannot be taken away as one
    with served(replayed, "--sign-with", reviewer) as running:
        page = running.enter()
        answer = page.decide(event_id, "choice=erase")
        assert answer.status == 500
        assert "is to be erased is recorded, but it is here still" in answer.text
        assert '<span class="tag erase">to be erased</span>' in page.ask("/?state=erase").text
        shutil.rmtree(bundle)
        assert page.decide(event_id, "choice=erase").status == 303
        assert page.ask(f"/case/{event_id}").status == 404


class CountedCases(ReplayCases):
    """Of a replay, with how often a bundle was read."""

    bundles = 0

    def bundle(self, event_id: str) -> bytes | None:
        self.bundles += 1
        return super().bundle(event_id)


def desk_of(cases: ReplayCases, folder: Path) -> Desk:
    keys = dict([verify.load_key(KEY.public.pem)])
    return Desk(cases, Evidence(), keys, Journal(folder / "decisions.jsonl", {}), KEY, keys_given=True)


def test_the_pictures_of_a_page_come_out_of_one_opening(replayed: Path, one_case: CaseFile) -> None:
    cases = CountedCases(replayed)
    opened = Opened(desk_of(cases, replayed))
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(opened.page, one_case.document["id"], one_case.event) for _ in range(12)]
        assert len({id(page.result()) for page in asked}) == 1
    assert cases.bundles == 1
    opened.forget(one_case.document["id"])
    opened.page(one_case.document["id"], one_case.event)
    assert cases.bundles == 2


def test_evidence_that_comes_after_a_case_was_opened_is_shown(replayed: Path, one_case: CaseFile) -> None:
    opened = Opened(desk_of(ReplayCases(replayed), replayed))
    (bundle,) = (replayed / "evidence").iterdir()
    late = bundle.rename(replayed / "late.tar")
    assert not opened.page(one_case.document["id"], one_case.event).files
    late.rename(bundle)
    assert "clip.mp4" in opened.page(one_case.document["id"], one_case.event).files


def test_what_somebody_else_erased_meanwhile_is_told(replayed: Path) -> None:
    review = Review(desk_of(ReplayCases(replayed), replayed), Look())
    with pytest.raises(HTTPException, match="somebody had erased it before") as told:
        review._erase("01976f3e-5a10-7c3b-9d52-000000000000")
    assert told.value.status_code == 409


def test_a_file_that_is_waited_for_holds_up_no_other_page(page: Page, one_case: CaseFile, replayed: Path) -> None:
    event_id = one_case.document["id"]
    assert page.decide(event_id, "choice=confirm").status == 303
    with (replayed / "decisions.jsonl").open("rb") as file, ThreadPoolExecutor(4) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = [pool.submit(page.ask, path) for path in ("/", f"/case/{event_id}", "/report", "/cases.csv")]
        with pytest.raises(TimeoutError):
            waiting[1].result(timeout=0.5)
        assert page.ask("/static/app.css").status == 200
        assert not any(one.done() for one in waiting)
        fcntl.flock(file, fcntl.LOCK_UN)
        assert [one.result().status for one in waiting] == [200] * 4


def test_events_are_held_to_the_schema_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"".join(made(number).raw + b"\n" for number in range(1, 6)))
    looked_at: list[bytes] = []

    def counted(raw: bytes, *, has_bundle: bool) -> Entry | None:
        looked_at.append(raw)
        return entry_of(raw, has_bundle=has_bundle)

    monkeypatch.setattr("edge.ui.cases.entry_of", counted)
    cases = ReplayCases(tmp_path)
    for _ in range(3):
        assert len(list(cases.entries(Wanted()))) == 5
        assert cases.choices().lanes
    assert len([raw for raw in looked_at if raw]) == 5
    with events.open("ab") as opened:
        opened.write(made(6).raw + b"\n")
    assert len(list(cases.entries(Wanted()))) == 6
    events.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        cases.event("x")


@pytest.fixture
def store(tmp_path: Path, one_case: CaseFile) -> Path:
    """A receiver's store with the case and sixty events of another node."""
    pytest.importorskip("sqlalchemy", reason="the receiver's extra is not installed: pip install 'stopline[receive]'")
    from edge.receive.store import open_store
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
    from edge.ui.store_cases import StoreCases

    event_id = one_case.document["id"]
    with served("--store", store, "--key", store.parent / "node.pem", "--sign-with", reviewer) as running:
        page = running.enter()
        assert page.ask(f"/case/{event_id}/clip.mp4").status == 200
        assert page.decide(event_id, "choice=erase").headers["location"] == "/"
        assert page.ask(f"/case/{event_id}").status == 404
        assert page.ask(f"/case/{event_id}/clip.mp4").status == 404
        with sqlite3.connect(store / "events.sqlite") as database:
            database.execute("CREATE TRIGGER keeps BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'kept'); END")
        another = made(1, "edge-2").id
        answer = page.decide(another, "choice=erase")
        assert answer.status == 500
        assert "is recorded, but it is here still: The store cannot do its part (kept)" in answer.text
        assert page.ask(f"/case/{another}").status == 200
        assert "to be erased" in page.ask("/report?month=2025-06").text
    with open_store(store) as opened:
        assert not StoreCases(opened, str(store)).erase(event_id)
        assert opened.count() == 60
        assert opened.bundle(event_id) is None
    record = (store / "decisions.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["choice"] for line in record.splitlines()] == ["erase", "erase"]
    assert event_id not in record
