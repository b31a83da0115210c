"""Who is let in: the browser with the token, from the page itself, with little in hand."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from edge.ui.guard import MAX_BODY_BYTES, POLICY, Guard
from edge.ui.refusal import POLICY as REFUSAL_POLICY
from tests.cases import EVENT_ID
from tests.command import stopline
from tests.ui.pages import Page, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.verify.casefile import CaseFile


@pytest.fixture
def page(replayed: Path) -> Iterator[Page]:
    with served(replayed) as running:
        yield running


def test_without_the_token_nothing_is_shown(page: Page) -> None:
    for path in ("/", "/?token=", "/?token=wrong", "/static/app.css", "/case/x"):
        answer = page.ask(path)
        assert answer.status == 403, path
        assert b"<a" not in answer.body
        assert "This page is closed: open the address that 'stopline ui' printed." in answer.text


def test_what_is_refused_is_told_in_the_readers_language(entered: Page) -> None:
    closed = Page(entered.address)
    for headers, says in (
        ({"accept-language": "de"}, "Diese Seite ist verschlossen"),
        ({"accept-language": "de", "cookie": "stopline_language=fr"}, "Cette page est fermée"),
        ({"accept-language": "fr", "host": "evil.example"}, "Cette page ne s'appelle pas ainsi"),
        ({"accept-language": "de", "origin": "http://evil.example"}, "Eine andere Seite fragte danach"),
    ):
        shown = closed.ask("/", headers=headers).text
        assert says in shown
        assert f'<html lang="{"de" if says.startswith(("D", "E")) else "fr"}">' in shown
    assert "Die Adresse ist zu lang" in closed.ask("/?" + "a" * 5000, headers={"accept-language": "de"}).text


def test_two_pages_in_one_browser_leave_each_other_alone(page: Page, entered: Page) -> None:
    page.enter()
    assert page.cookie.partition("=")[0] != entered.cookie.partition("=")[0]
    for one, other in ((page, entered), (entered, page)):
        both = {"cookie": f'{{"of another": "server"}}=; {other.cookie}; {one.cookie}'}
        assert one.ask("/", headers=both).status == 200
        assert one.ask("/", headers={"cookie": other.cookie}).status == 403


@pytest.mark.parametrize("kind", ["websocket", "webtransport"])
def test_what_is_no_request_is_not_let_on(kind: str) -> None:
    reached: list[object] = []
    sent: list[dict[str, object]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "path": "/", "query_string": b"", "headers": [(b"host", b"127.0.0.1:1")]}
    # In a thread of its own: where a browser's driver runs, this one's loop is taken.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, Guard(app, 1, "token")(scope, None, send)).result()  # type: ignore[arg-type]
    assert reached == []
    assert [message["type"] for message in sent] == (["websocket.close"] if kind == "websocket" else [])


def test_an_upgrade_to_a_websocket_is_an_ordinary_request(page: Page) -> None:
    headers = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"}
    assert page.ask("/", headers={**headers, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}).status == 403


def test_the_token_opens_the_page_once(page: Page) -> None:
    page.enter()
    assert page.ask("/").status == 200
    late = Page(page.address)
    assert late.ask(f"/{page.address.rpartition('/')[2]}").status == 403


def test_the_session_is_kept_from_scripts_and_other_sites(page: Page) -> None:
    answer = page.ask(f"/{page.address.rpartition('/')[2]}")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "token" not in answer.headers["location"]


def test_a_wrong_session_is_refused(entered: Page) -> None:
    assert entered.ask("/", headers={"cookie": f"stopline_{entered.port}=" + "A" * 43}).status == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:80", "localhost.evil.example:80"])
def test_another_name_for_this_machine_is_refused(entered: Page, host: str) -> None:
    assert entered.ask("/", headers={"host": host}).status == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_origins_get_nothing(entered: Page, headers: dict[str, str]) -> None:
    assert entered.ask("/", headers=headers).status == 403


def test_a_change_must_say_where_it_comes_from(entered: Page) -> None:
    assert entered.ask("/case/x/decide", method="POST", body=b"choice=confirm").status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/case/..%2f..%2fetc%2fpasswd",
        "/case/../../etc/passwd",
        "/case/%2e%2e/decisions.jsonl",
        "/case/{id}/../../node.pub.pem",
        "/case/{id}/manifest.json",
        "/case/{id}/..%2fsite.toml",
        "/nothing",
    ],
)
def test_no_path_leads_out(entered: Page, path: str) -> None:
    answer = entered.ask(path.replace("{id}", EVENT_ID))
    assert answer.status == 404, answer.text


def test_too_much_is_refused(entered: Page) -> None:
    origin = {"origin": f"http://127.0.0.1:{entered.port}"}
    stated = {**origin, "content-length": str(MAX_BODY_BYTES + 1)}
    assert entered.ask("/case/x/decide", method="POST", headers=stated).status == 413
    assert entered.ask("/case/x/decide", method="POST", headers={**origin, "content-length": "1e9"}).status in {
        400,
        413,
    }
    assert entered.ask("/?" + "a" * 5000).status == 414


def test_a_body_without_a_stated_length_is_bounded(replayed: Path, one_case: CaseFile, tmp_path: Path) -> None:
    assert stopline("keys", "new", tmp_path / "reviewer.key").code == 0
    with served(replayed, "--sign-with", tmp_path / "reviewer.key") as page:
        page.enter()
        with socket.create_connection(("127.0.0.1", page.port), timeout=20) as connection:
            head = f"POST /case/{one_case.document['id']}/decide HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\n"
            head += (
                f"origin: http://127.0.0.1:{page.port}\r\ncookie: {page.cookie}\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            connection.sendall(head.encode())
            chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
            for _ in range(2 * MAX_BODY_BYTES // 0x10000):
                connection.sendall(chunk)
            assert connection.recv(100).startswith(b"HTTP/1.1 413")
        assert page.ask("/").status == 200


def test_every_answer_carries_the_policy(page: Page, one_case: CaseFile) -> None:
    refused = page.ask("/")
    page.enter()
    answers = [
        refused,
        *(page.ask(path) for path in ("/", f"/case/{one_case.document['id']}", "/static/app.css", "/no")),
    ]
    for answer in answers:
        assert answer.headers["content-security-policy"] == (REFUSAL_POLICY if answer is refused else POLICY)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY + REFUSAL_POLICY
    assert "script" not in REFUSAL_POLICY
    assert "script-src 'self'" in POLICY


def test_no_page_holds_a_script_or_a_style_of_its_own(entered: Page) -> None:
    for path in ("/", f"/case/{EVENT_ID}", "/report", "/nothing"):
        text = entered.ask(path).text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick" not in text
        assert text.count("<script") == text.count('<script type="module" src="/static/review.js"></script>') == 1


def test_it_listens_on_the_loopback_interface_alone(entered: Page) -> None:
    outside = next(
        (
            info[4][0]
            for info in socket.getaddrinfo(socket.gethostname(), None)
            if not str(info[4][0]).startswith("127.")
        ),
        None,
    )
    if outside is None:
        pytest.skip("this machine has no address but the loopback's")
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection((str(outside), entered.port), timeout=5)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Say what to look at"),
        (["nowhere"], "nowhere does not exist"),
        (["--store", "nowhere"], "nowhere does not exist"),
        (["--store", "postgresql://x@127.0.0.1:1/x"], ""),
    ],
)
def test_bad_input_is_told_in_a_sentence(tmp_path: Path, words: list[str], says: str) -> None:
    done = stopline("ui", *words, "--no-browser", cwd=tmp_path)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []
