"""The committed cases: each a scripted scene whose plot is exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from .camera import Camera
from .light import Light, light_for
from .mesh import Material
from .scene import LanePlan, Scene, Shake
from .signals import Timeline, cycle
from .staging import Stage
from .world import Layout

Maker = Callable[[], Scene]
CASES: dict[str, Maker] = {}


def case(maker: Maker) -> Maker:
    """Register a case under its function's name."""
    CASES[maker.__name__] = maker
    return maker


def rear(
    layout: Layout, back: float = 22, height: float = 6.0, focal: float = 27, side: float = 1.0, aim_y: float = 4.5
) -> Camera:
    """Behind the line, `side` metres right of the approach's middle."""
    middle = layout.median_m / 2 + layout.lanes_in * layout.lane_m / 2
    return Camera((middle + side, -back, height), (middle + 0.2, aim_y, 0.0), focal)


def front(
    layout: Layout, past: float = 9, height: float = 6.0, focal: float = 34, side: float = 1.5, aim_y: float = -2.5
) -> Camera:
    """Beyond the cross street, looking back."""
    middle = layout.median_m / 2 + layout.lanes_in * layout.lane_m / 2
    return Camera((middle + side, layout.box_far_m + past, height), (middle - 0.2, aim_y, 0.0), focal)


def lanes(layout: Layout, group: str = "north", confirm_y: float = 5.0) -> tuple[LanePlan, ...]:
    """All inbound lanes, from the middle outwards."""
    return tuple(LanePlan(f"lane-{i + 1}", group, layout.lane_x(i), confirm_y) for i in range(layout.lanes_in))


def scene(
    name: str,
    story: tuple[str, str],
    seed: int,
    layout: Layout,
    camera: Camera,
    view: str,
    light: Light,
    condition: str,
    duration: float,
    signal: Timeline,
    stage: Stage,
    *,
    fps: float = 25.0,
    plans: tuple[LanePlan, ...] | None = None,
    cross: Timeline | None = None,
) -> Scene:
    """A scene with the usual rule."""
    timelines = (signal,) if cross is None else (signal, cross)
    layout = replace(layout, mast_arm=view == "rear")  # else it would hang in front of the lens
    return Scene(
        name,
        seed,
        layout,
        camera,
        view,
        light,
        condition,
        duration,
        fps,
        plans or lanes(layout),
        timelines,
        tuple(stage.users),
        title=story[0],
        story=story[1],
    )


def shown_cross(signal: Timeline, red_at: float, green_at: float, duration: float) -> Timeline:
    """What the cross street's heads show: green while the approach is red, with two seconds of all red."""
    changes = [
        (-30.0, "g" if signal.shown(0.0) == "r" else "r"),
        (red_at + 2.5, "g"),
        (green_at - 5.0, "a"),
        (green_at - 2.0, "r"),
    ]
    return Timeline("cross", tuple((t, s) for t, s in changes if t < duration))


@case
def plain_red_runner() -> Scene:
    layout = Layout(seed=3, trees=9, building_share=0.9)
    stage = Stage(layout, "rear", 101)
    signal = cycle("north", 8.0, 26, green_s=20, red_s=12)
    stage.passes("green-1", "hatch", 0, 2.0)
    stage.passes("green-2", "suv", 1, 3.4, 11.5)
    stage.stops("waits", "estate", 0, 10.4, 21.2)
    stage.passes("runner", "sedan", 1, 10.6, 12.5, (0.30, 0.012, 0.015))
    stage.oncoming(-20, 8.5)
    stage.crossing_traffic(12.0, 17.0)
    stage.walkers(4)
    story = (
        "A plain red runner, seen from behind",
        (
            "Two cars pass on green. The lamp turns red at 8.0 s: the car in lane 1 stops and goes on when it is "
            "green again, the red car in lane 2 drives through 2.6 s into red."
        ),
    )
    return scene(
        "plain_red_runner",
        story,
        101,
        layout,
        rear(layout, 22, 6.2, 27),
        "rear",
        light_for("day", 4, 2.3),
        "day",
        26,
        signal,
        stage,
        cross=shown_cross(signal, 8, 20, 26),
    )


