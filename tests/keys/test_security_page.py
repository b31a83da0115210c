"""docs/security.md goes through every provision of EN 303 645 once, and counts them rightly."""

from __future__ import annotations

import re
from collections import Counter

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "security.md"
# How many provisions each clause of V2.1.1 has.
PROVISIONS = {
    "4": 1,
    "5.1": 5,
    "5.2": 3,
    "5.3": 16,
    "5.4": 4,
    "5.5": 8,
    "5.6": 9,
    "5.7": 2,
    "5.8": 3,
    "5.9": 3,
    "5.10": 1,
    "5.11": 4,
    "5.12": 3,
    "5.13": 1,
    "6": 5,
}
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| \d", line)
]


def test_every_provision_stands_once_and_in_order() -> None:
    expected = [f"{clause}-{number}" for clause, many in PROVISIONS.items() for number in range(1, many + 1)]
    assert [row[0].split()[0] for row in ROWS] == expected


def test_each_has_a_status_and_what_is_not_met_says_why() -> None:
    for name, binding, status, words in ROWS:
        assert binding in ("M", "R"), name
        assert status in ("met", "partly", "open", "operator", "n/a"), name
        assert words or status == "open", name


def test_the_mandatory_ones_are_counted_rightly() -> None:
    counted = Counter(row[2] for row in ROWS if row[1] == "M")
    said = re.search(
        r"Of the (\d+) mandatory provisions (\d+) are met, (\d+) partly, (\d+) are open, (\d+) are the operator's and "
        r"(\d+) do not apply",
        " ".join(PAGE.read_text(encoding="utf-8").split()),
    )
    assert said is not None
    figures = [counted.total(), *(counted[status] for status in ("met", "partly", "open", "operator", "n/a"))]
    assert [int(figure) for figure in said.groups()] == figures
