"""``health`` as nodes tell it, made by hand."""

from __future__ import annotations

from edge.messages import Arming, Check, Frames, Health, Lamps, encoded
from edge.mqtt import Publication, Topics
from edge.records import Phase

RUN = "00112233445566ff"
ORIGIN = "main-and-3rd/edge-1"


def health(
    number: int = 1,
    uptime_s: float = 10.0,
    *,
    run: str = RUN,
    passages: dict[str, int] | None = None,
    faults: dict[str, int] | None = None,
    ambers: dict[str, int] | None = None,
    armed: bool | None = True,
    for_s: float | None = None,
    reasons: tuple[str, ...] = (),
    group: str = "north",
    reopened: int = 0,
    disarmed: int = 0,
) -> Health:
    checks = tuple(Check(name, "not_ok", "Some words.") for name in reasons)
    arming = None
    if armed is not None:
        arming = Arming("armed" if armed else "disarmed", uptime_s if for_s is None else for_s, checks)
    lamps = Lamps(Phase.RED, None, faults or {}, 0, 0, ambers or {}, 3.0)
    frames = Frames(number, 0, 0, 25.0, 0.0, reopened)
    return Health(
        uptime_s,
        frames,
        arming,
        lamps={group: lamps},
        passages=passages or {},
        disarmed=disarmed,
        run=run,
        number=number,
    )


def published(said: Health, origin: str = ORIGIN) -> Publication:
    """As a node publishes it, but with QoS 1, so that the sender knows when the broker has it."""
    site, _, node = origin.partition("/")
    return Publication(Topics("stopline", site, node).health, encoded(said), "application/json")