@case
def front_view() -> Scene:
    layout = Layout(seed=12, lane_m=3.3, cross_lanes=1, trees=12, ground=Material.SLABS)
    stage = Stage(layout, "front", 102)
    signal = cycle("north", 7.0, 22, green_s=20, red_s=11)
    stage.passes("green", "minivan", 1, 2.5, 11)
    stage.stops("waits", "hatch", 0, 9.6, 19.0)
    stage.passes("runner", "suv", 1, 8.9, 12)
    stage.oncoming(-20, 7)
    stage.crossing_traffic(11.0, 15.0)
    stage.walkers(4)
    story = (
        "A red runner, seen from the front",
        "The camera stands past the junction. One car passes on green, one stops, one drives through 1.9 s into red.",
    )
    return scene(
        "front_view",
        story,
        102,
        layout,
        front(layout, 8, 5.5, 33),
        "front",
        light_for("overcast", 3),
        "overcast",
        22,
        signal,
        stage,
        cross=shown_cross(signal, 7, 18, 22),
    )


@case
def late_amber() -> Scene:
    layout = Layout(seed=5, median_m=2.0, trees=14)
    stage = Stage(layout, "rear", 103)
    signal = cycle("north", 9.0, 20, green_s=18, red_s=20)
    stage.passes("early-amber", "pickup", 1, 7.0, 12)
    stage.passes("late-amber", "sedan", 0, 8.45, 14)
    stage.stops("waits", "van", 1, 11.5, 40)
    stage.oncoming(-20, 8.5)
    stage.crossing_traffic(12.0, 18.0)
    stage.walkers(3)
    story = (
        "Late amber",
        "Two cars cross on amber, the second 0.55 s before red. A van stops. Nobody breaks the rule.",
    )
    return scene(
        "late_amber",
        story,
        103,
        layout,
        rear(layout, 24, 7.0, 30, -0.5),
        "rear",
        light_for("day", 9, 0.7),
        "day",
        20,
        signal,
        stage,
        cross=shown_cross(signal, 9, 29, 20),
    )


@case
def within_grace() -> Scene:
    layout = Layout(seed=8, lane_m=3.5, cross_lanes=1, trees=6)
    stage = Stage(layout, "front", 104)
    signal = cycle("north", 8.0, 18, green_s=18, red_s=20)
    stage.passes("green", "estate", 0, 3.0, 11)
    stage.passes("grace", "hatch", 1, 8.25, 13)
    stage.stops("waits", "mini", 0, 10.8, 40)
    stage.crossing_traffic(11.5, 17.0)
    stage.walkers(3)
    story = ("Within grace", "A car crosses 0.25 s after red began. The rule forgives 0.5 s: no violation.")
    return scene(
        "within_grace",
        story,
        104,
        layout,
        front(layout, 7, 6.5, 34, 0.5),
        "front",
        light_for("day", 21, 5.2),
        "day",
        18,
        signal,
        stage,
        cross=shown_cross(signal, 8, 28, 18),
    )


@case
def rear_margin() -> Scene:
    layout = Layout(seed=9, lane_m=3.4, trees=10)
    stage = Stage(layout, "rear", 105)
    signal = cycle("north", 8.0, 18, green_s=18, red_s=20)
    stage.passes("green", "suv", 1, 3.0, 11)
    stage.passes("margin", "sedan", 0, 8.855, 12)
    stage.stops("waits", "hatch", 1, 11.0, 40)
    stage.crossing_traffic(12.0, 17.0)
    stage.walkers(3)
    story = (
        "Within the margin for the unseen front",
        (
            "The rear of a car crosses 0.85 s after red began. From behind, its front cannot be seen: half a second "
            "of margin and half a second of grace leave no violation."
        ),
    )
    return scene(
        "rear_margin",
        story,
        105,
        layout,
        rear(layout, 20, 5.2, 25, 0.5),
        "rear",
        light_for("overcast", 5),
        "overcast",
        18,
        signal,
        stage,
        cross=shown_cross(signal, 8, 28, 18),
    )


