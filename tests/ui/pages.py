"""The page as a user starts it, in a process of its own, and a plain client for it."""

from __future__ import annotations

import http.client
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.command import running_stopline
from tests.verify.casefile import KEY

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.verify.casefile import CaseFile


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(slots=True)
class Page:
    """A running page. ``address`` holds the token; ``cookie`` is what ``enter`` was given."""

    address: str
    process: subprocess.Popen[str] | None = None
    cookie: str = field(default="")

    @property
    def port(self) -> int:
        port = urlsplit(self.address).port
        assert port is not None
        return port

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request, with the session's cookie where there is one; ``headers`` come on top."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {**({"cookie": self.cookie} if self.cookie else {}), **(headers or {})}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def enter(self) -> Page:
        """Open the address as a browser does."""
        parts = urlsplit(self.address)
        answer = self.ask(f"{parts.path}?{parts.query}")
        assert answer.status == 303, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return self

    def decide(self, event_id: str, form: str) -> Answer:
        """What the buttons of a case send."""
        headers = {
            "origin": f"http://127.0.0.1:{self.port}",
            "content-type": "application/x-www-form-urlencoded",
            "sec-fetch-site": "same-origin",
        }
        return self.ask(f"/case/{event_id}/decide", method="POST", body=form.encode(), headers=headers)


def folder_of(folder: Path, case: CaseFile) -> Path:
    """A folder as a replay leaves it, of one made-up case."""
    (folder / "evidence").mkdir(parents=True)
    (folder / "events.jsonl").write_bytes(case.event + b"\n")
    (folder / "node.pub.pem").write_bytes(KEY.public.pem)
    (folder / "evidence" / f"{case.document['id']}.tar").write_bytes(case.sent)
    return folder


@contextmanager
def served(*words: object) -> Iterator[Page]:
    """``stopline ui`` with these words, until the end of the test."""
    with running_stopline("ui", *words, "--no-browser") as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            assert process.stderr is not None
            raise AssertionError(process.stderr.read())
        yield Page(line, process)
