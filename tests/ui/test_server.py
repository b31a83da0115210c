"""The server's end: Ctrl-C ends it at once and in a sentence, whatever a browser still listens to."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from edge.errors import ConfigError
from edge.ui.server import USUAL_PORT, _bound
from tests.recordings import Recording
from tests.ui.pages import folder_of, served
from tests.verify.casefile import casefile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ui.pages import Page


def opened(page: Page, path: str) -> socket.socket:
    """A connection that has asked for something and reads what has come so far."""
    connection = socket.create_connection(("127.0.0.1", page.port), timeout=20)
    head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\ncookie: {page.cookie}\r\n\r\n"
    connection.sendall(head.encode())
    assert connection.recv(2000).startswith(b"HTTP/1.1 200")
    return connection


def ended(page: Page) -> tuple[int, str]:
    """Exit code and what was told, after Ctrl-C."""
    assert page.process is not None
    page.process.send_signal(signal.SIGINT)
    _, told = page.process.communicate(timeout=15)
    return page.process.returncode, told.partition("Ctrl-C ends the page.\n")[2]


@pytest.mark.slow
def test_a_stream_of_news_ends_with_the_page(tmp_path: Path) -> None:
    with served(Recording("plain_red_runner").video, "--site", tmp_path / "site.toml") as running:
        page = running.enter()
        with opened(page, "/api/events") as news:
            assert ended(page) == (130, "")
            heard = b"".join(iter(lambda: news.recv(65536), b""))
    assert heard.endswith(b"0\r\n\r\n"), "it was cut off, not ended"


def test_a_film_that_nobody_reads_on_does_not_hold_it(tmp_path: Path) -> None:
    case = casefile(tmp_path / "site")
    case.pictures.files["clip.mp4"] = bytes(50_000_000)
    with served(folder_of(tmp_path / "out", case.finish())) as running:
        page = running.enter()
        with opened(page, f"/case/{case.document['id']}/clip.mp4"):
            assert ended(page) == (130, "")


def test_with_nobody_there_it_ends_as_well(tmp_path: Path) -> None:
    with served(folder_of(tmp_path / "out", casefile(tmp_path / "site").finish())) as page:
        assert ended(page) == (130, "")


def test_the_usual_port_is_served_where_it_is_free_else_another() -> None:
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        ports = [_bound(one, None) for one in (first, second)]
        assert len(set(ports)) == 2
        assert USUAL_PORT not in ports[1:]
        with pytest.raises(ConfigError, match=f"Port {ports[1]} cannot be served"):
            _bound(third, ports[1])
