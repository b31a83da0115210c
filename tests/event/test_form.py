"""The quick check of an event's form and the quick check of its spelling say what the slow ones say."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge import event
from edge.errors import EventError
from edge.form import compiled
from edge.keys import trust
from tests.cases import signing_key, unsigned

KEY = signing_key()
SIGNED = json.loads(event.sign(unsigned(frames=3), KEY))
SLOW = Draft202012Validator(event.schema())
QUICK = compiled(event.schema())

numbers = st.one_of(
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1.0, 0.0, -0.0, 1e16, 1e21, 1e-7, 1e-5, 86400, 86400.5, 4096, 16384.0, 9007199254740993]),
)
texts = st.one_of(st.text(max_size=12), st.sampled_from(["", "red", "age", "car", "1.0", "required", "a" * 64, "x\n"]))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, item in items:
        found += places(item, (*path, name))
    return found


PLACES = places(SIGNED)[1:]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """An event with one to three places replaced, taken away, doubled or joined by others."""
    document = copy.deepcopy(SIGNED)
    for _ in range(draw(st.integers(1, 3))):
        *way, name = draw(st.sampled_from(PLACES))
        parent = document
        try:
            for step in way:
                parent = parent[step]
            change(draw, parent, name)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    return document


def change(draw: st.DrawFn, parent: Any, name: Any) -> None:
    how = draw(st.sampled_from(["replace", "scalar", "remove", "add", "near"]))
    if how == "remove":
        del parent[name]
    elif how == "add" and isinstance(parent, list):
        parent.append(draw(st.sampled_from([parent[0], draw(values)])))
    elif how == "add":
        parent[draw(texts)] = draw(values)
    elif how == "near" and isinstance(parent[name], str):
        parent[name] = parent[name] + draw(st.sampled_from(["\n", "0", "é"]))
    else:
        parent[name] = draw(scalars if how == "scalar" else values)


@settings(max_examples=1500)
@given(mutated())
def test_the_compiled_schema_and_jsonschema_give_the_same_verdict(document: Any) -> None:
    assert QUICK(document) == SLOW.is_valid(document)


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_every_place_is_looked_at_alike(path: tuple[Any, ...]) -> None:
    for value in (None, True, 0, -1, 1e9, 1.5, "", "x", "x" * 400, [], {}, [[]], [1] * 5000):
        document = copy.deepcopy(SIGNED)
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = value
        assert QUICK(document) == SLOW.is_valid(document), value
        del parent[path[-1]]
        assert QUICK(document) == SLOW.is_valid(document)


def test_a_true_event_follows_its_form() -> None:
    assert QUICK(SIGNED)
    assert SLOW.is_valid(SIGNED)
    assert not QUICK([])
    assert not QUICK(None)


@pytest.mark.parametrize("schema", [{"oneOf": []}, {"type": "text"}, {"$ref": "other.json"}, {"const": 1}])
def test_a_schema_that_is_not_understood_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the schema"):
        compiled(schema)


@settings(max_examples=1500)
@given(values, st.sampled_from(["compact", "spaced", "ascii", "unsorted"]))
def test_what_is_quickly_found_canonical_is_canonical(value: Any, spelling: str) -> None:
    document = {"data": value, "b": 1, "a": {"z": value, "é": 1}}
    raw = json.dumps(
        document,
        ensure_ascii=spelling == "ascii",
        separators=None if spelling == "spaced" else (",", ":"),
        sort_keys=spelling != "unsorted",
    ).encode(errors="replace")
    parsed = json.loads(raw)
    if event._is_plainly_canonical(parsed, raw):
        assert event.canonical(parsed) == raw


@settings(max_examples=500)
@given(values)
def test_canonical_bytes_are_read_alike_on_either_way(value: Any) -> None:
    try:
        raw = event.canonical({"data": value, "signature": SIGNED["signature"], "source": "s"})
        event.canonical(json.loads(raw))  # a float of 2**53 is written as an integer that is not read again
    except EventError:
        return
    signed = event.read(raw)
    assert signed.payload == event.canonical({"data": value, "source": "s"})


def test_numbers_that_python_spells_otherwise_go_the_slow_way() -> None:
    for spelled in (b"1.0", b"-0.0", b"1e+16", b"1e-07", b"1e-05", b"9007199254740993", b"100000000000000000000.0"):
        raw = b'{"data":[' + spelled + b',0.5],"x":' + spelled + b"}"
        assert not event._is_plainly_canonical(json.loads(raw), raw)


def test_an_attribute_that_looks_like_the_signature_is_not_cut_out() -> None:
    token = SIGNED["signature"]
    document = {"data": {"a": 1, "signature": token}, "signature": token, "source": "s"}
    signed = event.read(event.canonical(document))
    assert signed.payload == event.canonical({"data": document["data"], "source": "s"})


def test_events_signed_by_this_program_go_the_quick_way() -> None:
    raw = event.sign(unsigned(frames=40), KEY)
    assert event._is_plainly_canonical(json.loads(raw), raw)
    assert event.verify(raw, trust(KEY.public)).sequence == 1