@case
def stopped_past_line() -> Scene:
    layout = Layout(seed=15, cross_lanes=1, trees=8, ground=Material.SLABS)
    stage = Stage(layout, "front", 106)
    signal = cycle("north", 6.0, 24, green_s=18, red_s=13)
    stage.passes("green", "sedan", 1, 1.8, 11)
    stage.stops("stops-late", "suv", 0, 9.3, 20.4, stop_m=2.2, v_mps=10)
    stage.stops("waits", "hatch", 1, 9.0, 20.3)
    stage.crossing_traffic(10.0, 16.0)
    stage.walkers(4)
    story = (
        "Stopped past the line",
        (
            "A car brakes too late and stands on the crossing 2.2 m past the line until green. It never reaches the "
            "confirm line on red: no violation."
        ),
    )
    return scene(
        "stopped_past_line",
        story,
        106,
        layout,
        front(layout, 8, 5.0, 33, 1.0),
        "front",
        light_for("low_sun", 3, 1.25),
        "low_sun",
        24,
        signal,
        stage,
        cross=shown_cross(signal, 6, 19, 24),
    )


@case
def stop_then_creep() -> Scene:
    layout = Layout(seed=22, cross_lanes=1, trees=12)
    stage = Stage(layout, "front", 107)
    signal = cycle("north", 5.0, 28, green_s=18, red_s=18)
    from .motion import Drive

    creep = Drive(-90, 11).stop_at(-1.5)
    start = 8.0 - creep.t_s
    creep.wait(4.0).change_speed(1.4, 0.9).stop_at(2.3, 0.8).wait(11.5).change_speed(10, 1.8).cruise_to(60)
    stage.add("creeps", "estate", creep.motion().shifted(start), stage.lane_path(0), 0)
    rolls = Drive(-90, 11).stop_at(-1.5)
    start = 9.0 - rolls.t_s
    rolls.wait(6.0).change_speed(4.5, 1.6).cruise_to(9).change_speed(10, 2.0).cruise_to(60)
    stage.add("rolls-on", "hatch", rolls.motion().shifted(start), stage.lane_path(1), 1)
    stage.crossing_traffic(8.0, 11.0)
    stage.walkers(3)
    story = (
        "Stop, then creep",
        (
            "Both cars stop at red. The one in lane 1 creeps over the line and stands again: no violation. The one "
            "in lane 2 stops as well, but then rolls on through red: a violation."
        ),
    )
    return scene(
        "stop_then_creep",
        story,
        107,
        layout,
        front(layout, 7, 6.0, 33, 1.0),
        "front",
        light_for("overcast", 11),
        "overcast",
        28,
        signal,
        stage,
        cross=shown_cross(signal, 5, 23, 28),
    )


@case
def right_on_red_allowed() -> Scene:
    layout = Layout(seed=31, cross_lanes=1, trees=5, building_share=0.5)
    stage = Stage(layout, "rear", 108)
    signal = cycle("north", 5.0, 22, green_s=18, red_s=25)
    stage.passes("green", "mini", 0, 1.2, 11)
    stage.stops("waits", "sedan", 0, 8.2, 40)
    stage.turns_right("turns", "hatch", 1, 11.5)
    stage.turns_right("turns-too", "estate", 1, 16.0)
    stage.walkers(2)
    plans = (
        LanePlan("through", "north", layout.lane_x(0), 6.0),
        LanePlan("right", "north", layout.lane_x(1), 6.0, turn_on_red=True),
    )
    story = (
        "Right turn on red where it is allowed",
        (
            "Two cars turn right on red out of a lane where that is legal; a car in the other lane waits. The turns "
            "never reach the confirm line straight ahead."
        ),
    )
    return scene(
        "right_on_red_allowed",
        story,
        108,
        layout,
        rear(layout, 22, 7.5, 26, 0.2),
        "rear",
        light_for("day", 33, 3.6),
        "day",
        22,
        signal,
        stage,
        plans=plans,
        cross=shown_cross(signal, 5, 30, 22),
    )


@case
def right_on_red_forbidden() -> Scene:
    layout = Layout(seed=34, cross_lanes=1, trees=9)
    stage = Stage(layout, "front", 109)
    signal = cycle("north", 5.0, 20, green_s=18, red_s=25)
    stage.passes("green", "suv", 1, 1.2, 11)
    stage.stops("waits", "pickup", 0, 8.2, 40)
    stage.turns_right("turns", "sedan", 1, 11.0)
    stage.walkers(3)
    plans = tuple(replace(plan, confirm_y_m=2.6) for plan in lanes(layout))
    story = (
        "Right turn on red where it is forbidden",
        (
            "A car turns right 6 s into red. The confirm line lies close behind the stop line, so that turning "
            "vehicles cross it: a violation."
        ),
    )
    return scene(
        "right_on_red_forbidden",
        story,
        109,
        layout,
        front(layout, 8, 6.5, 34, 0.5),
        "front",
        light_for("day", 39, 5.5),
        "day",
        20,
        signal,
        stage,
        plans=plans,
        cross=shown_cross(signal, 5, 30, 20),
    )


