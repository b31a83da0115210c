"""The monthly report: its reckoning, its page for a store and for a replay, its tables as CSV."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.health import CheckName
from edge.messages import encoded
from edge.receive.hearing import hear
from edge.receive.store import open_store
from edge.receive.tallies import month_of, read_health, reckon
from edge.records import Fault, Verdict
from edge.ui.cases import ReplayCases
from edge.ui.catalogue import LANGUAGES, _messages
from edge.ui.monthly import OTHER_COUNTS, VERDICTS, Counted, Decided, ambers, monthly, tables, uptime
from edge.ui.monthly_page import SHEETS
from edge.ui.sheets import lines
from edge.ui.store_cases import StoreCases
from tests.broker import Listener, Mosquitto, needs_mosquitto, wait_until
from tests.command import stopline
from tests.receive.fleet_of_cases import made
from tests.receive.health_of_nodes import health
from tests.receive.messages import judged
from tests.recordings import Recording
from tests.ui.pages import Page, served
from tests.verify.casefile import KEY
from tests.verify.judged import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW_MS = time.time_ns() // 1_000_000
MONTH = month_of(NOW_MS)
ONE, TWO = "main-and-3rd/edge-1", "main-and-3rd/edge-2"


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_every_verdict_fault_check_and_count_has_its_words() -> None:
    assert set(VERDICTS) == {verdict.value for verdict in Verdict}
    names = [f"verdict {name}" for name in VERDICTS]
    names += [f"fault {fault}" for fault in Fault] + [f"check {check}" for check in CheckName]
    names += [f"count {name}" for name in OTHER_COUNTS] + [f"sheet {name}" for name in SHEETS]
    untold = {(name, language) for name in names for language in LANGUAGES if language not in _messages().get(name, {})}
    assert not untold


def test_nodes_are_added_up_and_told_apart() -> None:
    nodes = [
        Counted(
            ONE,
            {"passages/on_green": 90, "passages/violation": 3, "disarmed": 1, "messages": 5},
            {"ran": 50.0},
            {},
            100.0,
        ),
        Counted(TWO, {"passages/on_green": 10, "missing": 2, "messages": 7}, {"ran": 20.0, "armed": 10.0}, {}, 60.0),
    ]
    report = monthly(nodes, Decided())
    assert [(bar.name, bar.number, bar.share, bar.percent) for bar in report.verdicts] == [
        ("on_green", 100, 100.0, 97.09),
        ("violation", 3, 3.0, 2.91),
    ]
    assert (report.passages, report.violations, report.recorded) == (103, 3, 2)
    assert (report.messages, report.missing, report.ran_s, report.whole_s) == (12, 2, 70.0, 160.0)
    assert [(one.ran_share, one.armed_s) for one in report.uptimes] == [(50.0, None), (33.33, 10.0)]


def test_ambers_are_told_with_their_shortest_median_and_what_is_below_the_minimum() -> None:
    counts = {"ambers/north/3.00": 4, "ambers/north/3.01": 2, "ambers/north/2.87": 1, "faults/north/short_amber": 1}
    (north,) = ambers(Counted(ONE, counts, {}, {"north": 3.0}))
    assert (north.count, north.shortest_s, north.median_s, north.longest_s) == (7, 2.87, 3.0, 3.01)
    assert (north.minimum_s, north.below) == (3.0, 1)
    assert [column.is_short for column in north.columns] == [True, False, False]
    (unknown,) = ambers(Counted(ONE, counts))
    assert (unknown.minimum_s, unknown.below, unknown.minimum_x) == (None, None, None)


@given(
    st.dictionaries(st.integers(0, 1000), st.integers(1, 10**6), min_size=1),
    st.none() | st.floats(0, 60, allow_nan=False),
)
def test_whatever_lengths_there_are_the_picture_holds_them(hundredths: dict[int, int], minimum_s: float | None) -> None:
    counts = {f"ambers/g/{length / 100:.2f}": number for length, number in hundredths.items()}
    (one,) = ambers(Counted(ONE, counts, {}, {} if minimum_s is None else {"g": minimum_s}))
    assert one.count == sum(hundredths.values())
    assert one.shortest_s <= one.median_s <= one.longest_s
    at_most = sum(number for length, number in hundredths.items() if length / 100 <= one.median_s)
    assert 2 * at_most >= one.count
    assert all(
        column.x >= 0 and column.x + column.width <= 100.01 and 0 < column.height <= 100 for column in one.columns
    )
    assert len(one.columns) <= 61
    assert one.minimum_x is None or 0 <= one.minimum_x <= 100


def test_a_node_is_never_up_for_more_than_the_whole() -> None:
    assert uptime(Counted(ONE, {}, {"ran": 200.0, "armed": 300.0}), 100.0).ran_share == 100.0
    assert uptime(Counted(ONE), 0.0).ran_share == 0.0


def test_a_table_is_csv_as_it_is_described() -> None:
    raw = b"".join(lines(("a", "b"), [('say "so"', "x,y"), ("Grün\nzwei", None), (1.5, 0)]))
    assert raw == b'a,b\r\n"say ""so""","x,y"\r\n"Gr\xc3\xbcn\nzwei",\r\n1.5,0\r\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")'])
