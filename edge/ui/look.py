"""How a page is laid out: templates, languages, and words for what went wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from edge.ui.catalogue import LANGUAGES, Words, chosen

if TYPE_CHECKING:
    from starlette.requests import Request

_LANGUAGE = "stopline_language"


class Look:
    """Renders templates in the reader's language."""

    def __init__(self) -> None:
        loader = PackageLoader("edge.ui", "templates")
        self._templates = Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined)

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
            response.set_cookie(_LANGUAGE, language, max_age=31_536_000, httponly=True, samesite="strict")
        return response

    def words(self, request: Request) -> Words:
        """The messages in the reader's language."""
        asked = request.query_params.get("lang") or request.cookies.get(_LANGUAGE)
        return Words(chosen(asked, request.headers.get("accept-language", "")))

    def failure(self, request: Request, status: int, words: str) -> HTMLResponse:
        """A page that says what went wrong."""
        return self.page(request, "failure.html", status=status, words=words or HTTPStatus(status).phrase)
