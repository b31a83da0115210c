"""The monthly report as a page, and its tables as CSV; of a replay's folder as far as that goes.

The pages are plain functions: Starlette calls these beside its event loop, on which no file is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from edge.ui.cases import Choices, Wanted
from edge.ui.monthly import Monthly, decided, monthly, tables
from edge.ui.sheets import CONTENT_TYPE, lines

if TYPE_CHECKING:
    from starlette.requests import Request

    from edge.ui.cases import Cases
    from edge.ui.journal import Journal
    from edge.ui.look import Look

SHEETS: Final = ("passages", "decisions", "ambers", "faults", "uptime")
_MONTH: Final = re.compile(r"[12]\d{3}-(?:0[1-9]|1[0-2])")


class MonthlyPage:
    """The routes of the report: ``/report`` shows it, ``/report/TABLE.csv`` is one of its tables."""

    def __init__(self, cases: Cases, journal: Journal, look: Look) -> None:
        self._cases = cases
        self._journal = journal
        self._look = look
        self.routes = [Route("/report", self._page), Route("/report/{name}.csv", self._sheet)]

    def _page(self, request: Request) -> Response:
        choices = self._cases.reported()
        month, origin = _asked(request, choices)
        report = self._report(month, origin)
        return self._look.page(
            request,
            "report.html",
            report=report,
            month=month,
            origin=origin,
            choices=choices,
            name=self._cases.name,
            is_replay=self._cases.is_replay,
            erased=self._journal.erased_in(month) if month and origin is None else 0,
            unverified=self._journal.unverified,
            sheets=SHEETS,
        )

    def _sheet(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in SHEETS:
            raise HTTPException(404)
        month, origin = _asked(request, self._cases.reported())
        header, rows = tables(self._report(month, origin), month)[name]
        return Response(b"".join(lines(header, rows)), headers=attachment(f"stopline-{name}", month))

    def _report(self, month: str, origin: str | None) -> Monthly:
        self._journal.refresh()
        hashes = self._cases.hashes(Wanted(origin=origin, month=month or None))
        return monthly(self._cases.counted(month, origin), decided(map(self._journal.latest, hashes)))


def attachment(name: str, month: str | None) -> dict[str, str]:
    """The headers of a table that is to be saved."""
    file = f"{name}-{month}.csv" if month else f"{name}.csv"
    return {"content-type": CONTENT_TYPE, "content-disposition": f'attachment; filename="{file}"'}


def _asked(request: Request, choices: Choices) -> tuple[str, str | None]:
    """The month, the latest where none is asked for, and the node, None for all. A replay has neither."""
    month, origin = request.query_params.get("month", ""), request.query_params.get("node") or None
    if month and (not _MONTH.fullmatch(month) or not choices.months):
        raise HTTPException(400, "A month is written like 2026-05")
    return month or next(reversed(choices.months), ""), origin if origin in choices.origins else None
