"""The page's server: on 127.0.0.1, for as long as the command runs."""

from __future__ import annotations

import secrets
import socket
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from edge.errors import ConfigError, StoplineError
from edge.report import STYLE as REPORT_STYLE
from edge.ui.guard import Guard
from edge.ui.look import Look
from edge.ui.review import Review

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from edge.ui.review import Desk

HOST: Final = "127.0.0.1"
_STATIC: Final = {
    "app.css": "text/css",
    "icon.svg": "image/svg+xml",
    REPORT_STYLE: "text/css",
    "review.js": "text/javascript",
}


def application(desk: Desk, port: int, token: str) -> ASGIApp:
    """The whole page, guarded."""
    look = Look()

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return look.failure(request, error.status_code, error.detail)

    async def failed(request: Request, error: Exception) -> Response:
        return look.failure(request, 500, str(error))

    routes = [Route("/static/{name}", _static), *Review(desk, look).routes]
    inner = Starlette(routes=routes, exception_handlers={HTTPException: refused, StoplineError: failed})
    return Guard(inner, port, token)


async def _static(request: Request) -> Response:
    """One of the few files that belong to the pages; nothing else has a name here."""
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    folder = files("edge") if name == REPORT_STYLE else files("edge.ui").joinpath("static")
    content = folder.joinpath(name).read_bytes()
    return Response(content, media_type=_STATIC[name])


def serve(desk: Desk, port: int, tell: Callable[[str], None]) -> None:
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
            application(desk, port, token), log_level="warning", access_log=False, server_header=False, lifespan="off"
        )
        tell(f"http://{HOST}:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listening])
