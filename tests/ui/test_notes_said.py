"""What a proposal's values rest on is there in every language, figures kept."""

from __future__ import annotations

import re

import pytest

from edge.proposals.approach import ApproachProposal, Ground
from edge.proposals.lamps import HeadProposal
from edge.proposals.lanes import LaneProposal
from edge.proposals.paint import PaintedLine
from edge.proposals.site_text import Recording, site_text
from edge.records import Contact, Lamp
from edge.ui.catalogue import LANGUAGES, Words
from edge.ui.choosing import BY_TRAFFIC, IN_VIEW
from edge.ui.draft import notes

SEEN = Recording("road.mp4", (640, 360), 60.0, 1500)
FIGURE = re.compile(r"\d+")


def heads(count: int) -> list[HeadProposal]:
    lamps = {lamp: (10.0, 10.0 * row, 15.0, 10.0 * row + 5) for row, lamp in enumerate(Lamp)}
    return [HeadProposal(lamps, 0.97, 12, 1)] * count


def lane(contact: Contact, passed: int) -> LaneProposal:
    return LaneProposal(((10, 200), (90, 200)), ((20, 150), (80, 150)), (0, -1), contact, 30, passed, 4)


def every_note() -> set[str]:
    """The sentences of every kind of proposal."""
    said: set[str] = set()
    for ground in Ground:
        for contact in Contact:
            for waiting in (0, 3):
                line = PaintedLine(50, 200, 0.0, 30, contrast=71.6, paths=5, waiting=waiting)
                lanes = (lane(contact, 2), lane(contact, 8))
                approach = ApproachProposal(contact, line, ground, lanes, (), (0, 0, 400, 300))
                text = site_text("here", "north", SEEN, approach, heads(3), IN_VIEW if waiting else BY_TRAFFIC)
                said |= {one for place, each in notes(text).items() if place != "schema" for one in each}
    return said


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_note_is_told_with_its_figures(language: str) -> None:
    said = every_note()
    assert len(said) >= 17
    words = Words(language)
    untold = {one for one in said if words.telling(one) == one}
    assert untold == set()
    lost = {one for one in said if sorted(FIGURE.findall(one)) != sorted(FIGURE.findall(words.telling(one)))}
    assert lost == set()