@case
def hidden_behind_lorry() -> Scene:
    layout = Layout(seed=41, cross_lanes=1, trees=8)
    stage = Stage(layout, "front", 110)
    signal = cycle("north", 5.0, 20, green_s=18, red_s=25)
    from .motion import Drive, straight

    stage.passes("green", "hatch", 1, 1.2, 11)
    stage.passes("runner", "sedan", 0, 12.0, 12.0, (0.5, 0.5, 0.52))
    lorry = Drive(-110, 13.0).cruise_to(120).timed(0.0, 10.35)
    stage.add("lorry", "lorry", lorry, straight(layout.lane_x(0) - 3.0, layout.cross_y(0, rightwards=True), 0.0))
    stage.walkers(3)
    story = (
        "A runner hidden behind a lorry",
        (
            "A lorry on the cross street hides the runner for about half a second shortly before it crosses the "
            "line, 7 s into red."
        ),
    )
    return scene(
        "hidden_behind_lorry",
        story,
        110,
        layout,
        front(layout, 8, 4.6, 34, 0.5, -4.0),
        "front",
        light_for("day", 44, 1.0),
        "day",
        20,
        signal,
        stage,
        cross=shown_cross(signal, 5, 30, 20),
    )


@case
def two_abreast() -> Scene:
    layout = Layout(seed=45, lane_m=3.3, trees=11, median_m=1.5)
    stage = Stage(layout, "rear", 111)
    signal = cycle("north", 7.0, 20, green_s=18, red_s=25)
    stage.stops("stops", "sedan", 0, 9.9, 40, v_mps=12)
    stage.passes("runs", "sedan", 1, 8.9, 12)
    stage.passes("green", "hatch", 1, 3.2, 11.5)
    stage.oncoming(-20, 7)
    stage.crossing_traffic(11.5, 18)
    stage.walkers(3)
    story = (
        "Two abreast, one runs",
        "Two cars come up side by side. The left one stops, the right one drives through 1.9 s into red.",
    )
    return scene(
        "two_abreast",
        story,
        111,
        layout,
        rear(layout, 23, 6.5, 28, 0.0),
        "rear",
        light_for("day", 52, 2.0),
        "day",
        20,
        signal,
        stage,
        cross=shown_cross(signal, 7, 32, 20),
    )


@case
def dense_queue_on_green() -> Scene:
    layout = Layout(seed=51, lanes_in=3, lane_m=3.3, trees=8)
    stage = Stage(layout, "rear", 112)
    signal = cycle("north", -12.0, 30, green_s=30, red_s=16)
    stage.queue(0, ["hatch", "sedan", "suv", "mini", "estate"], 4.0)
    stage.queue(1, ["suv", "van", "sedan", "hatch"], 4.0)
    stage.queue(2, ["minivan", "pickup", "sedan", "hatch"], 4.0)
    stage.oncoming(4.0, 28)
    stage.walkers(4)
    story = (
        "A dense queue starts on green",
        "Three full lanes wait and start when the lamp turns green at 4.0 s. Nobody runs.",
    )
    return scene(
        "dense_queue_on_green",
        story,
        112,
        layout,
        rear(layout, 24, 7.8, 25, 0.0, 3.5),
        "rear",
        light_for("overcast", 16),
        "overcast",
        24,
        signal,
        stage,
    )


@case
def past_line_at_red() -> Scene:
    layout = Layout(seed=55, trees=10)
    stage = Stage(layout, "front", 113)
    signal = cycle("north", 7.0, 18, green_s=18, red_s=25)
    from .motion import Drive

    blocked = Drive(-90, 9).stop_at(7.5)
    start = 5.6 - blocked.t_s
    blocked.wait(4.4).change_speed(10, 1.8).cruise_to(80)
    stage.add("in-the-box", "sedan", blocked.motion().shifted(start), stage.lane_path(0), 0)
    stage.stops("waits", "van", 1, 9.4, 40)
    stage.walkers(3)
    story = (
        "Past the line when red begins",
        (
            "A car crosses the line on green and has to stand in the junction. Red begins while it stands there; it "
            "clears the junction on red. It was past the line: no violation."
        ),
    )
    return scene(
        "past_line_at_red",
        story,
        113,
        layout,
        front(layout, 10, 6.5, 36, 1.0),
        "front",
        light_for("day", 61, 5.0),
        "day",
        18,
        signal,
        stage,
    )


