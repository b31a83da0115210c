"""The same input gives the same passages and the same events, however the work was shared out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.command import events, stopline
from tests.recordings import FIRST, Recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.recordings import Replays

# The first replay waits for its turn among all others.
pytestmark = [pytest.mark.replay, pytest.mark.slow, pytest.mark.timeout(600)]


def said(out: Path) -> list[dict[str, Any]]:
    """The events but for what differs by nature: id, nonce, the signature over them, evidence that shows the id."""
    documents = events(out)
    for document in documents:
        del document["id"], document["signature"], document["data"]["nonce"]
        for name in ("bundle_sha256", "sent_sha256", "bundle_bytes", "sent_bytes", "parts"):
            del document["data"]["evidence"][name]
    return documents


@pytest.mark.parametrize(
    "more", [[], ["--via-gpio"], ["--threads", "2"]], ids=["again", "lamps through pins", "two threads"]
)
def test_the_same_input_gives_the_same_output(more: list[str], replays: Replays, tmp_path: Path) -> None:
    first = replays.of(FIRST)
    outcome = stopline(*Recording(FIRST).words(tmp_path, *more))
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "passages.csv").read_bytes() == (first / "passages.csv").read_bytes()
    assert said(tmp_path) == said(first)
    assert said(first), "there is no event to compare"
    both = events(first) + events(tmp_path)
    assert len({event["id"] for event in both}) == len(both)
    assert len({event["data"]["nonce"] for event in both}) == len(both)
