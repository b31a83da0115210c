"""docs/event-format.md: its example is what the program makes, and its verifier verifies."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidSignature

from edge import event
from edge.keys import load_public_keys
from tests.cases import unsigned
from tests.event.make_example import BLOCK, EVENT, KEY, PAGE, laid_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXT = PAGE.read_text(encoding="utf-8")
REMAKE = "run python -m tests.event.make_example"
RAW = EVENT.read_bytes().strip()


def shown() -> dict[str, Any]:
    found = BLOCK.search(TEXT)
    assert found
    document: dict[str, Any] = json.loads(found[1])
    return document


def verifier() -> Callable[[bytes, bytes], dict[str, Any]]:
    found = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert found
    namespace: dict[str, Any] = {}
    exec(found[1], namespace)  # noqa: S102 - the page's own code
    verify: Callable[[bytes, bytes], dict[str, Any]] = namespace["verify"]
    return verify


def test_the_example_verifies() -> None:
    verified = event.verify(RAW, load_public_keys([KEY]))
    assert verified.red_at_least_s == 1.494983


def test_the_example_is_what_the_program_makes_of_its_case() -> None:
    document = shown()
    del document["signature"]
    assert document == unsigned(), REMAKE


def test_the_page_shows_the_file_beside_it() -> None:
    assert event.canonical(shown()) == RAW, REMAKE
    assert laid_out(json.loads(RAW)) in TEXT, REMAKE


def test_the_verifier_is_a_dozen_lines_and_accepts_the_example() -> None:
    verify = verifier()
    assert verify(EVENT.read_bytes(), KEY.read_bytes()) == shown()
    found = re.search(r"def verify.*?return event\n", TEXT, re.DOTALL)
    assert found
    assert len(found[0].splitlines()) <= 12


def test_the_verifier_refuses_every_changed_byte_outside_of_the_signature() -> None:
    verify, pem = verifier(), KEY.read_bytes()
    begin = RAW.rindex(b',"signature":"')
    end = RAW.index(b'"', begin + 14) + 1
    for index in [*range(begin), *range(end, len(RAW))]:
        changed = bytearray(RAW)
        changed[index] ^= 0x01
        with pytest.raises((InvalidSignature, ValueError, KeyError)):
            verify(bytes(changed), pem)


def test_the_verifier_refuses_a_changed_value() -> None:
    assert RAW.count(b'"vehicle_class":"car"') == 1
    with pytest.raises(InvalidSignature):
        verifier()(RAW.replace(b'"vehicle_class":"car"', b'"vehicle_class":"bus"'), KEY.read_bytes())


def test_the_verifier_refuses_a_signature_that_stands_elsewhere_or_twice() -> None:
    document = shown()
    document["data"]["signature"] = document["signature"]
    with pytest.raises(InvalidSignature):
        verifier()(event.canonical(document), KEY.read_bytes())
    del document["signature"]
    with pytest.raises(KeyError):
        verifier()(event.canonical(document), KEY.read_bytes())


def names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for value in node.values():
            yield from names(value)


def test_every_field_is_explained() -> None:
    explanation = TEXT[TEXT.index("## Attributes") :]
    unexplained = [name for name in names(event.schema()) if not re.search(rf"[`.]{name}[`.]", explanation)]
    assert unexplained == []
