"""The two pictures show what they claim: on made-up tracks, and for every violation of every recording."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.evidence.stills import BEFORE, BEFORE_ALONE, PAST, PAST_ALONE, Still, choose_stills
from edge.evidence.subject import Subject
from edge.records import NS_PER_S
from edge.sources.video import open_video
from tests.cases import case, unsigned
from tests.command import events
from tests.recordings import Recording, recordings

if TYPE_CHECKING:
    from tests.recordings import Replays

SUBJECT = Subject.of(unsigned())
TIMES_NS = [point.t_ns for point in case().passage.points]
Line = list[list[float]]


def side_of(line: Line, direction: list[float], box: tuple[float, ...]) -> float:
    """How far the middle of a box's bottom edge lies past a line, in pixels; by a way of its own."""
    (x1, y1), (x2, y2) = line
    x, y = (box[0] + box[2]) / 2, box[3]
    cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    ahead = (x2 - x1) * direction[1] - (y2 - y1) * direction[0]
    return float(cross / ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 * (1 if ahead > 0 else -1))


def test_the_first_is_clearly_before_the_stop_line_and_the_second_past_the_confirm_line() -> None:
    (before, past), missing = choose_stills(SUBJECT, TIMES_NS)
    assert (before.claim, past.claim, missing) == (BEFORE, PAST, ())
    assert before.t_ns < case().passage.t_cross_ns
    assert past.t_ns >= (case().passage.t_confirm_ns or 0)
    geometry: Any = unsigned()["data"]["geometry"]  # type: ignore[index]
    assert side_of(geometry["stop_line_px"], geometry["direction"], before.box_px) <= -2
    assert side_of(geometry["confirm_line_px"], geometry["direction"], past.box_px) >= 2


def test_pictures_in_which_the_vehicle_was_not_observed_are_not_taken() -> None:
    times_ns = sorted([*TIMES_NS, *(t_ns + 40_000_000 for t_ns in TIMES_NS)])
    assert choose_stills(SUBJECT, times_ns) == choose_stills(SUBJECT, TIMES_NS)


def test_what_cannot_be_shown_is_said() -> None:
    after = [t_ns for t_ns in TIMES_NS if t_ns > case().passage.t_cross_ns]
    (past,), missing = choose_stills(SUBJECT, after)
    assert past.claim == PAST
    assert missing == ("There is no picture of the vehicle before the stop line.",)
    assert choose_stills(SUBJECT, []) == (
        (),
        (
            "There is no picture of the vehicle before the stop line.",
            "There is no picture of the vehicle past the confirm line.",
        ),
    )


def test_a_picture_on_red_is_taken_even_if_it_is_barely_before_the_line() -> None:
    last_us = max(t_us for t_us in SUBJECT.track if t_us < SUBJECT.cross_us)
    (before, _), missing = choose_stills(replace(SUBJECT, red_us=(last_us, None)), TIMES_NS)
    assert (before.t_ns, before.claim, missing) == (1000 * last_us, BEFORE, ())


def test_a_picture_before_red_does_not_claim_red() -> None:
    (before, past), missing = choose_stills(replace(SUBJECT, red_us=(SUBJECT.cross_us, None)), TIMES_NS)
    assert (before.claim, past.claim) == (BEFORE_ALONE, PAST)
    assert missing == ("The picture before the stop line was taken when red was not shown beyond doubt.",)


def test_a_picture_after_red_does_not_claim_red() -> None:
    (before, past), missing = choose_stills(replace(SUBJECT, red_us=(0, SUBJECT.confirm_us)), TIMES_NS)
    assert (before.claim, past.claim) == (BEFORE, PAST_ALONE)
    assert missing == ("The picture past the confirm line was taken when red was not shown beyond doubt.",)


