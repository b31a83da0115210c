"""Which recorded group the lanes of a proposal obey: by its lamps in the picture, else by who drove and stood."""

from __future__ import annotations

import tomllib

from edge.proposals.paths import Stop
from edge.records import NS_PER_S, Lamp, LampEdge
from edge.ui.choosing import group_in_view, group_of_traffic
from tests.command import ROOT

SITE = tomllib.loads((ROOT / "sim_fixtures/plain_red_runner/site.toml").read_text("utf-8"))
TIMES = [round((t_s + 0.5) * NS_PER_S) for t_s in range(30)]


def programme(group: str, *shown: tuple[float, Lamp]) -> tuple[LampEdge, ...]:
    """One lamp after the other."""
    edges = [LampEdge(-1, group, lamp, lit=False) for lamp in Lamp]
    for (t_s, lamp), before in zip(shown, (None, *(lamp for _, lamp in shown)), strict=False):
        t_ns = round(t_s * NS_PER_S)
        edges += [LampEdge(t_ns, group, before, lit=False)] if before else []
        edges.append(LampEdge(t_ns, group, lamp, lit=True))
    return tuple(edges)


NORTH = programme("north", (0, Lamp.GREEN), (8, Lamp.AMBER), (11, Lamp.RED), (24, Lamp.GREEN))
CROSS = programme("cross", (0, Lamp.RED), (12, Lamp.GREEN), (20, Lamp.AMBER), (23, Lamp.RED))
RECORDED = {"cross": CROSS, "north": NORTH}


def test_the_group_is_that_whose_lamps_the_picture_shows() -> None:
    late = programme("seen", (0.3, Lamp.GREEN), (8.3, Lamp.AMBER), (11.3, Lamp.RED), (24.3, Lamp.GREEN))
    assert group_in_view(RECORDED, late, TIMES) == "north"
    assert group_in_view(RECORDED, CROSS, TIMES) == "cross"
    assert group_in_view(RECORDED, (), TIMES) is None
    assert group_in_view(RECORDED, programme("seen", (0, Lamp.AMBER)), TIMES) is None
    assert group_in_view({"north": NORTH, "same": NORTH}, NORTH, TIMES) is None


def stop(from_s: float, to_s: float) -> Stop:
    return Stop(300, 250, 40, 30, from_s, to_s)


def test_who_stands_on_red_tells_the_group_where_nobody_drives() -> None:
    stops = [stop(13, 23), stop(14, 19), stop(2, 3)]  # the last one stood on green, for whatever reason
    assert group_of_traffic(SITE, [], RECORDED, stops) == "north"
    assert group_of_traffic(SITE, [], RECORDED, [stop(0, 7)]) == "cross"
