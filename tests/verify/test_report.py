"""The page about a case: whole in itself, harmless whatever stands in the event, and saying all that was found."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from edge.commands.report import ReportRequest, write_report
from edge.errors import ConfigError
from edge.evidence.media import Media
from edge.verify import Outcome
from tests.verify.casefile import KEY, CaseFile, age_key, casefile

if TYPE_CHECKING:
    from pathlib import Path

_VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in its order; keeps what refers to anything, and the words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "poster", "action", "srcset", "data", "xlink:href"}:
                self.references.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words += data


def written(case: CaseFile, folder: Path, *, key: bool = True, identity: Path | None = None) -> tuple[str, Page]:
    (folder / "evidence").mkdir(exist_ok=True)
    bundle = folder / "evidence" / f"{case.document['id']}.tar"
    bundle.write_bytes(case.sent)
    (folder / "events.jsonl").write_bytes(case.event + b"\n")
    (folder / "node.pub.pem").write_bytes(KEY.public.pem)
    keys = (folder / "node.pub.pem",) if key else ()
    out = folder / "page.html"
    write_report(ReportRequest(bundle, None, keys, identity, out))
    text = out.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_page_is_whole_in_itself_and_tells_every_finding(calibrated: bool, tmp_path: Path) -> None:
    case = casefile(tmp_path, calibrated=calibrated).finish()
    text, page = written(case, tmp_path)
    assert len(page.references) == 3
    assert all(
        reference.startswith(("data:image/jpeg;base64,", "data:video/mp4;base64,")) for reference in page.references
    )
    assert "url(" not in text
    assert "script" not in page.tags
    assert page.handlers == []
    for words in (
        "Intact and recomputed",
        "The signature holds",
        "Each of the bundle's 10 files",
        "are those of the signed event",
        "The site file in the bundle is the one",
        "Computed again from the raw data: a violation",
    ):
        assert words in page.words
    assert ("metres before the stop line" in page.words) is calibrated
    assert case.document["id"] in page.words
    assert base64.b64decode(page.references[0].partition(",")[2]) == case.pictures.files["still-1-data.jpg"]


def test_its_policy_allows_its_own_style_and_nothing_else(tmp_path: Path) -> None:
    text, _ = written(casefile(tmp_path).finish(), tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1].startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]


def test_without_pictures_the_page_says_so_and_why(tmp_path: Path) -> None:
    case = casefile(tmp_path)
    case.pictures = Media.without_pictures("The node was restarted <before> the pictures were complete.")
    text, page = written(case.finish(), tmp_path)
    assert page.references == []
    assert "There is no picture of this case at hand." in page.words
    assert "restarted <before> the pictures" in page.words
    assert "<before>" not in text
    assert "svg" in page.tags


def test_a_sealed_case_is_laid_out_from_its_event_until_it_is_opened(tmp_path: Path) -> None:
    secret, recipient = age_key()
    case = replace(casefile(tmp_path), recipients=(recipient,)).finish()
    _, page = written(case, tmp_path)
    assert "the evidence stayed closed" in page.words
    assert page.references == []
    (tmp_path / "age.key").write_text(secret)
    _, page = written(case, tmp_path, identity=tmp_path / "age.key")
    assert len(page.references) == 3


def test_what_speaks_against_a_case_stands_on_its_page(tmp_path: Path) -> None:
    case = casefile(tmp_path)
    case.document["data"]["red_time"]["at_least_s"] = 9.0
    _, page = written(case.finish(), tmp_path)
    assert "The verdict does not follow" in page.words
    assert "the red time, at least s is said to be 9" in page.words
    _, page = written(casefile(tmp_path).finish(), tmp_path, key=False)
    assert "Key not trusted" in page.words


def test_a_bundle_of_another_event_makes_a_page_that_says_so(tmp_path: Path) -> None:
    case = casefile(tmp_path).finish()
    case.sent += b"\0"
    (tmp_path / "evidence").mkdir()
    _, page = written(case, tmp_path)
    assert Outcome.CHANGED.value.partition(":")[0] in page.words
    assert page.references == []


def test_without_an_event_there_is_no_page(tmp_path: Path) -> None:
    (tmp_path / "case.tar").write_bytes(b"")
    with pytest.raises(ConfigError, match="--event"):
        write_report(ReportRequest(tmp_path / "case.tar", out=tmp_path / "page.html"))
    (tmp_path / "events.jsonl").write_bytes(b'{"data":{},"id":"1","signature":"a..b"}\n')
    with pytest.raises(ConfigError, match="cannot be laid out"):
        write_report(ReportRequest(tmp_path / "case.tar", out=tmp_path / "page.html"))
    assert not (tmp_path / "page.html").exists()
