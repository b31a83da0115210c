"""Whether a document follows a JSON Schema, asked thousands of times a second: the schema becomes functions once.

Knows just the keywords of draft 2020-12 that the event's schema uses, and refuses any other, so that nothing is passed
over unseen. It says yes or no; the reason for a no comes from jsonschema, whose verdict is the same by test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Check = Callable[[Any], bool]

_SILENT: Final = {"$schema", "$id", "$defs", "title", "description"}
_OBJECT: Final = {"properties", "required", "additionalProperties"}
_ARRAY: Final = {"prefixItems", "items", "minItems", "maxItems"}
_STRING: Final = {"pattern", "minLength", "maxLength"}
_NUMBER: Final = {"minimum", "maximum"}
_TYPES: Final = {"object", "array", "string", "number", "integer", "boolean", "null"}


def compiled(schema: Mapping[str, Any]) -> Check:
    """A function that says whether a parsed JSON document follows ``schema``. ValueError for keywords not known."""
    return _Compiler(schema).check(schema)


class _Compiler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._referred: dict[str, Check] = {}

    def check(self, schema: Mapping[str, Any] | bool) -> Check:
        if isinstance(schema, bool):
            return lambda _: schema
        unknown = set(schema) - _SILENT - _OBJECT - _ARRAY - _STRING - _NUMBER - {"type", "const", "enum", "$ref"}
        if unknown:
            raise ValueError(f"the schema uses {', '.join(sorted(unknown))}, which is not known here")
        return self._joined(schema)

    def _joined(self, schema: Mapping[str, Any]) -> Check:
        checks: list[Check] = []
        if "$ref" in schema:
            checks.append(self._reference(schema["$ref"]))
        if "const" in schema:
            checks.append(_one_of([schema["const"]]))
        if "enum" in schema:
            checks.append(_one_of(schema["enum"]))
        checks += self._typed(schema)
        if len(checks) == 1:
            return checks[0]
        return lambda value: all(check(value) for check in checks)

    def _reference(self, reference: str) -> Check:
        if not reference.startswith("#/$defs/"):
            raise ValueError(f"the schema refers to {reference}, which is not in its $defs")
        if reference not in self._referred:
            self._referred[reference] = self.check(self._root["$defs"][reference.removeprefix("#/$defs/")])
        return self._referred[reference]

    def _typed(self, schema: Mapping[str, Any]) -> list[Check]:
        """The checks by the kind of value; a keyword lets pass what is of another kind than its own."""
        kinds = {
            "object": (_OBJECT, self._object),
            "array": (_ARRAY, self._array),
            "string": (_STRING, _string),
            "number": (_NUMBER, _number),
        }
        named = schema.get("type", sorted(_TYPES))
        types = [named] if isinstance(named, str) else list(named)
        if not set(types) <= _TYPES:
            raise ValueError(f"the schema names the types {types}, of which not all are known here")
        accepts: dict[type, Check] = {}
        for kind in types:
            for python, check in _accepted(kind).items():
                accepts.setdefault(python, check)
        for kind, (keywords, make) in kinds.items():
            if keywords & set(schema):
                for python in _PYTHON[kind]:
                    if python in accepts:
                        accepts[python] = _both(accepts[python], make(schema))
        if "type" not in schema and not (_OBJECT | _ARRAY | _STRING | _NUMBER) & set(schema):
            return []
        return [_by_type(accepts)]

    def _object(self, schema: Mapping[str, Any]) -> Check:
        properties = {name: self.check(each) for name, each in schema.get("properties", {}).items()}
        required = frozenset(schema.get("required", ()))
        others = self.check(schema.get("additionalProperties", True))

        def check(value: dict[str, Any]) -> bool:
            if not required <= value.keys():
                return False
            return all(properties.get(name, others)(item) for name, item in value.items())

        return check

    def _array(self, schema: Mapping[str, Any]) -> Check:
        first = [self.check(each) for each in schema.get("prefixItems", ())]
        rest = self.check(schema.get("items", True))
        least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))

        def check(value: list[Any]) -> bool:
            if not least <= len(value) <= most:
                return False
            for part, item in zip(first, value, strict=False):
                if not part(item):
                    return False
            return all(map(rest, value[len(first) :] if first else value))

        return check


_PYTHON: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
}


def _accepted(kind: str) -> dict[type, Check]:
    """The types of Python that a JSON type is parsed to, and what is still to be asked of a value."""
    if kind == "integer":
        return {int: _yes, float: float.is_integer}
    if kind == "number":
        return {int: _yes, float: _yes}
    if kind == "boolean":
        return {bool: _yes}
    if kind == "null":
        return {type(None): _yes}
    return {_PYTHON[kind][0]: _yes}


def _yes(_: object) -> bool:
    return True


def _both(one: Check, other: Check) -> Check:
    return other if one is _yes else lambda value: one(value) and other(value)


def _by_type(accepts: Mapping[type, Check]) -> Check:
    find = accepts.get

    def check(value: Any) -> bool:
        found = find(type(value))
        return found is not None and found(value)

    return check


def _string(schema: Mapping[str, Any]) -> Check:
    search = re.compile(schema.get("pattern", "")).search
    least, most = schema.get("minLength", 0), schema.get("maxLength", float("inf"))
    return lambda value: least <= len(value) <= most and search(value) is not None


def _number(schema: Mapping[str, Any]) -> Check:
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    return lambda value: bool(least <= value <= most)


def _one_of(allowed: list[Any]) -> Check:
    if not all(isinstance(each, str) for each in allowed):
        raise ValueError("the schema allows values that are no texts, which is not known here")
    texts = frozenset(allowed)
    return lambda value: isinstance(value, str) and value in texts
