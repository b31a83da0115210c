"""What is said to whoever is not let in: one sentence in their language, on a page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse

from edge.ui.catalogue import Words, chosen
from edge.ui.look import LANGUAGE

if TYPE_CHECKING:
    from starlette.types import Scope

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{max-width:34rem;margin:18vh auto 0;padding:0 1.5rem;font:17px/1.55 system-ui,sans-serif}"
    "h1{font-size:1.3rem;margin:0 0 .4rem}p{margin:0}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def refusal(scope: Scope, status: int, english: str) -> HTMLResponse:
    """The page, for an answer under ``POLICY``."""
    request = Request(scope)
    words = Words(chosen(request.cookies.get(LANGUAGE), request.headers.get("accept-language", "")))
    said = escape(words.telling(english), quote=False)
    return HTMLResponse(
        f'<!DOCTYPE html>\n<html lang="{words.language}"><head><meta charset="utf-8"><title>Stopline</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>Stopline</h1><p>{said}</p></main></body></html>\n",
        status,
    )