@case
def motorcycle_runner() -> Scene:
    layout = Layout(seed=58, trees=14, lane_m=3.2)
    stage = Stage(layout, "rear", 114)
    signal = cycle("north", 7.0, 20, green_s=18, red_s=25)
    stage.passes("green-moto", "motorcycle", 0, 2.6, 12)
    stage.stops("waits", "hatch", 0, 9.8, 40)
    stage.passes("runner", "motorcycle", 1, 9.2, 12.5, (0.30, 0.012, 0.015))
    stage.crossing_traffic(11.5, 18)
    stage.walkers(3)
    story = (
        "A motorcycle runs red",
        "One motorcycle passes on green, another drives through 2.2 s into red past a waiting car.",
    )
    return scene(
        "motorcycle_runner",
        story,
        114,
        layout,
        rear(layout, 18, 5.5, 27, 0.3),
        "rear",
        light_for("day", 66, 3.9),
        "day",
        20,
        signal,
        stage,
        cross=shown_cross(signal, 7, 32, 20),
    )


@case
def bus_and_lorry() -> Scene:
    layout = Layout(seed=63, lane_m=3.6, trees=7)
    stage = Stage(layout, "front", 115)
    signal = cycle("north", 8.0, 20, green_s=18, red_s=25)
    stage.passes("bus-on-amber", "bus", 1, 6.6, 10)
    stage.passes("lorry-runs", "long_lorry", 0, 10.1, 11)
    stage.stops("waits", "suv", 1, 12.2, 40)
    stage.crossing_traffic(14.0, 19.0)
    stage.walkers(3)
    story = (
        "Bus and lorry with long overhangs",
        (
            "A bus crosses on amber and is still over the line when red begins: no violation. A lorry drives "
            "through 2.1 s into red."
        ),
    )
    return scene(
        "bus_and_lorry",
        story,
        115,
        layout,
        front(layout, 12, 7.5, 40, 0.5, -4.0),
        "front",
        light_for("day", 72, 4.6),
        "day",
        20,
        signal,
        stage,
        cross=shown_cross(signal, 8, 33, 20),
    )


@case
def night_wet_headlights() -> Scene:
    layout = Layout(seed=67, cross_lanes=1, trees=8)
    stage = Stage(layout, "front", 116)
    signal = cycle("north", 7.0, 22, green_s=18, red_s=12)
    stage.passes("green", "sedan", 0, 2.5, 11)
    stage.stops("waits", "estate", 1, 9.6, 20.2, stop_m=-2.0)
    stage.passes("runner", "hatch", 0, 10.2, 12)
    stage.walkers(2)
    story = (
        "Night, wet road, headlights",
        (
            "Headlights and their reflections reach over the line long before the cars do. One car passes on green, "
            "one stops short of the line, one drives through 3.2 s into red."
        ),
    )
    light = replace(light_for("night_wet", 4), rain=0.0, grain=3.0, exposure=1.9)
    return scene(
        "night_wet_headlights",
        story,
        116,
        layout,
        front(layout, 8, 6.0, 33, 1.0),
        "front",
        light,
        "night",
        24,
        signal,
        stage,
        cross=shown_cross(signal, 7, 19, 24),
    )


@case
def rain_runner() -> Scene:
    layout = Layout(seed=71, trees=10)
    stage = Stage(layout, "rear", 117)
    signal = cycle("north", 8.0, 20, green_s=18, red_s=25)
    stage.passes("green", "suv", 0, 3.0, 10)
    stage.passes("runner", "van", 1, 10.4, 11)
    stage.stops("waits", "sedan", 0, 10.8, 40)
    stage.crossing_traffic(13.5, 19)
    stage.walkers(2)
    story = ("Rain", "A van drives through 2.4 s into red in rain.")
    light = replace(light_for("rain", 8), rain=0.45, grain=1.5)
    return scene(
        "rain_runner",
        story,
        117,
        layout,
        rear(layout, 21, 6.0, 26, 0.5),
        "rear",
        light,
        "rain",
        18,
        signal,
        stage,
        cross=shown_cross(signal, 8, 33, 18),
    )


