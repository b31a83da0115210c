"""What all pages have in common: templates, languages, words for what went wrong, and that the page is closing."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from edge.ui.catalogue import LANGUAGES, Words, chosen

if TYPE_CHECKING:
    from starlette.requests import Request

LANGUAGE: Final = "stopline_language"  # the cookie that remembers a language
_WHAT_WENT_WRONG: Final = {
    400: "What was asked for cannot be understood.",
    404: "There is nothing at this address, or not any more.",
    405: "This address is not asked in this way.",
}


class Look:
    """Renders templates in the reader's language. ``closing`` is set when the page is to end: streams end by it."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._templates = Environment(
            loader=PackageLoader("edge.ui", "templates"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            auto_reload=False,
        )

    def page(self, request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """A page; ``?lang=`` chooses its language and is remembered."""
        asked = request.query_params.get("lang")
        words = self.words(request)
        language = words.language
        asked_for = urlencode([one for one in request.query_params.multi_items() if one[0] not in {"lang", "token"}])
        here = f"{request.url.path}?{asked_for}&" if asked_for else f"{request.url.path}?"
        text = self._templates.get_template(template).render(
            t=words, language=language, languages=LANGUAGES, here=here, **values
        )
        response = HTMLResponse(text, status)
        if asked in LANGUAGES:
            response.set_cookie(LANGUAGE, language, max_age=31_536_000, httponly=True, samesite="strict")
        return response

    def words(self, request: Request) -> Words:
        """The messages in the reader's language."""
        asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE)
        return Words(chosen(asked, request.headers.get("accept-language", "")))

    def failure(self, request: Request, status: int, words: str) -> HTMLResponse:
        """A page that says what went wrong; where nobody has, by the status alone."""
        if words in {"", HTTPStatus(status).phrase}:
            words = _WHAT_WENT_WRONG.get(status, words or HTTPStatus(status).phrase)
        return self.page(request, "failure.html", status=status, words=words)
