"""The README of a case, written from the scene and its truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .truth import truth

if TYPE_CHECKING:
    from .scene import Scene


def readme(scene: Scene) -> str:
    """Markdown: what happens, and the right verdicts."""
    content = truth(scene)
    rows = content["passages"]
    assert isinstance(rows, list)
    lines = [f"# {scene.title}", "", scene.story, "", _facts(scene), ""]
    if rows:
        lines += ["| vehicle | class | lane | crosses at (s) | red for (s) | verdict |", "|---|---|---|---|---|---|"]
        for row in rows:
            red = "" if row["red_elapsed_s"] is None else f"{row['red_elapsed_s']:.2f}"
            lines.append(
                f"| {row['vehicle']} | {row['class']} | {row['lane']} | {row['t_cross_s']:.2f} | {red} "
                f"| `{row['verdict']}` |"
            )
    else:
        lines.append("No vehicle crosses the line: there must be no passage.")
    lines += ["", f"Make it again: `python -m sim_fixtures.render {scene.name}`.", ""]
    return "\n".join(lines)


def _facts(scene: Scene) -> str:
    place = f"{scene.camera.eye_m[2]:.1f} m high, {scene.camera.focal_mm:.0f} mm"
    weather = scene.condition.replace("_", " ")
    return f"{scene.duration_s:.0f} s at {scene.fps:g} frames a second; {scene.view} view, camera {place}; {weather}."