def test_red_begins_after_every_doubt_about_its_onset_and_ends_where_the_lamp_went_dark() -> None:
    document: Any = unsigned()
    onset_us = 39_600_000
    assert SUBJECT.red_us == (onset_us + 20_000, None)
    document["data"]["lamps"] += [[45.0, "red", False], [45.01, "red", True], [46.0, "red", False]]
    assert Subject.of(document).red_us == (onset_us + 20_000, 46_000_000)  # a lamp on alternating current may blink


@given(st.lists(st.sampled_from(TIMES_NS), unique=True))
def test_whatever_pictures_there_are_each_still_shows_what_it_claims(times_ns: list[int]) -> None:
    stills, missing = choose_stills(SUBJECT, times_ns)
    assert len(stills) + len(missing) >= 2
    geometry: Any = unsigned()["data"]["geometry"]  # type: ignore[index]
    for still in stills:
        if still.claim == BEFORE:
            assert side_of(geometry["stop_line_px"], geometry["direction"], still.box_px) < 0
        else:
            assert side_of(geometry["confirm_line_px"], geometry["direction"], still.box_px) > 0


@pytest.mark.parametrize("t_us", [41_300_000, 41_350_000, 42_300_000])
def test_the_vehicle_is_where_it_was_observed_or_between(t_us: int) -> None:
    box = SUBJECT.box_near(t_us)
    assert box is not None
    times = list(SUBJECT.track)
    before = SUBJECT.track[max(t for t in times if t <= t_us)]
    after = SUBJECT.track[min(t for t in times if t >= t_us)]
    assert box == pytest.approx([(a + b) / 2 for a, b in zip(before, after, strict=True)], abs=0.01)


def test_a_little_beyond_its_track_the_vehicle_goes_on_as_it_went() -> None:
    (first, *_, last) = SUBJECT.track.values()
    behind, ahead = SUBJECT.box_near(41_100_000), SUBJECT.box_near(42_500_000)
    assert behind is not None
    assert ahead is not None
    assert behind[3] == pytest.approx(first[3] + 2 * 4.3, abs=0.1)
    assert ahead[3] == pytest.approx(last[3] - 2 * 4.3, abs=0.1)
    assert SUBJECT.box_near(40_000_000) is None
    assert SUBJECT.box_near(44_000_000) is None


def lit_red(recording: Recording, group: str, t_s: float) -> bool:
    """What the recording's lamps say, read as a table."""
    with (recording.folder / "lamps.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["group"] == group and float(row["t_s"]) <= t_s]
    return bool(rows) and (rows[-1]["red"], rows[-1]["amber"], rows[-1]["green"]) == ("1", "0", "0")


@pytest.mark.replay
@pytest.mark.slow
@pytest.mark.parametrize("recording", recordings())
def test_the_stills_of_every_violation_show_what_they_claim(recording: str, replays: Replays) -> None:
    told = events(replays.of(recording))
    here = Recording(recording)
    site = tomllib.loads((here.folder / "site.toml").read_text(encoding="utf-8"))
    with open_video(here.video) as video:
        times_ns = [frame.t_ns for frame in video]
    for event in told:
        lane = next(lane for lane in site["lanes"] if lane["id"] == event["data"]["lane"])
        stills, missing = choose_stills(Subject.of(event), times_ns)
        assert [still.claim for still in stills] == [BEFORE, PAST]
        assert missing == ()
        assert side_of(lane["stop_line_px"], lane["direction"], stills[0].box_px) < 0
        assert side_of(lane["confirm_line_px"], lane["direction"], stills[1].box_px) > 0
        for still in stills:
            assert observed(event, still)
            assert lit_red(here, event["data"]["signal_group"], still.t_ns / NS_PER_S)
        assert all(later.t_ns - earlier.t_ns < 6 * NS_PER_S for earlier, later in pairwise(stills))


def observed(event: dict[str, Any], still: Still) -> bool:
    """Whether the event's own track has this very box at this very time."""
    return any(
        abs(row[0] - still.t_ns / NS_PER_S) < 1e-6 and tuple(row[1:5]) == still.box_px for row in event["data"]["track"]
    )
