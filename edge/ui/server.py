"""The page's server: on 127.0.0.1, for as long as the command runs."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

import edge
from edge.errors import ConfigError, StoplineError
from edge.report import STYLE as REPORT_STYLE
from edge.ui.guard import Guard
from edge.ui.look import Look

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from starlette.requests import Request
    from starlette.types import ASGIApp

HOST: Final = "127.0.0.1"
USUAL_PORT: Final = 8600  # so that a page finds the program again that was started anew, and a draft its way into it
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STATIC: Final = Path(__file__).with_name("static")
# The few files that belong to the pages; nothing else has a name here, so no address becomes a path.
_FILES: Final = {
    REPORT_STYLE: Path(edge.__file__).with_name(REPORT_STYLE),
    **{str(file.relative_to(_STATIC)): file for file in _STATIC.rglob("*") if file.suffix in _KINDS},
}

Pages = Callable[[Look], "Sequence[Route]"]


class _Server(uvicorn.Server):
    """Says when it serves, and tells the pages of the signal that ends it: no stream of news waits to be cut off."""

    def __init__(self, config: uvicorn.Config, look: Look, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._look = look
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, then say so: Ctrl-C is heeded from then on. A browser in a terminal holds up nothing."""
        await super().startup(sockets)
        threading.Thread(target=self._tell, name="tell", daemon=True).start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal. What is cut off from now on, a film that nobody reads on, is no error to tell."""
        self._look.closing.set()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


def application(pages: Pages, look: Look, port: int, token: str) -> ASGIApp:
    """The pages, with what is common to all of them, guarded."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return look.failure(request, error.status_code, error.detail)

    async def failed(request: Request, error: Exception) -> Response:
        return look.failure(request, 500, str(error))

    routes = [Route("/static/{name:path}", _static), *pages(look)]
    inner = Starlette(routes=routes, exception_handlers={HTTPException: refused, StoplineError: failed})
    return Guard(inner, port, token)


def _static(request: Request) -> Response:
    file = _FILES.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    return Response(file.read_bytes(), media_type=_KINDS[file.suffix])


def serve(pages: Pages, wanted_port: int | None, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C, on the usual port or a free one where none is wanted.

    ``tell`` is given the address, which can be opened once. Raises ConfigError.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = _bound(listening, wanted_port)
        token, look = secrets.token_urlsafe(24), Look()
        config = uvicorn.Config(
            application(pages, look, port, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,  # a film that nobody reads on would never end by itself
        )
        address = f"http://{HOST}:{port}/?token={token}"
        _Server(config, look, lambda: tell(address)).run(sockets=[listening])


def _bound(listening: socket.socket, wanted: int | None) -> int:
    """The port that it is bound to."""
    if wanted is None:
        with suppress(OSError):
            listening.bind((HOST, USUAL_PORT))
            return USUAL_PORT
    try:
        listening.bind((HOST, wanted or 0))
    except OSError as error:
        raise ConfigError(f"Port {wanted} cannot be served ({error.strerror}): give another with --port") from None
    port: int = listening.getsockname()[1]
    return port
