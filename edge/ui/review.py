"""The pages on which a person looks at cases and decides."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape, unescape
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from edge import report, verify
from edge.commands.report import case_page
from edge.decisions import STATES, Choice, Noted, Reason, state_of
from edge.errors import StoreError
from edge.plot import lamps_and_distance
from edge.ui.cases import Entry, Wanted, entry_of
from edge.ui.monthly_page import MonthlyPage, attachment
from edge.ui.sheets import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

    from edge.commands.verify import Evidence
    from edge.keys import SigningKey
    from edge.report import CasePage
    from edge.ui.cases import Cases
    from edge.ui.catalogue import Words
    from edge.ui.journal import Journal
    from edge.ui.look import Look

PAGE: Final = 50
_KEPT_OPEN: Final = 4  # bundles that were opened last stay in memory, so that pictures and clip come out of one opening
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_LABEL: Final = re.compile(r">([^<>]+)</text>")
_DESCRIBED: Final = re.compile(r'aria-label="([^"]*)"')
_MEDIA: Final = {"jpg": "image/jpeg", "mp4": "video/mp4"}
_SHOWN: Final = frozenset({"still-1-data.jpg", "still-2-data.jpg", "still-1.jpg", "still-2.jpg", "clip.mp4"})
_MONTH: Final = re.compile(r"\d{4}-\d\d")
_PLACE: Final = re.compile(r"[0-9]{1,9}")
_FILTERS: Final = ("node", "lane", "month", "state")
_MOST_FIELDS: Final = 10
_COLUMNS: Final = (
    "crossing_utc",
    "node",
    "lane",
    "vehicle_class",
    "red_at_least_s",
    "evidence",
    "state",
    "reason",
    "decided_utc",
    "reviewer",
    "signature",
    "event",
    "event_sha256",
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a review needs: the cases, what opens and checks them, where decisions go and who signs them.

    ``keys_given`` is false where the nodes' keys only lay beside the events.
    """

    cases: Cases
    evidence: Evidence
    keys: Mapping[str, verify.Key]
    journal: Journal
    signer: SigningKey | None
    keys_given: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list."""

    entry: Entry
    noted: Noted | None

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        return state_of(self.noted)


class Opened:
    """Cases that were checked last, with what was sealed: in memory only, and not for long.

    One is opened at a time, so that the pictures of a page wait for its opening in place of doing it again.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._pages: OrderedDict[str, CasePage] = OrderedDict()

    def page(self, event_id: str, raw: bytes) -> CasePage:
        """The case, checked."""
        with self._lock:
            page = self._pages.get(event_id)
            if page is not None:
                return page
            bundle = self._desk.cases.bundle(event_id)
            if bundle is None:  # it may be on its way
                return case_page(verify.check(raw, self._desk.keys, None))
            opened = self._desk.evidence.open(bundle)
            page = self._pages[event_id] = case_page(verify.check(raw, self._desk.keys, opened))
            while len(self._pages) > _KEPT_OPEN:
                self._pages.popitem(last=False)
            return page

    def forget(self, event_id: str) -> None:
        """What was erased is not kept here either."""
        with self._lock:
            self._pages.pop(event_id, None)


