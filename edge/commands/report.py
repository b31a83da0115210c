"""``stopline report``: one page for people about a case, with what the independent verifier found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import verify
from edge.commands.verify import event_id, evidence_at, read_bytes, trusted_keys
from edge.errors import ConfigError
from edge.report import CasePage, Remark, page
from edge.verify import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVENTS = "events.jsonl"
_LEVELS = {
    Outcome.RECOMPUTED: "good",
    Outcome.STATED: "good",
    Outcome.INCOMPLETE: "open",
    Outcome.SEALED: "open",
    Outcome.UNTRUSTED: "open",
    Outcome.DIFFERS: "bad",
    Outcome.CHANGED: "bad",
}


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What the command line asked for."""

    bundle: Path
    event: Path | None = None
    keys: tuple[Path, ...] = ()
    identity: Path | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The page that was written, and the outcome it tells."""

    page: Path
    sentence: str
    intact: bool


def write_report(request: ReportRequest) -> Written:
    """Check the case and write its page. ConfigError where there is no event to it, or no place to write."""
    evidence = evidence_at(request.bundle, request.identity)
    bundle = read_bytes(request.bundle)
    raw = _event_of(request.bundle, bundle, request.event or _nearby(request.bundle))
    report = verify.check(raw, trusted_keys(request.keys), evidence.open(bundle))
    if not verify.schema().is_valid(report.event):
        raise ConfigError(f"The event cannot be laid out on a page: {report.findings[-1].words}")
    out = request.out or Path(f"{report.event['id']}.html")
    try:
        out.write_text(page(case_page(report)), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out} cannot be written ({error.strerror}): name another place with -o") from None
    return Written(out, report.outcome.value, report.intact)


def _nearby(bundle: Path) -> Path:
    """The events of the replay that the bundle lies in."""
    for folder in (bundle.parent, bundle.parent.parent):
        if (folder / _EVENTS).is_file():
            return folder / _EVENTS
    raise ConfigError(f"No event to {bundle}: give the file that its signed event stands in with --event")


def _event_of(file: Path, bundle: bytes, events: Path) -> bytes:
    """The line of the events that names this bundle, by its hash; else the one that the file is named for."""
    lines = [line for line in read_bytes(events).split(b"\n") if line]
    named = [line for line in lines if verify.sha256(bundle).encode() in line]
    named += [line for line in lines if event_id(line) and event_id(line) in file.name]
    if not named and len(lines) != 1:
        raise ConfigError(f"None of the {len(lines)} events in {events} belongs to {file}: give its event with --event")
    return (named or lines)[0]


def case_page(report: Report) -> CasePage:
    """What the verifier found, as the page takes it."""
    findings = tuple(Remark(_LEVELS[finding.outcome], finding.words) for finding in report.findings)
    outcome = Remark(_LEVELS[report.outcome], report.outcome.value)
    return CasePage(report.event, report.files, outcome, findings, _manifest(report.files))


def _manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the bundle says of its stills; its form was checked by the verifier."""
    manifest: dict[str, Any] = json.loads(files["manifest.json"]) if "manifest.json" in files else {}
    return manifest
