"""The page's server: on 127.0.0.1, for as long as the command runs."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
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

    from starlette.requests import Request
    from starlette.types import ASGIApp

HOST: Final = "127.0.0.1"
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STATIC: Final = Path(__file__).with_name("static")
# The few files that belong to the pages; nothing else has a name here, so no address becomes a path.
_FILES: Final = {
    REPORT_STYLE: Path(edge.__file__).with_name(REPORT_STYLE),
    **{str(file.relative_to(_STATIC)): file for file in _STATIC.rglob("*") if file.suffix in _KINDS},
}

Pages = Callable[[Look], "Sequence[Route]"]


def application(pages: Pages, port: int, token: str) -> ASGIApp:
    """The pages, with what is common to all of them, guarded."""
    look = Look()

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return look.failure(request, error.status_code, error.detail)

    async def failed(request: Request, error: Exception) -> Response:
        return look.failure(request, 500, str(error))

    routes = [Route("/static/{name:path}", _static), *pages(look)]
    inner = Starlette(routes=routes, exception_handlers={HTTPException: refused, StoplineError: failed})
    return Guard(inner, port, token)


async def _static(request: Request) -> Response:
    file = _FILES.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    return Response(file.read_bytes(), media_type=_KINDS[file.suffix])


def serve(pages: Pages, port: int, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. ``tell`` is given the address, which can be opened once. Raises ConfigError."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise ConfigError(f"Port {port} cannot be served ({error.strerror}): give another with --port") from None
        listening.listen(64)  # so that whoever reads the address can connect at once
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        config = uvicorn.Config(
            application(pages, port, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,  # a page that listens for news would never end by itself
        )
        tell(f"http://{HOST}:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listening])