@case
def fog_runner() -> Scene:
    layout = Layout(seed=74, trees=8, cross_lanes=1)
    stage = Stage(layout, "front", 118)
    signal = cycle("north", 7.0, 20, green_s=18, red_s=25)
    stage.passes("green", "sedan", 1, 2.8, 10)
    stage.passes("runner", "pickup", 0, 9.0, 11)
    stage.stops("waits", "minivan", 1, 10.2, 40)
    stage.walkers(2)
    story = ("Fog", "A pickup drives through 2.0 s into red in fog.")
    light = replace(light_for("fog", 9), fog_per_m=0.016)
    return scene(
        "fog_runner",
        story,
        118,
        layout,
        front(layout, 7, 5.5, 33, 1.0),
        "front",
        light,
        "fog",
        20,
        signal,
        stage,
        cross=shown_cross(signal, 7, 32, 20),
    )


@case
def low_sun_shadows() -> Scene:
    layout = Layout(seed=78, trees=16, building_share=0.08)
    stage = Stage(layout, "rear", 119)
    signal = cycle("north", 7.0, 26, green_s=18, red_s=13)
    stage.passes("green", "estate", 1, 2.4, 11)
    stage.stops("waits", "suv", 1, 9.8, 21.2, stop_m=-1.5)
    stage.passes("runner", "mini", 0, 9.6, 12)
    stage.oncoming(-20, 7)
    stage.crossing_traffic(12, 17)
    stage.walkers(4)
    story = (
        "Low sun and hard shadows",
        (
            "The sun stands low behind the cars: their shadows cross the line before they do. One car stops, its "
            "shadow far past the line; one drives through 2.6 s into red."
        ),
    )
    light = replace(light_for("low_sun", 6, -math.pi / 2 - 0.35), sun_elevation_rad=0.24)
    return scene(
        "low_sun_shadows",
        story,
        119,
        layout,
        rear(layout, 21, 6.0, 26, 0.5),
        "rear",
        light,
        "low_sun",
        26,
        signal,
        stage,
        cross=shown_cross(signal, 7, 20, 26),
    )


@case
def short_amber() -> Scene:
    layout = Layout(seed=82, trees=9, cross_lanes=1)
    stage = Stage(layout, "rear", 120)
    signal = cycle("north", 7.0, 18, green_s=18, red_s=25, amber_s=2.2)
    stage.passes("green", "hatch", 0, 2.4, 11)
    stage.passes("crosses", "sedan", 1, 8.9, 13)
    stage.stops("waits", "suv", 0, 10.2, 40)
    stage.walkers(3)
    story = (
        "Amber too short",
        (
            "The amber lasts 2.2 s where 3.0 s are lawful. A car crosses 1.9 s into red; because the amber was "
            "short, the whole cycle convicts nobody."
        ),
    )
    return scene(
        "short_amber",
        story,
        120,
        layout,
        rear(layout, 20, 5.6, 26, 0.5),
        "rear",
        light_for("day", 83, 1.6),
        "day",
        18,
        signal,
        stage,
        cross=shown_cross(signal, 7, 32, 18),
    )


@case
def lamp_fault() -> Scene:
    layout = Layout(seed=86, lanes_in=3, lane_m=3.3, trees=6)
    stage = Stage(layout, "rear", 121)
    dark = Timeline("north-a", ((-40.0, "r"), (-20.0, "g"), (4.0, "a"), (7.0, "")))
    both = Timeline("north-b", ((-40.0, "r"), (-20.0, "g"), (4.0, "a"), (7.0, "rg")))
    stuck = Timeline("north-c", ((-56.0, "g"), (-33.0, "a"), (-30.0, "r")))
    stage.passes("green", "hatch", 0, 1.8, 11)
    stage.passes("at-dark", "sedan", 0, 12.0, 10)
    stage.passes("at-both", "suv", 1, 13.5, 10)
    stage.passes("at-stuck", "minivan", 2, 16.0, 9)
    stage.walkers(3)
    story = (
        "Lamp faults",
        (
            "Three lanes, three signal groups: one goes dark, one shows red and green at once, one has been red for "
            "longer than any phase may last. Vehicles cross all three: faults convict nobody."
        ),
    )
    plans = tuple(replace(plan, group=f"north-{'abc'[i]}") for i, plan in enumerate(lanes(layout)))
    made = scene(
        "lamp_fault",
        story,
        121,
        layout,
        rear(layout, 24, 7.0, 26, 0.0),
        "rear",
        light_for("overcast", 19),
        "overcast",
        20,
        dark,
        stage,
        plans=plans,
    )
    return replace(made, timelines=(dark, both, stuck), max_phase_s=40.0)


