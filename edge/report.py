"""One page for people about a case: HTML that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any, Final

from edge.plot import lamps_and_distance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MARKS: Final = {"good": "✓", "open": "!", "bad": "✗"}
STYLE: Final = "report.css"  # beside this module
STILLS: Final = (("still-1", "Before the stop line"), ("still-2", "Past the confirm line"))
_KMH_PER_MPS = 3.6


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding in a sentence; ``level`` is good, open or bad."""

    level: str
    words: str


@dataclass(frozen=True, slots=True)
class CasePage:
    """All that goes onto the page: the event, its bundle's files (none where it stayed closed) and what was found."""

    event: Mapping[str, Any]
    files: Mapping[str, bytes] = field(repr=False)
    outcome: Remark
    findings: tuple[Remark, ...]
    manifest: Mapping[str, Any]


def page(case: CasePage) -> str:
    """The whole page. Everything that came from outside is escaped, and a content policy forbids the rest."""
    style = _part(STYLE)
    data = case.event["data"]
    title, _, words = case.outcome.words.partition(": ")
    filled = {
        "style": style,
        "style_hash": base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        "title": _text(f"Red-light case {case.event['id']}"),
        "over": _text(case.event["source"].removeprefix("stopline://")),
        "heading": _text(heading(data)),
        "lead": _text(lead(case.event)),
        "outcome_class": case.outcome.level,
        "outcome_mark": _MARKS[case.outcome.level],
        "outcome_title": _text(title),
        "outcome_words": _text(words[:1].upper() + words[1:]),
        "stills": _stills(case),
        "film": _film(case),
        "plot": lamps_and_distance(data),
        "rows": "\n".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows(case)),
        "findings": "\n".join(map(_remark, case.findings)),
        "command": _text(_commands(case.event)),
        "hash": _text((data["evidence"] or {}).get("bundle_sha256", "none: this event has no bundle")),
        "footer": "A candidate for review. It says what a vehicle did at a signal, and names no person. "
        "No decision may follow from it until people have looked at it.",
    }
    return Template(_part("report.html")).substitute(filled)


def _part(name: str) -> str:
    return files("edge").joinpath(name).read_text(encoding="utf-8").rstrip("\n")


def _text(value: object) -> str:
    return escape(str(value))


def heading(data: Mapping[str, Any]) -> str:
    """The case in a sentence."""
    return f"A {data['vehicle_class']} crossed the stop line {data['red_time']['elapsed_s']:.2f} s after red began"


def lead(event: Mapping[str, Any]) -> str:
    """When, where, and the red time that is beyond doubt."""
    red = event["data"]["red_time"]
    deducted_s = sum(red["deductions_s"].values())
    when = f"on {event['time'][:10]} at {event['time'][11:19]} UTC" if "time" in event else "in a recording without UTC"
    return (
        f"Lane {event['data']['lane']}, {when}. With {deducted_s:.2f} s of doubt taken off in the driver's favour, "
        f"it had been red for at least {red['at_least_s']:.2f} s."
    )


def _stills(case: CasePage) -> str:
    shown = []
    for name, otherwise in STILLS:
        file = next((file for file in (f"{name}-data.jpg", f"{name}.jpg") if file in case.files), None)
        if file is not None:
            caption = _text(claim(case, name) or otherwise)
            source = _data_url("image/jpeg", case.files[file])
            shown.append(f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>')
    if not shown:
        return _nothing(case, "no picture of this case at hand")
    return f'<div class="pair">{"".join(shown)}</div>'


def claim(case: CasePage, name: str) -> str:
    """What the manifest says a still shows, and when."""
    stills = case.manifest.get("stills") or []
    still = next((still for still in stills if still["name"] == f"{name}.jpg"), None)
    if still is None:
        return ""
    after_s = still["t_s"] - case.event["data"]["crossing"]["t_cross_s"]
    side = "before" if after_s < 0 else "after"
    return f"{still['claim'][:1].upper()}{still['claim'][1:]}, {abs(after_s):.2f} s {side} the crossing"


def _film(case: CasePage) -> str:
    if "clip.mp4" not in case.files:
        return _nothing(case, "no film of this case at hand")
    source = _data_url("video/mp4", case.files["clip.mp4"])
    return f'<video controls muted playsinline preload="metadata" src="{source}"></video>'


def _nothing(case: CasePage, what: str) -> str:
    """Says that there is nothing to show, and why as far as that is known."""
    reasons = [remark.words for remark in case.findings if remark.level != "good"]
    return f'<p class="none">There is {what}. {_text(" ".join(reasons))}</p>'


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _remark(remark: Remark) -> str:
    return f'<li><span class="mark {remark.level}">{_MARKS[remark.level]}</span><span>{_text(remark.words)}</span></li>'


def rows(case: CasePage) -> Iterable[tuple[str, str]]:
    """The data block as a table: names and values."""
    event = case.event
    data, bound_ms = event["data"], event["data"]["clock"]["utc_bound_ms"]
    crossing, red, amber = data["crossing"], data["red_time"], data["amber"]
    site, node = event["source"].removeprefix("stopline://").split("/")
    doubts = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f} s" for name, value in red["deductions_s"].items() if value
    )
    yield "Site and node", f"{site}, {node}"
    yield "Lane and signal group", f"{data['lane']}, {data['signal_group']}"
    within = "" if bound_ms is None else f", right within {bound_ms:g} ms"
    yield "Crossing in UTC", f"{event['time']}{within}" if "time" in event else "not known"
    yield "Crossing in the recording", f"{crossing['t_cross_s']:.3f} s ± {crossing['uncertainty_s']:.3f} s"
    yield "Confirm line reached", f"{crossing['t_confirm_s'] - crossing['t_cross_s']:.3f} s after the stop line"
    yield "Red when it crossed", f"for {red['elapsed_s']:.3f} s; beyond doubt for at least {red['at_least_s']:.3f} s"
    yield "Deducted as doubt", doubts or "nothing"
    yield "Forgiven by the rule", f"{data['rule']['grace_s']:g} s of red"
    yield "Amber before this red", _amber(amber)
    yield "Vehicle", f"{data['vehicle_class']}, seen from {'behind' if data['contact'] == 'rear' else 'the front'}"
    yield "Speed at the stop line", _speed(data["speed_mps"])
    yield "Event", f"{event['id']}, number {int(event['sequence'])} of its node"
    yield "Software", f"stopline {data['origin']['software']}"
    yield "Detector, SHA-256", data["origin"]["model_sha256"]
    yield "Site file, SHA-256", data["origin"]["site_sha256"]


def _amber(amber: Mapping[str, Any]) -> str:
    measured, minimum = amber["measured_s"], amber["minimum_s"]
    shown = "not measured" if measured is None else f"{measured:.2f} s"
    return shown if minimum is None else f"{shown}; at least {minimum:.2f} s are lawful"


def _speed(mps: float | None) -> str:
    return (
        "not measured: the site is not calibrated" if mps is None else f"{mps * _KMH_PER_MPS:.0f} km/h ({mps:.1f} m/s)"
    )


def _commands(event: Mapping[str, Any]) -> str:
    name = f"{event['id']}.tar"
    return (
        f"python verify.py events.jsonl {name} --key node.pub.pem\n\n"
        f"stopline verify events.jsonl --bundle {name} --key node.pub.pem"
    )