def test_no_cell_is_taken_for_a_formula(text: str) -> None:
    ((cell,),) = read(b"".join(lines((text,), [])).decode())
    assert cell == f"'{text}"


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=4))
def test_every_text_comes_back_and_none_begins_as_a_formula(texts: list[str]) -> None:
    ((*cells,),) = read(b"".join(lines(texts, [])).decode())
    assert [
        cell.removeprefix("'") if cell[1:] == text else cell for cell, text in zip(cells, texts, strict=True)
    ] == texts
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in cells)


def test_every_table_has_rows_as_wide_as_its_header() -> None:
    counts = {"passages/violation": 1, "ambers/n/3.00": 1, "faults/n/dark": 1, "reopened": 2}
    node = Counted(ONE, counts, {"ran": 5.0, "unarmed/clock": 2.0}, {"n": 3.0}, 10.0)
    found = tables(monthly([node], Decided(1, 1)), "2026-05")
    assert set(found) == set(SHEETS)
    for header, rows in found.values():
        assert rows
        assert {len(row) for row in rows} == {len(header)}
        assert header[0] == "month"


# --- the page of a receiver's store


@pytest.fixture
def heard_store(tmp_path: Path) -> Path:
    return filled(tmp_path / "store")


def filled(folder: Path) -> Path:
    """A store of two nodes: one with a case of this month, both with what they say of themselves."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(NOW_MS / 1000))
    with open_store(str(folder)) as store:
        case = made(1, "edge-1", time=when)
        store.take(judged(*case.messages), NOW_MS)
        said = [
            (
                ONE,
                health(
                    2,
                    30.0,
                    passages={"on_green": 40, "violation": 1},
                    ambers={"2.98": 1, "3.00": 9},
                    faults={"short_amber": 1},
                ),
            ),
            (
                TWO,
                health(9, 80.0, passages={"on_green": 7}, armed=False, reasons=("clock",), group="south", reopened=2),
            ),
        ]
        read_ = [read_health(origin, encoded(one), NOW_MS) for origin, one in said]
        hear(store, [one for one in read_ if one is not None], {ONE, TWO})
    (folder / "node.pub.pem").write_bytes(KEY.public.pem)
    return folder


@pytest.fixture(scope="module")
def store_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """For all tests that change nothing."""
    with served("--store", filled(tmp_path_factory.mktemp("heard") / "store")) as running:
        yield running.enter()


def test_the_report_of_a_store(store_page: Page) -> None:
    shown = store_page.ask("/report").text
    assert f"Monthly report {MONTH}" in shown
    for words in ("on green", ">47<", "2.98 s", "(3.00 s)", "amber too short", "camera lost and opened anew"):
        assert words in shown, words
    assert "2 messages came, 9 are missing. These messages are not signed" in shown
    assert "1 of this month are here, and the nodes say that they recorded 1" in shown
    assert "What differs may be on its way" not in shown
    assert "Disarmed by:" in shown
    one = store_page.ask(f"/report?month={MONTH}&node={TWO}").text
    assert ">7<" in one
    assert "on green" in one
    assert "2.98 s" not in one
    assert "0 of this month are here" in one


def test_the_report_is_reached_from_the_list_and_holds_no_style_of_its_own(store_page: Page) -> None:
    assert '<a href="/report">' in store_page.ask("/").text
    shown = store_page.ask("/report").text
    assert " style=" not in shown
    assert "<style" not in shown


@pytest.mark.parametrize(
    "query",
    ["month=2026-13", "month=0000-01", "month=9999-12", "month=../../etc", "month=%3Cscript%3E", "month=2026-5"],
)
def test_what_is_no_month_is_refused(store_page: Page, query: str) -> None:
    answer = store_page.ask(f"/report?{query}")
    assert answer.status == 400
    assert "<script>" not in answer.text


def test_a_month_of_which_nothing_is_known_is_empty(store_page: Page) -> None:
    shown = store_page.ask("/report?month=2020-01").text
    assert "No node was heard of in this month." in shown
    assert shown.count(">not known<") == 3
    assert "No fault was told." not in shown


def test_a_silent_node_counts_as_down_for_a_year_and_not_before_it_is_known(tmp_path: Path) -> None:
    may_ms = 1_714_888_800_000  # 2024-05-05 06:00 UTC
    with open_store(str(tmp_path)) as store:
        for origin, at_ms in ((ONE, may_ms), (TWO, may_ms), (ONE, may_ms + 31 * 86_400_000)):
            said = read_health(origin, encoded(health(1, 10.0, run=f"{at_ms:016x}")), at_ms)
            assert said is not None
            hear(store, [said], {origin})
        cases = StoreCases(store, str(tmp_path))
        june = {one.origin: one for one in cases.counted("2024-06", None)}
        assert {name: one.is_heard for name, one in june.items()} == {ONE: True, TWO: False}
        assert june[TWO].whole_s == june[ONE].whole_s == 30 * 86_400
        assert [one.origin for one in cases.counted("2024-06", TWO)] == [TWO]
        months = ("2024-04", "2024-05", "2025-05", "2025-06", "2025-07")
        assert [len(cases.counted(month, None)) for month in months] == [0, 2, 2, 1, 0]
    (tmp_path / "node.pub.pem").write_bytes(KEY.public.pem)
    with served("--store", tmp_path) as page:
        shown = page.enter().ask("/report?month=2024-06").text
        assert shown.count("Not heard of in this month.") == 1
        assert read(page.ask("/report/uptime.csv?month=2024-06").text)[2] == [
            *("2024-06", TWO, str(30 * 86_400), "0", "", "0", "0", "", "")
        ]


def test_the_report_of_a_store_that_holds_nothing_yet(tmp_path: Path) -> None:
    open_store(str(tmp_path)).close()
    (tmp_path / "node.pub.pem").write_bytes(KEY.public.pem)
    with served("--store", tmp_path) as page:
        page.enter()
        assert "No node was heard of in this month." in page.ask("/report").text
        assert [page.ask(f"/report/{name}.csv").status for name in SHEETS] == [200] * len(SHEETS)


def test_the_tables_of_the_report(store_page: Page) -> None:
    answer = store_page.ask(f"/report/passages.csv?month={MONTH}")
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == f'attachment; filename="stopline-passages-{MONTH}.csv"'
    assert read(answer.text) == [
        ["month", "node", "verdict", "count"],
        [MONTH, ONE, "violation", "1"],
        [MONTH, ONE, "on_green", "40"],
        [MONTH, TWO, "on_green", "7"],
    ]
    ambers_ = read(store_page.ask(f"/report/ambers.csv?month={MONTH}&node={ONE}").text)
    assert ambers_[1] == [MONTH, ONE, "north", "10", "2.98", "3.0", "3.0", "3.0", "1"]
    for name in SHEETS:
        assert store_page.ask(f"/report/{name}.csv").status == 200
    assert store_page.ask("/report/other.csv").status == 404
    assert store_page.ask("/report/..%2f..%2fnode.pub.pem.csv").status == 404


def test_the_report_in_german_and_french(store_page: Page) -> None:
    assert "Worauf diese Zahlen beruhen" in store_page.ask("/report?lang=de").text
    assert "Ce sur quoi reposent ces chiffres" in store_page.ask("/report?lang=fr").text


def test_another_language_shows_the_same_month(store_page: Page) -> None:
    shown = store_page.ask(f"/report?month={MONTH}&node={TWO}&lang=en").text
    assert f'href="/report?month={MONTH}&amp;node=main-and-3rd%2Fedge-2&amp;lang=fr"' in shown


def test_nothing_asks_for_a_vehicle_or_a_person(store_page: Page) -> None:
    for path in ("/", "/report"):
        text = store_page.ask(path).text
        assert "<input" not in text
        assert "plate" not in text.lower()


def test_the_list_as_csv_is_the_list_as_filtered_with_its_decisions(heard_store: Path, tmp_path: Path) -> None:
    assert stopline("keys", "new", tmp_path / "reviewer.key").code == 0
    case = json.loads(made(1, "edge-1").raw)["id"]
    with served("--store", heard_store, "--sign-with", tmp_path / "reviewer.key") as page:
        page.enter()
        assert page.decide(case, "choice=reject&reason=made_way").status == 303
        answer = page.ask(f"/cases.csv?month={MONTH}&state=reject")
        header, row = read(answer.text)
        assert answer.headers["content-disposition"] == f'attachment; filename="stopline-cases-{MONTH}.csv"'
        said: dict[str, Any] = dict(zip(header, row, strict=True))
        assert (said["node"], said["state"], said["reason"], said["event"]) == (ONE, "reject", "made_way", case)
        assert len(said["event_sha256"]) == 64
        assert read(page.ask("/cases.csv?state=open").text) == [header]
        assert read(page.ask("/cases.csv?node=x/y").text) == [header]
        assert read(page.ask(f"/report/decisions.csv?month={MONTH}").text)[1:] == [
            [MONTH, "confirm", "", "0"],
            [MONTH, "reject", "made_way", "1"],
            [MONTH, "erase", "", "0"],
            [MONTH, "unverified", "", "0"],
            [MONTH, "open", "", "0"],
        ]
        assert "it made way for an emergency vehicle" in page.ask("/report").text
        assert page.decide(case, "choice=erase").status == 303
        assert "whichever month they are of: 1." in page.ask("/report").text


# --- the page of a replay


def replay_of(folder: Path, *, lamps: bool) -> Path:
    """What a replay leaves, without cases."""
    folder.mkdir()
    (folder / "events.jsonl").write_bytes(b"")
    header = "lane,track,class,t_cross_s,t_confirm_s,phase,red_elapsed_s,verdict\n"
    (folder / "passages.csv").write_text(f"{header}a,1,car,1.0,,green,,on_green\na,2,car,2.0,,red,1.0,within_grace\n")
    (folder / "node.pub.pem").write_bytes(KEY.public.pem)
    if lamps:
        (folder / "site.toml").write_text(SITE)
        shown = [(0.0, "green"), (10.0, "amber"), (12.994, "red"), (40.0, "green"), (60.0, "amber"), (63.004, "red")]
        rows = [
            f"{t_s:.6f},north,{lamp},{int(lamp == lit)}" for t_s, lit in shown for lamp in ("red", "amber", "green")
        ]
        (folder / "lamps.csv").write_text("t_s,group,lamp,lit\n" + "\n".join(rows) + "\n")
    return folder


def test_the_report_of_a_replay(tmp_path: Path) -> None:
    with served(replay_of(tmp_path / "out", lamps=False)) as page:
        page.enter()
        shown = page.ask("/report").text
        assert "Report of a replay" in shown
        assert "within the grace time" in shown
        assert "need what stopline replay leaves with --keep-tracks" in shown
        assert shown.count(">not known<") == 2
        assert "No fault was told." not in shown
        assert "Uptime" not in shown
        assert page.ask("/report?month=2026-05").status == 400
        assert read(page.ask("/report/passages.csv").text)[1:] == [
            ["", "out", "on_green", "1"],
            ["", "out", "within_grace", "1"],
        ]


def test_a_replays_lamps_are_reckoned_anew(tmp_path: Path) -> None:
    (one,) = ReplayCases(replay_of(tmp_path / "out", lamps=True)).counted("", None)
    assert {name: number for name, number in one.counts.items() if name.startswith("ambers/")} == {
        "ambers/north/2.99": 1,
        "ambers/north/3.00": 1,
    }
    assert one.seconds == {"lamps": pytest.approx(63.004)}


@pytest.mark.slow
@pytest.mark.broker
@needs_mosquitto
@pytest.mark.parametrize("name", ["short_amber"])
def test_a_node_counts_what_its_replay_comes_to_when_reckoned_anew(tmp_path: Path, name: str) -> None:
    """The node's own counters against ``passages.csv`` and the verifier's phases: two programs, the same sums."""
    with Mosquitto(tmp_path / "broker") as broker, Listener(broker.port, "stopline/v1/+/+/health") as listener:
        words = Recording(name).words(tmp_path / "out", "--keep-tracks", "--no-evidence", "--broker", broker.url)
        done = stopline(*words)
        assert done.code == 0, done.err
        wait_until(lambda: listener.heard, what="the node's last word")
        heard = [read_health(ONE, one.payload, NOW_MS) for one in list(listener.heard)]
    _, (month,) = reckon([one for one in heard if one is not None], [])
    (again,) = ReplayCases(tmp_path / "out").counted("", None)
    kinds = ("passages/", "ambers/", "faults/")
    told, reckoned = (
        {name: number for name, number in counts.items() if number and name.startswith(kinds)}
        for counts in (month.counts, again.counts)
    )
    assert told == reckoned
    assert {name.split("/")[0] for name in told} == {"passages", "ambers", "faults"}
    assert again.minimums_s.items() <= month.minimums_s.items()  # a group that no lane follows is not reckoned anew


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("passages.csv", "lane,verdict\na,guilty\n", "holds a verdict that is none"),
        ("passages.csv", "lane\na\n", "holds a verdict that is none"),
        ("lamps.csv", "t_s,group,lamp,lit\nx,north,red,1\n", "is not what a replay writes"),
        ("site.toml", "no = [", "is not what a replay writes"),
    ],
)
def test_a_broken_folder_is_told_in_a_sentence(tmp_path: Path, file: str, content: str, says: str) -> None:
    folder = replay_of(tmp_path / "out", lamps=True)
    (folder / file).write_text(content)
    with served(folder) as page:
        answer = page.enter().ask("/report")
        assert answer.status == 500
        assert says in answer.text