@case
def camera_shake() -> Scene:
    layout = Layout(seed=91, trees=13)
    stage = Stage(layout, "rear", 122)
    signal = cycle("north", 8.0, 18, green_s=18, red_s=25)
    stage.passes("green", "estate", 0, 3.0, 11)
    stage.passes("runner", "hatch", 1, 10.5, 12)
    stage.stops("waits", "sedan", 0, 10.7, 40)
    stage.crossing_traffic(13, 17)
    stage.walkers(3)
    story = (
        "A shaking camera",
        "Wind shakes the pole by a few pixels. One car passes on green, one stops, one drives through 2.5 s into red.",
    )
    made = scene(
        "camera_shake",
        story,
        122,
        layout,
        rear(layout, 21, 6.5, 26, 0.3),
        "rear",
        light_for("day", 92, 3.3),
        "day",
        18,
        signal,
        stage,
        cross=shown_cross(signal, 8, 33, 18),
    )
    return replace(made, shake=Shake(2.6, 1.3, 5))


@case
def camera_moved() -> Scene:
    layout = Layout(seed=95, trees=9)
    stage = Stage(layout, "rear", 123)
    signal = cycle("north", 6.0, 30, green_s=18, red_s=9)
    stage.passes("runner", "sedan", 0, 8.3, 12)
    stage.stops("waits", "suv", 1, 8.9, 16.1)
    stage.passes("green-after", "hatch", 0, 24.0, 10)
    stage.oncoming(16, 27)
    stage.walkers(3)
    story = (
        "The camera is moved",
        (
            "A runner 2.3 s into red. At 20 s something hits the pole and the view turns by a few degrees, so that "
            "the lines no longer lie on the road; a car then passes on green."
        ),
    )
    camera = rear(layout, 22, 6.5, 27, 0.3)
    x, y, z = camera.target_m
    made = scene(
        "camera_moved", story, 123, layout, camera, "rear", light_for("overcast", 23), "overcast", 27, signal, stage
    )
    knocked = replace(camera, target_m=(x + 1.1, y - 0.6, z), roll_rad=0.025)
    return replace(made, moved_camera=knocked, moved_at_s=20.0, extra={"camera_moved_at_s": 20.0})


@case
def low_frame_rate() -> Scene:
    layout = Layout(seed=97, trees=9, cross_lanes=1)
    stage = Stage(layout, "rear", 124)
    signal = cycle("north", 9.0, 30, green_s=18, red_s=13)
    stage.passes("green", "van", 0, 3.1, 9)
    stage.passes("runner", "suv", 1, 11.4, 9)
    stage.stops("waits", "hatch", 0, 12.0, 23.1)
    stage.oncoming(-20, 9)
    stage.crossing_traffic(14, 19)
    stage.walkers(3)
    story = (
        "Five frames a second",
        (
            "A cheap camera delivers five frames a second. One van passes on green, one car stops, one drives "
            "through 2.4 s into red."
        ),
    )
    return scene(
        "low_frame_rate",
        story,
        124,
        layout,
        rear(layout, 22, 6.5, 26, 0.4),
        "rear",
        light_for("day", 99, 2.9),
        "day",
        30,
        signal,
        stage,
        fps=5.0,
        cross=shown_cross(signal, 9, 22, 30),
    )


@case
def empty_road_moving_shadows() -> Scene:
    layout = Layout(seed=103, trees=26, building_share=0.08)
    stage = Stage(layout, "rear", 125)
    signal = cycle("north", 6.0, 20, green_s=18, red_s=25)
    stage.walkers(4)
    story = (
        "An empty road with moving shadows",
        "Clouds and wind-blown trees move shadows over the line; no vehicle comes. There is nothing to report.",
    )
    light = replace(light_for("low_sun", 14, -0.5), sun_elevation_rad=0.42, cloud_shadow=0.75)
    made = scene(
        "empty_road_moving_shadows",
        story,
        125,
        layout,
        rear(layout, 21, 6.0, 26, 0.4),
        "rear",
        light,
        "low_sun",
        18,
        signal,
        stage,
    )
    return replace(made, swaying=True)
