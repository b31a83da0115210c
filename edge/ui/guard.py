"""Who may talk to the page: whoever holds the one-time token, from the page itself, in messages of a bounded size.

An ASGI layer around the whole application, so that no route can be forgotten. It defends a page on the loopback
interface against what else runs in the same browser: other sites (``Origin``, ``Sec-Fetch-Site``), names that are
made to point to 127.0.0.1 (``Host``), and pages that would frame or script it (``Content-Security-Policy``).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from edge.ui.refusal import POLICY as REFUSAL_POLICY
from edge.ui.refusal import refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 1_000_000
MAX_URL_BYTES: Final = 4096
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_TOO_MUCH: Final = f"More than {MAX_BODY_BYTES} bytes were sent: send less."
_ELSEWHERE: Final = "This is no name of this page: use the address that was printed."
_TOO_LONG: Final = "The address is too long."
_NOT_FROM_HERE: Final = "Another site asked for this: it gets nothing."
_CLOSED: Final = (
    "This page is closed: open the address that 'stopline ui' printed. It can be used once; "
    "for a new one, start 'stopline ui' again."
)


class Guard:
    """Lets through what comes from the browser that used the token first.

    ``port`` is the one served; ``token`` stands in the address that is printed (``/?token=…``) and is spent by its
    first use, which sets a cookie for the session. Browsers send cookies to every port of a host, so its name has the
    port in it: two pages in one browser leave each other alone.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._token: str | None = token
        self._cookie = f"stopline_{port}"
        self._session = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request here where it must not go on. What is no request is not let on at all."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: answered with 403
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refused(scope)
        if refused is None and not self._is_in(scope):
            opened = self._opened(scope)
            if opened is not None:
                return await opened(scope, receive, _with_headers(send, POLICY))
            refused = (403, _CLOSED)
        if refused is not None:
            return await refusal(scope, *refused)(scope, receive, _with_headers(send, REFUSAL_POLICY))
        return await self._app(scope, _bounded(receive), _with_headers(send, POLICY))

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        """Why a request must not go on: a status and a sentence."""
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            return 421, _ELSEWHERE
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > MAX_URL_BYTES:
            return 414, _TOO_LONG
        if not self._from_here(scope["method"], headers):
            return 403, _NOT_FROM_HERE
        if _length(headers) > MAX_BODY_BYTES:
            return 413, _TOO_MUCH
        return None

    def _from_here(self, method: str, headers: Headers) -> bool:
        """Whether no other site stands behind a request; one that changes something must say where it comes from."""
        origin = headers.get("origin")
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return False
        if origin is None:
            return method in {"GET", "HEAD"}
        return origin.removeprefix("http://") in self._hosts

    def _is_in(self, scope: Scope) -> bool:
        """Whether the session's cookie came with it."""
        given = Request(scope).cookies.get(self._cookie, "")
        return secrets.compare_digest(given.encode(), self._session.encode())

    def _opened(self, scope: Scope) -> RedirectResponse | None:
        """A session, where the token is right and unspent."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self._token is None or not secrets.compare_digest(given.encode(), self._token.encode()):
            return None
        self._token = None
        opened = RedirectResponse(scope["path"], 303)
        opened.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
        return opened


def _length(headers: Headers) -> int:
    given = headers.get("content-length", "0")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 12 else MAX_BODY_BYTES + 1


def _with_headers(send: Send, policy: str) -> Send:
    """Puts what every answer bears onto it."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**_HEADERS, "content-security-policy": policy}.items():
                headers[name] = value
        await send(message)

    return send_with_headers


def _bounded(receive: Receive) -> Receive:
    """The body as it comes; where it has no stated length, the bound holds all the same."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_MUCH)
        return message

    return bounded
