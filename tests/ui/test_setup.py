"""The set-up page's server, asked as the page asks it: drafts judged, lamps read, a site saved, a node commissioned."""

from __future__ import annotations

import hashlib
import json
import re
import time
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import passages, stopline
from tests.recordings import Recording
from tests.ui.pages import Page, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
RECORDING = Recording("plain_red_runner")


def told(page: Page, path: str, sent: object = None, method: str | None = None) -> tuple[int, Any]:
    """What the page is told; ``sent`` goes as JSON."""
    headers = {"origin": f"http://127.0.0.1:{page.port}", "content-type": "application/json"}
    body = None if sent is None else json.dumps(sent).encode()
    answer = page.ask(path, method=method or ("GET" if sent is None else "POST"), body=body, headers=headers)
    return answer.status, json.loads(answer.body)


def watched(page: Page) -> Any:
    """The state once the recording has been watched and a proposal made of it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        _, state = told(page, "/api/state")
        if state["proposed"]:
            return state
        time.sleep(0.2)
    raise AssertionError("it was not watched to its end")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set up")
    (folder / "site.toml").write_bytes(b"# Mine.\n" + (RECORDING.folder / "site.toml").read_bytes())
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    words = ["--site", folder / "site.toml", "--signal", RECORDING.folder / "lamps.csv"]
    with served(RECORDING.video, *words) as running:
        yield running.enter()


@pytest.fixture(scope="module")
def state(page: Page) -> Any:
    return watched(page)


def test_kept_tracks_are_judged_as_a_replay_judges_the_recording(state: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = stopline(*RECORDING.words(out, "--no-evidence"))
    assert done.code == 0, done.err
    rows = [(row["lane"], row["track"], row["class"], row["verdict"], float(row["t_cross_s"])) for row in passages(out)]
    found = state["judged"]["passages"]
    assert [(one["lane"], str(one["track"]), one["class"], one["verdict"], one["t_s"]) for one in found] == rows
    assert len(rows) == 4


def test_a_draft_is_judged_at_once_by_the_tracks_that_are_kept(page: Page, state: Any) -> None:
    site = json.loads(json.dumps(state["site"]))
    site["lanes"] = site["lanes"][:1]
    began_s = time.perf_counter()
    status, judged = told(page, "/api/site", site, "PUT")
    assert time.perf_counter() - began_s < 1
    assert status == 200
    assert {one["lane"] for one in judged["passages"]} == {"lane-1"}
    site["rule"]["grace_s"] = 60.0
    site["lanes"] = state["site"]["lanes"]
    _, judged = told(page, "/api/site", site, "PUT")
    assert [one["verdict"] for one in judged["passages"] if one["phase"] == "red"] == ["within_grace"]
    status, judged = told(page, "/api/site", state["site"], "PUT")
    assert judged["passages"] == state["judged"]["passages"]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (lambda site: site["lanes"][0].update(direction=[1, 0]), "lanes.0"),
        (lambda site: site["lanes"][1].update(signal_group="south"), "lanes.1.signal_group"),
        (lambda site: site.update(lanes=[]), "lanes"),
        (lambda site: site["camera"].update(size_px=[1280, 720]), "camera.size_px"),
        (lambda site: site["lanes"][0].update(stop_line_px=[[float("nan"), 0], [1, 1]]), "lanes.0.stop_line_px"),
        (lambda site: site.update(colour="red"), "colour"),
    ],
)
def test_what_no_node_could_run_with_is_said_at_its_place(page: Page, state: Any, change: Any, at: str) -> None:
    site = json.loads(json.dumps(state["site"]))
    change(site)
    status, refusal = told(page, "/api/site", site, "PUT")
    assert status == 422
    assert refusal["at"].startswith(at)
    assert refusal["words"]
    _, kept = told(page, "/api/state")
    assert kept["site"] == state["site"]
    assert kept["problem"] == refusal
    assert (kept["wanted"] == site) is ("NaN" not in json.dumps(site))
    status, _ = told(page, "/api/site", state["site"], "PUT")
    assert status == 200
    assert told(page, "/api/state")[1]["wanted"] is None


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/api/site", "PUT", b"no json"),
        ("/api/site", "PUT", b"[1]"),
        ("/api/site", "PUT", b'{"a":' * 2000 + b"1" + b"}" * 2000),
        ("/api/site", "PUT", b'{"lanes":' + b"[" * 50 + b"]" * 50 + b"}"),
        ("/api/lamps", "POST", b"{}"),
        ("/api/lamps", "POST", b'{"view": {"head_px": [1, 2]}}'),
        ("/api/snap", "POST", b'{"line": [[0, 0], [1e400, 0]]}'),
        ("/api/snap", "POST", b'{"line": 7}'),
        ("/api/save", "POST", b'{"by": 7}'),
        ("/api/save", "POST", b'{"by": "", "site": 7}'),
        ("/api/tracks?from=-1", "GET", None),
        ("/api/tracks?from=" + "9" * 30, "GET", None),
        ("/api/tracks?run=x", "GET", None),
        ("/api/take", "POST", b"{}"),
    ],
)
def test_nonsense_is_refused_in_words(page: Page, path: str, method: str, body: bytes | None) -> None:
    answer = page.ask(path, method=method, body=body, headers={"origin": f"http://127.0.0.1:{page.port}"})
    assert answer.status in {400, 422}
    assert answer.body
    assert b"Traceback" not in answer.body


def test_tracks_are_those_of_one_watch(page: Page, state: Any) -> None:
    run = state["watch"]["run"]
    assert state["judged"]["run"] == run
    _, mine = told(page, f"/api/tracks?run={run}&from=640")
    assert (mine["run"], len(mine["frames"])) == (run, 10)
    assert told(page, f"/api/tracks?run={run + 1}&from=640") == (200, {"run": run, "frames": []})


def test_what_a_proposal_rests_on_is_told_in_the_readers_language(page: Page, state: Any) -> None:
    answer = page.ask("/api/state", headers={"cookie": f"{page.cookie}; stopline_language=de"})
    notes = json.loads(answer.body)["notes"]
    assert notes.keys() == state["notes"].keys()
    assert state["notes"]["lanes.0.contact"] == "the boxes shrank on the way: seen from behind"
    assert notes["lanes.0.contact"] == "die Rahmen schrumpften unterwegs: von hinten gesehen"


def test_too_much_is_refused(page: Page) -> None:
    answer = page.ask(
        "/api/site", method="PUT", body=b" " * 1_000_001, headers={"origin": f"http://127.0.0.1:{page.port}"}
    )
    assert answer.status == 413


def test_the_page_holds_no_script_or_style_of_its_own(page: Page) -> None:
    text = page.ask("/setup").text
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick" not in text
    assert re.findall(r"<script[^>]*>[^<]*", text) == ['<script type="module" src="/static/setup/main.js">']


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_another_site_changes_nothing(page: Page, method: str) -> None:
    path = "/api/site" if method == "PUT" else "/api/save"
    for headers in ({}, {"origin": "http://elsewhere.example"}):
        assert page.ask(path, method=method, body=b"{}", headers=headers).status == 403


@pytest.mark.parametrize(
    "path", ["/static/../setup.py", "/static/setup/../../setup.py", "/static/%2e%2e/setup.py", "/film/x"]
)
def test_no_address_becomes_a_path(page: Page, path: str) -> None:
    assert page.ask(path).status == 404


def test_the_film_is_given_in_parts(page: Page) -> None:
    whole = RECORDING.video.read_bytes()
    answer = page.ask("/film", headers={"range": "bytes=100-299"})
    assert (answer.status, answer.body) == (206, whole[100:300])
    assert answer.headers["content-type"] == "video/mp4"


def test_lamps_are_read_where_a_head_is_drawn(page: Page, state: Any) -> None:
    view = state["site"]["signal_groups"][0]["view"]
    status, seen = told(page, "/api/lamps", {"view": view})
    assert status == 200
    assert [phase for *_, phase in seen["bands"]] == ["green", "amber", "red", "green"]
    for (from_s, *_), true_s in zip(seen["bands"], (0.0, 5.0, 8.0, 20.0), strict=True):
        assert from_s == pytest.approx(true_s, abs=0.9)
    lamps = state["judged"]["lamps"]["north"]
    assert (lamps["source"], lamps["exact"]) == ("timeline", True)
    assert [phase for *_, phase in lamps["seen"]] == ["green", "amber", "red", "green"]


@pytest.mark.parametrize("lanes", [[0], [1], [0, 1]])
def test_a_line_beside_the_paint_is_drawn_to_where_boxes_cross_it(page: Page, state: Any, lanes: list[int]) -> None:
    drawn = [state["site"]["lanes"][lane]["stop_line_px"] for lane in lanes]
    line = [drawn[0][0], drawn[-1][1]]
    _, near = told(page, "/api/snap", {"line": [[x, y + 7] for x, y in line]})
    for (_, y), (_, true_y) in zip(near["line"], line, strict=True):
        assert y == pytest.approx(true_y, abs=3)
    _, none = told(page, "/api/snap", {"line": [[300, 40], [340, 42]]})
    assert none["line"] is None


def test_the_ground_is_drawn_in_metres(page: Page, state: Any) -> None:
    site = json.loads(json.dumps(state["site"]))
    site["calibration"] = {
        "points_px": [[250, 300], [400, 300], [380, 200], [280, 200]],
        "points_m": [[0, 0], [3.5, 0], [3.5, 12], [0, 12]],
    }
    status, judged = told(page, "/api/site", site, "PUT")
    assert status == 200
    assert len(judged["grid"]) > 15
    # The rectangle's own near edge is one of the lines, on the row that was drawn.
    assert any(abs(y1 - 300) < 0.5 and abs(y2 - 300) < 0.5 for (_, y1), (_, y2) in judged["grid"])
    told(page, "/api/site", state["site"], "PUT")


def test_news_come_by_themselves(page: Page, state: Any) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("GET", "/api/events", headers={"cookie": page.cookie})
    answer = connection.getresponse()
    heard = answer.read1(65536).decode()
    while heard.count("\n\n") < 3:
        heard += answer.read1(65536).decode()
    connection.close()
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = dict(one.removeprefix("event: ").split("\ndata: ", 1) for one in heard.strip().split("\n\n"))
    assert json.loads(events["watch"])["done"]
    assert json.loads(events["judged"])["passages"] == state["judged"]["passages"]
    assert json.loads(events["proposal"])["proposal"]["lanes"]


def test_saving_keeps_comments_and_leaves_alone_what_others_wrote(page: Page, state: Any, folder: Path) -> None:
    site = json.loads(json.dumps(state["site"]))
    site["masks"] = [{"region_px": [0, 0, 40, 40], "why": "windows"}]
    told(page, "/api/site", site, "PUT")
    status, done = told(page, "/api/save", {"by": ""})
    assert (status, done["commissioned"], done["site"]) == (200, None, site)
    lamps, site_file = RECORDING.folder / "lamps.csv", folder / "site.toml"
    words = f"stopline replay {RECORDING.video} --site '{site_file}' --signal {lamps}"
    assert done["next"] == {"what": "replay", "command": words}
    text = (folder / "site.toml").read_text(encoding="utf-8")
    assert text.startswith("# Mine.\n")
    assert tomllib.loads(text)["masks"] == [{"region_px": [0, 0, 40, 40], "why": "windows"}]

    # What is saved is what was drawn when that was asked for, though a later draft may be here by then.
    then = {**site, "site": {**site["site"], "name": "As it was"}}
    told(page, "/api/site", {**then, "site": {**then["site"], "name": "As it is now"}}, "PUT")
    status, done = told(page, "/api/save", {"by": "", "site": then})
    assert (status, done["site"]) == (200, then)
    text = (folder / "site.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["site"]["name"] == "As it was"
    assert told(page, "/api/state")[1]["site"]["site"]["name"] == "As it is now"
    status, refusal = told(page, "/api/save", {"by": "", "site": {**then, "lanes": []}})
    assert (status, refusal["at"]) == (422, "lanes")

    (folder / "site.toml").write_text(text + "# And mine.\n", encoding="utf-8")
    status, refusal = told(page, "/api/save", {"by": ""})
    assert status == 422
    assert refusal["code"] == "changed_meanwhile"
    assert refusal["values"] == {"file": str(folder / "site.toml")}
    assert (folder / "site.toml").read_text(encoding="utf-8").endswith("# And mine.\n")
    status, done = told(page, "/api/save", {"by": ""})  # who saves again means it
    assert status == 200, done
    text = (folder / "site.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["site"]["name"] == "As it is now"
    assert text.endswith("# And mine.\n")
    told(page, "/api/site", state["site"], "PUT")


def test_saving_commissions_the_node_or_does_nothing(tmp_path: Path) -> None:
    assert stopline("keys", "new", tmp_path / "node.key").code == 0
    (tmp_path / "node.toml").write_text('schema = 1\n[node]\nid = "edge-1"\nkey = "node.key"\n', encoding="utf-8")
    site = tmp_path / "site.toml"
    with served(RECORDING.video, "--node", tmp_path / "node.toml", "--site", site) as running:
        page = running.enter()
        state = watched(page)
        assert (state["save"]["node"], state["save"]["exists"]) == ("edge-1", False)
        status, refusal = told(page, "/api/save", {"by": "A. Installer"})
        assert status == 422
        assert refusal["at"] == "lanes"
        told(page, "/api/site", state["proposal"], "PUT")
        status, refusal = told(page, "/api/save", {"by": " "})
        assert (status, refusal["code"]) == (422, "not_commissioned")
        assert not site.exists()
        assert not (tmp_path / "state/commissioned.json").exists()
        status, done = told(page, "/api/save", {"by": "A. Installer"})
        assert status == 200, done
        assert done["commissioned"]["by"] == "A. Installer"
        assert done["next"]["what"] == "replay"
    assert site.exists()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]
    assert "Nobody has checked it" not in site.read_text(encoding="utf-8")
    record = json.loads((tmp_path / "state/commissioned.json").read_bytes())
    assert hashlib.sha256(site.read_bytes()).hexdigest() in json.dumps(record)


def test_bad_input_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("schema = 2", encoding="utf-8")
    (tmp_path / "no.mp4").write_bytes(b"no film")
    square = (RECORDING.folder / "site.toml").read_text(encoding="utf-8").replace("[640, 360]", "[640, 640]")
    (tmp_path / "square.toml").write_text(square, encoding="utf-8")
    for words in (
        [RECORDING.video, "--site", "site.toml"],
        [RECORDING.video, "--site", "square.toml"],
        [RECORDING.video, "--site", "new.toml", "--signal", "none.csv"],
        [RECORDING.video, "--site", "new.toml", "--node", "none.toml"],
        [RECORDING.video, "--site", "new.toml", "--model", "none.toml"],
        ["no.mp4", "--site", "new.toml"],
    ):
        done = stopline("ui", *words, "--no-browser", cwd=tmp_path)
        assert done.code == 2, words
        assert done.err.count("\n") == 1
        assert "Traceback" not in done.err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["no.mp4", "site.toml", "square.toml"]