class Review:
    """The routes of the review: ``/`` lists, ``/case/ID`` shows and decides, ``/case/ID/FILE`` is its evidence.

    ``/cases.csv`` is the list as it is filtered, ``/report`` the monthly report.
    """

    def __init__(self, desk: Desk, look: Look) -> None:
        self._desk = desk
        self._look = look
        self._opened = Opened(desk)
        self.routes = [
            Route("/", self._list),
            Route("/cases.csv", self._sheet),
            Route("/case/{id}", self._case),
            Route("/case/{id}/decide", self._decide, methods=["POST"]),
            Route("/case/{id}/{file}", self._file),
            *MonthlyPage(desk.cases, desk.journal, look).routes,
        ]

    def _list(self, request: Request) -> Response:
        wanted, state = _wanted(request)
        skip = _skipped(request)
        rows = list(islice(self._rows(wanted, state), skip, skip + PAGE + 1))
        filters = {name: request.query_params[name] for name in _FILTERS if request.query_params.get(name)}
        return self._look.page(
            request,
            "list.html",
            rows=rows[:PAGE],
            choices=self._desk.cases.choices(),
            wanted=wanted,
            state=state,
            states=STATES,
            earlier=urlencode({**filters, "skip": skip + PAGE}) if len(rows) > PAGE else None,
            later=urlencode({**filters, "skip": max(0, skip - PAGE)}) if skip else None,
            filters=urlencode(filters),
            name=self._desk.cases.name,
            unverified=self._desk.journal.unverified,
        )

    def _sheet(self, request: Request) -> Response:
        """The list as it is filtered, whole: row by row, as the cases are read."""
        wanted, state = _wanted(request)
        rows = (_cells(row) for row in self._rows(wanted, state))
        month = wanted.month if _MONTH.fullmatch(wanted.month or "") else None
        return StreamingResponse(lines(_COLUMNS, rows), headers=attachment("stopline-cases", month))

    def _rows(self, wanted: Wanted, state: str | None) -> Iterator[Row]:
        """The cases that are wanted with what was decided on them, by now."""
        self._desk.journal.refresh()
        rows = (Row(entry, self._desk.journal.latest(entry.sha256)) for entry in self._desk.cases.entries(wanted))
        return (row for row in rows if state in {None, row.state})

    def _case(self, request: Request) -> Response:
        raw = self._event(request)
        entry = entry_of(raw, has_bundle=False)
        if entry is None:
            raise HTTPException(404)
        self._desk.journal.refresh()
        page = self._opened.page(entry.id, raw)
        return self._look.page(
            request,
            "case.html",
            entry=entry,
            outcome=page.outcome,
            findings=page.findings,
            heading=report.heading(page.event["data"]),
            lead=report.lead(page.event),
            stills=list(_stills(entry.id, page)),
            clip=f"/case/{entry.id}/clip.mp4" if "clip.mp4" in page.files else None,
            plot=_told(lamps_and_distance(page.event["data"]), self._look.words(request)),
            table=list(report.rows(page)),
            row=Row(entry, self._desk.journal.latest(entry.sha256)),
            reasons=list(Reason),
            keys_given=self._desk.keys_given,
            may_decide=self._desk.signer is not None,
            is_replay=self._desk.cases.is_replay,
        )

    async def _decide(self, request: Request) -> Response:
        """Sign what was decided, and do it."""
        choice, reason = _decided(await request.body())
        return await run_in_threadpool(self._do, request, choice, reason)

    def _do(self, request: Request, choice: Choice, reason: Reason | None) -> Response:
        desk, raw = self._desk, self._event(request)
        if desk.signer is None:
            raise HTTPException(403, "Nobody signs here: start 'stopline ui' with --sign-with and the reviewer's key")
        desk.journal.add(choice, reason, verify.sha256(raw), datetime.now(UTC), desk.signer)
        event_id = request.path_params["id"]
        if choice is not Choice.ERASE:
            return RedirectResponse(f"/case/{event_id}", 303)
        self._erase(event_id)
        return RedirectResponse("/", 303)

    def _erase(self, event_id: str) -> None:
        """Erase what was just decided to be erased: after its record, so that nothing is erased in silence."""
        try:
            erased = self._desk.cases.erase(event_id)
        except StoreError as error:
            raise StoreError(f"That this case is to be erased is recorded, but it is here still: {error}") from None
        finally:
            self._opened.forget(event_id)
        if not erased:
            raise HTTPException(409, "That this case is to be erased is recorded, but somebody had erased it before")

    def _file(self, request: Request) -> Response:
        name = request.path_params["file"]
        if name not in _SHOWN:
            raise HTTPException(404)
        page = self._opened.page(request.path_params["id"], self._event(request))
        if name not in page.files:
            raise HTTPException(404)
        return _part_of(page.files[name], _MEDIA[name.rpartition(".")[2]], request.headers.get("range"))

    def _event(self, request: Request) -> bytes:
        event_id = request.path_params["id"]
        raw = self._desk.cases.event(event_id) if _ID.fullmatch(event_id) else None
        if raw is None:
            raise HTTPException(404)
        return raw


def _wanted(request: Request) -> tuple[Wanted, str | None]:
    """What the filters of the list ask for: cases, and the state that they are in."""
    asked = {name: value for name in _FILTERS if (value := request.query_params.get(name))}
    if not all(value.isprintable() for value in asked.values()):
        raise HTTPException(400, "A filter is one of those that the list offers")
    state = asked.get("state")
    return Wanted(asked.get("node"), asked.get("lane"), asked.get("month")), state if state in STATES else None


def _skipped(request: Request) -> int:
    """How many cases of the list come before those that are asked for."""
    asked = request.query_params.get("skip", "0")
    if not _PLACE.fullmatch(asked):
        raise HTTPException(400, "A place in the list is a number of at most nine digits")
    return int(asked)


def _decided(body: bytes) -> tuple[Choice, Reason | None]:
    """What the form of a case says."""
    try:
        form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
        choice = Choice(form.get("choice", [""])[0])
        return choice, Reason(form.get("reason", [""])[0]) if choice is Choice.REJECT else None
    except ValueError:
        raise HTTPException(400, "Choose whether to confirm, reject with a reason, or erase") from None


def _stills(event_id: str, page: CasePage) -> Iterator[tuple[str, str]]:
    """The address and the caption of each still that is at hand."""
    for name, otherwise in report.STILLS:
        file = next((one for one in (f"{name}-data.jpg", f"{name}.jpg") if one in page.files), None)
        if file is not None:
            yield f"/case/{event_id}/{file}", report.claim(page, name) or otherwise


def _cells(row: Row) -> tuple[object, ...]:
    """A line of the list for a spreadsheet."""
    entry, decision = row.entry, row.noted.decision if row.noted else None
    return (
        entry.time,
        entry.origin,
        entry.lane,
        entry.vehicle_class,
        entry.red_at_least_s,
        "there" if entry.has_bundle else "missing",
        row.state,
        decision.reason.value if decision and decision.reason else None,
        decision.at.strftime("%Y-%m-%dT%H:%M:%SZ") if decision else None,
        decision.reviewer if decision else None,
        row.noted.standing.value if row.noted else None,
        entry.id,
        entry.sha256,
    )


def _told(svg: str, words: Words) -> str:
    """A drawing with its words in the reader's language."""
    svg = _LABEL.sub(lambda match: f">{escape(words.telling(unescape(match[1])))}</text>", svg)
    return _DESCRIBED.sub(lambda match: f'aria-label="{escape(words.telling(unescape(match[1])))}"', svg)


def _part_of(content: bytes, media_type: str, wanted: str | None) -> Response:
    """A file, or the stretch of it that a player asks for (RFC 9110, section 14)."""
    headers = {"accept-ranges": "bytes"}
    match = re.fullmatch(r"bytes=(\d{1,12})-(\d{0,12})", wanted or "")
    if match is None:
        return Response(content, media_type=media_type, headers=headers)
    first = int(match[1])
    last = min(int(match[2]) if match[2] else len(content) - 1, len(content) - 1)
    if first > last:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(content)}"})
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, media_type)
