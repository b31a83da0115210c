"""The set-up page: a site file drawn over a recording, tried at once, saved and commissioned."""

from __future__ import annotations

import asyncio
import json
import tomllib
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route

from edge.config import PlaceError, site_of
from edge.errors import StoplineError
from edge.ui.bench import told_problem
from edge.ui.refused import RefusedError, refusal_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from edge.ui.bench import Bench
    from edge.ui.catalogue import Words
    from edge.ui.look import Look
    from edge.ui.saving import Saving

_LOOK_EVERY_S: Final = 0.25
_FARTHEST_PX: Final = 10_000
_DEEPEST: Final = 8
_JUDGED_EVERY: Final = 4  # looks, while the recording is still being watched


class Setup:
    """The routes of the set-up: ``/setup`` is the page, ``/film`` what it plays, ``/api/…`` what it asks for."""

    def __init__(self, bench: Bench, saving: Saving, look: Look) -> None:
        self._bench = bench
        self._saving = saving
        self._look = look
        self.routes = [
            Route("/", self._home),
            Route("/setup", self._page),
            Route("/film", self._film),
            Route("/api/words", self._words),
            Route("/api/state", self._state),
            Route("/api/events", self._events),
            Route("/api/tracks", self._tracks),
            Route("/api/site", self._site, methods=["PUT"]),
            Route("/api/lamps", self._lamps, methods=["POST"]),
            Route("/api/snap", self._snap, methods=["POST"]),
            Route("/api/watch", self._watch, methods=["POST"]),
            Route("/api/take", self._take, methods=["POST"]),
            Route("/api/save", self._save, methods=["POST"]),
        ]

    async def _home(self, _request: Request) -> Response:
        return RedirectResponse("/setup", 303)

    async def _page(self, request: Request) -> Response:
        return self._look.page(request, "setup.html", name=self._bench.film.name)

    async def _film(self, _request: Request) -> Response:
        return FileResponse(self._bench.film.played, media_type="video/mp4")

    async def _words(self, request: Request) -> Response:
        return JSONResponse(self._look.words(request).said)

    async def _state(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._told, self._look.words(request)))

    def _told(self, words: Words) -> dict[str, Any]:
        saving = self._saving
        state = self._bench.state()
        saved = (
            saving.written is not None and state["problem"] is None and self._bench.text().encode() == saving.written
        )
        file = {"file": str(saving.file), "exists": saving.written is not None, "node": saving.node, "saved": saved}
        return {**state, "notes": _in_words(state["notes"], words), "save": file}

    async def _events(self, request: Request) -> Response:
        """What is new, until the page is left."""
        return StreamingResponse(self._news(self._look.words(request)), media_type="text/event-stream")

    async def _news(self, words: Words) -> AsyncIterator[str]:
        news = _News(self._bench, words)
        while not self._look.closing.is_set():
            for name, told in await run_in_threadpool(news.look):
                yield f"event: {name}\ndata: {told}\n\n"
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _tracks(self, request: Request) -> Response:
        first, number = (_number(request, name) for name in ("from", "run"))
        return JSONResponse(await run_in_threadpool(self._bench.tracks, number, first or 0))

    async def _site(self, request: Request) -> Response:
        wanted = await _sent(request)
        return await _answered(lambda: self._bench.change(wanted))

    async def _lamps(self, request: Request) -> Response:
        view = (await _sent(request)).get("view")
        if not isinstance(view, dict):
            return _nonsense("Send the boxes of a signal head as view")
        return await _answered(lambda: {"bands": self._bench.lamps(view)})

    async def _snap(self, request: Request) -> Response:
        try:
            (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in (await _sent(request))["line"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return _nonsense("Send a line as two points")
        if not all(isfinite(value) and abs(value) < _FARTHEST_PX for value in (x1, y1, x2, y2)):
            return _nonsense("Send a line that lies in the picture")
        return await _answered(lambda: {"line": self._bench.snap(((x1, y1), (x2, y2)))})

    async def _watch(self, _request: Request) -> Response:
        return await _answered(self._bench.watch_again)

    async def _take(self, _request: Request) -> Response:
        return await _answered(self._taken)

    def _taken(self) -> dict[str, Any]:
        if self._saving.is_busy:
            raise RefusedError("saving")  # the node is being tried over the film that is there
        return self._bench.take_again()

    async def _save(self, request: Request) -> Response:
        sent = await _sent(request)
        by, wanted = sent.get("by", ""), sent.get("site")
        if not isinstance(by, str) or len(by) > 200:
            return JSONResponse(RefusedError("nobody").told(), 400)
        if not isinstance(wanted, dict | None):
            return _nonsense("Send the draft as site")
        return await _answered(lambda: self._saved(by, wanted))

    def _saved(self, by: str, wanted: dict[str, Any] | None) -> dict[str, Any]:
        """Save the draft as the page had it when that was asked for: one sent later may be here already."""
        if self._bench.is_taking:
            raise RefusedError("taking")
        text = self._bench.text(wanted)
        done, tables = self._saving.save(text, by), tomllib.loads(text)
        return {**done, "site": tables, "next": self._saving.then(site_of(tables))}


class _News:
    """What one page has been told; ``look`` gives what is new since."""

    def __init__(self, bench: Bench, words: Words) -> None:
        self._bench = bench
        self._words = words
        self._told: dict[str, object] = {}
        self._sent: dict[str, str] = {}
        self._looks = 0

    def look(self) -> list[tuple[str, str]]:
        """Events with their data. The proposal comes before the watch that says that it is there."""
        bench = self._bench
        watch = bench.watch()
        told: dict[str, Any] = {"proposal": bench.proposal()}
        if watch["done"] or self._looks % _JUDGED_EVERY == 0:
            told["judged"] = bench.judged()
        told |= {"watch": watch, "take": bench.take(), "wires": bench.wires()}
        self._looks += 1
        return [(name, data) for name, one in told.items() if (data := self._new(name, one)) is not None]

    def _new(self, name: str, told: Any) -> str | None:
        if self._told.get(name) is told:
            return None
        self._told[name] = told
        if name == "proposal":
            told = {**told, "notes": _in_words(told["notes"], self._words)}
        data = json.dumps(told)
        if self._sent.get(name) == data:
            return None
        self._sent[name] = data
        return data


def _in_words(notes: Mapping[str, tuple[str, ...]], words: Words) -> dict[str, str]:
    return {place: " ".join(map(words.telling, said)) for place, said in notes.items()}


def _number(request: Request, name: str) -> int | None:
    given = request.query_params.get(name)
    if given is not None and not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise HTTPException(400)
    return None if given is None else int(given)


async def _sent(request: Request) -> dict[str, Any]:
    """The JSON object that was sent."""
    try:
        sent = json.loads(await request.body())
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict) or not _is_shallow(sent, _DEEPEST):
        raise HTTPException(400, "Send a JSON object")
    return sent


def _is_shallow(value: object, levels: int) -> bool:
    """Whether tables and lists lie in each other no deeper than in a site file."""
    if not isinstance(value, dict | list):
        return True
    within = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in within)


async def _answered(ask: Callable[[], dict[str, Any]]) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(ask))
    except PlaceError as error:
        return JSONResponse(told_problem(error), 422)
    except StoplineError as error:
        return JSONResponse(refusal_of("bad_request", error).told(), 422)


def _nonsense(words: str) -> Response:
    return JSONResponse(RefusedError("bad_request", detail=words).told(), 400)
