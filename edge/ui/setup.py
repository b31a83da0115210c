"""The set-up page: a site file drawn over a recording, tried at once, saved and commissioned."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route

from edge.config import PlaceError
from edge.durable import write_whole
from edge.errors import ConfigError, StoplineError
from edge.ui.bench import told_problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from edge.commissioning import Commissioned
    from edge.ui.bench import Bench
    from edge.ui.look import Look

_LOOK_EVERY_S: Final = 0.25
_FARTHEST_PX: Final = 10_000
_DEEPEST: Final = 8
_JUDGED_EVERY: Final = 4  # looks, while the recording is still being watched


@dataclass(slots=True)
class Saving:
    """Where the draft goes. ``commission`` is given the file and who answers for it; None where no node was named.

    ``written`` are the file's bytes as this page knows them, None where there is no file yet.
    """

    file: Path
    node: str | None
    commission: Callable[[Path, str], Commissioned] | None
    written: bytes | None

    def save(self, text: str, by: str) -> dict[str, Any]:
        """Write the file and commission the node by it; neither where one of them fails. Raises StoplineError."""
        if self.file.exists() and self.file.read_bytes() != self.written:
            raise ConfigError(f"{self.file} was changed by somebody else meanwhile: load the page's address anew")
        raw = text.encode()
        draft = self.file.with_name(f".{self.file.name}.draft")
        try:
            write_whole(draft, raw)
            done = self.commission(draft, by) if self.commission else None
            draft.replace(self.file)
        except OSError as error:
            raise ConfigError(f"{self.file} cannot be written ({error.strerror}): name another with --site") from None
        finally:
            draft.unlink(missing_ok=True)
        self.written = raw
        told = None if done is None else {"by": done.by, "at": done.at}
        return {"file": str(self.file), "commissioned": told}


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

    async def _state(self, _request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._told))

    def _told(self) -> dict[str, Any]:
        saving = self._saving
        state = self._bench.state()
        saved = (
            saving.written is not None and state["problem"] is None and self._bench.text().encode() == saving.written
        )
        file = {"file": str(saving.file), "exists": saving.written is not None, "node": saving.node, "saved": saved}
        return {**state, "save": file}

    async def _events(self, _request: Request) -> Response:
        """What is new, until the page is left."""
        return StreamingResponse(self._news(), media_type="text/event-stream")

    async def _news(self) -> AsyncIterator[str]:
        sent: dict[str, str] = {}
        looks = 0
        while not self._look.closing.is_set():
            for name, told in (await run_in_threadpool(self._look_at, looks)).items():
                if sent.get(name) != told:
                    sent[name] = told
                    yield f"event: {name}\ndata: {told}\n\n"
            looks += 1
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look_at(self, looks: int) -> dict[str, str]:
        bench = self._bench
        news = {"watch": bench.watch(), "proposal": bench.proposal()}
        if news["watch"]["done"] or looks % _JUDGED_EVERY == 0:
            news["judged"] = bench.judged()
        return {name: json.dumps(told) for name, told in news.items()}

    async def _tracks(self, request: Request) -> Response:
        first = request.query_params.get("from", "0")
        if not (first.isascii() and first.isdecimal() and len(first) < 10):
            raise HTTPException(400)
        return JSONResponse(await run_in_threadpool(self._bench.tracks, int(first)))

    async def _site(self, request: Request) -> Response:
        wanted = await _sent(request)
        return await _answered(lambda: self._bench.change(wanted))

    async def _lamps(self, request: Request) -> Response:
        view = (await _sent(request)).get("view")
        if not isinstance(view, dict):
            return _refused("Send the boxes of a signal head as view", 400)
        return await _answered(lambda: {"bands": self._bench.lamps(view)})

    async def _snap(self, request: Request) -> Response:
        try:
            (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in (await _sent(request))["line"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return _refused("Send a line as two points", 400)
        if not all(isfinite(value) and abs(value) < _FARTHEST_PX for value in (x1, y1, x2, y2)):
            return _refused("Send a line that lies in the picture", 400)
        return await _answered(lambda: {"line": self._bench.snap(((x1, y1), (x2, y2)))})

    async def _watch(self, _request: Request) -> Response:
        return await _answered(self._bench.watch_again)

    async def _save(self, request: Request) -> Response:
        by = (await _sent(request)).get("by", "")
        if not isinstance(by, str) or len(by) > 200:
            return _refused("Say in a few words who saves it", 400)
        return await _answered(lambda: self._saving.save(self._bench.text(), by))


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
        return _refused(str(error), 422)


def _refused(words: str, status: int) -> Response:
    return JSONResponse({"words": words}, status)
