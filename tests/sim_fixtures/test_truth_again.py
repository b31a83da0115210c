"""The truth comes from the scene alone: made again from the seed it is the same, byte for byte."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("cv2", reason="the scenes need OpenCV (extra 'sim')")

from typing import TYPE_CHECKING

from sim_fixtures.render.cases import CASES
from sim_fixtures.render.signals import lamps_csv
from sim_fixtures.render.site import site_toml
from sim_fixtures.render.truth import truth_json

if TYPE_CHECKING:
    from sim_fixtures.render.scene import Scene

HOME = Path(__file__).resolve().parents[2] / "sim_fixtures"
COMMITTED = sorted(name for name in CASES if (HOME / name / "truth.json").exists())


@pytest.mark.parametrize("name", COMMITTED)
def test_a_case_made_again_has_the_committed_truth(name: str) -> None:
    scene = CASES[name]()
    assert truth_json(scene) == (HOME / name / "truth.json").read_text()
    assert lamps_csv(scene.timelines) == (HOME / name / "lamps.csv").read_text()
    assert site_toml(scene) == (HOME / name / "site.toml").read_text()


def test_every_case_is_committed() -> None:
    assert sorted(CASES) == COMMITTED


def generated(seed: int) -> Scene:
    from sim_fixtures.render.generate import chunk

    return chunk(seed, 0, "day", 15.0, 30.0)


def test_the_same_seed_gives_the_same_generated_traffic_and_another_seed_another() -> None:
    first, again, other = (truth_json(generated(seed)) for seed in (9101, 9101, 9102))
    assert first == again
    assert first != other


def test_generated_vehicles_of_one_lane_never_overlap() -> None:
    from sim_fixtures.render.vehicles import model

    scene = generated(9101)
    for lane in range(len(scene.lanes)):
        users = [user for user in scene.users if user.lane == lane]
        for t in range(1, 30):
            present = [u for u in users if u.motion.t_s[0] <= t <= u.motion.t_s[-1]]
            spans = sorted((u.motion.place(t) - model(u.kind).length_m, u.motion.place(t)) for u in present)
            for (_, ahead_of), (behind, _) in pairwise(spans):
                assert behind - ahead_of > 0.3
