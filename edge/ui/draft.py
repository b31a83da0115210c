"""The site file while it is being drawn: TOML with its comments here, plain tables for the browser there."""

from __future__ import annotations

from contextlib import suppress
from math import isclose, isfinite
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Comment, Key, Table, Whitespace

from edge.config import SignalGroup
from edge.ui.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tomlkit.container import Container
    from tomlkit.items import Item

    from edge.records import Size

Tables = dict[str, Any]

BY_HAND: Final = "set by hand"


def sketch(site: str, groups: list[str], size_px: Size) -> str:
    """A file to begin drawing in: no lane yet."""
    named = "".join(f'\n[[signal_groups]]\nid = "{group}"\n' for group in groups)
    return f'schema = 1\n\n[site]\nid = "{site}"\n\n[camera]\nsize_px = [{size_px[0]}, {size_px[1]}]\n{named}'


def tables_of(text: str) -> Tables:
    """What the file says, without its comments."""
    return tomlkit.parse(text).unwrap()


def tidied(wanted: Mapping[str, Any]) -> Tables:
    """What a browser sent with as many decimals as mean anything: a tenth of a pixel, a thousandth of all else."""
    return {key: _tidied(value, 1 if key.endswith("_px") else 3) for key, value in wanted.items() if value is not None}


def _tidied(value: Any, decimals: int) -> Any:
    if isinstance(value, dict):
        return tidied(value)
    if isinstance(value, list | tuple):
        return [_tidied(one, decimals) for one in value]
    return round(value, decimals) if isinstance(value, float) else value


def is_drawable(tables: Tables) -> bool:
    """Whether a page could draw it, though no node might run with it: tables where they belong, and real numbers."""
    rows = [tables.get(key, []) for key in ("signal_groups", "lanes", "masks")]
    single = [tables.get(key, {}) for key in ("site", "camera", "rule", "calibration", "detector")]
    has_tables = all(isinstance(row, list) and all(isinstance(one, dict) for one in row) for row in rows)
    return has_tables and all(isinstance(one, dict) for one in single) and _is_finite(tables)


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or isfinite(value)


def groups_of(tables: Tables) -> tuple[SignalGroup, ...]:
    """The signal groups of a draft that are whole in themselves, whatever the rest of it lacks."""
    found: dict[str, SignalGroup] = {}
    rows = tables.get("signal_groups")
    for row in rows if isinstance(rows, list) else []:
        with suppress(ValidationError):
            group = SignalGroup.model_validate(row)
            found.setdefault(group.id, group)
    return tuple(found.values())


def notes(text: str) -> dict[str, tuple[str, ...]]:
    """The comments of a file by the place of the value they speak of, like ``lanes.0.stop_line_px``."""
    return {place: said for place, said in _notes(tomlkit.parse(text), "") if said}


def _notes(container: Container | Table, place: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    waiting: list[str] = []
    for key, item in _body(container):
        if isinstance(item, Comment):
            waiting.append(item.as_string().strip().lstrip("# "))
        elif key is not None:
            here = f"{place}{key.key}"
            if isinstance(item, AoT):
                for index, table in enumerate(item):
                    yield from _notes(table, f"{here}.{index}.")
            elif isinstance(item, Table):
                yield from _notes(item, f"{here}.")
            else:
                beside = item.trivia.comment.lstrip("# ")
                yield here, tuple(one for one in (*waiting, beside) if one)
            waiting = []


def _body(container: Container | Table) -> list[tuple[Key | None, Item]]:
    return container.value.body if isinstance(container, Table) else container.body


def merged(text: str, wanted: Tables, remark: str | None = None) -> str:
    """The file with the values that are wanted and every comment kept.

    With a ``remark`` the file is the program's own: what was said to a value that changes is no longer true, and the
    remark takes its place. Raises RefusedError where the file is written in a way that cannot be edited.
    """
    document = tomlkit.parse(text)
    try:
        _merge(document, wanted, remark)
        changed = tomlkit.dumps(document).rstrip("\n") + "\n"
        if tables_of(changed) == wanted:
            return changed
    except TOMLKitError:
        pass
    raise RefusedError("not_editable")


def _merge(container: Container | Table, wanted: Mapping[str, Any], remark: str | None) -> None:
    for key in [key for key in container if key not in wanted]:
        del container[key]
    for key, value in wanted.items():
        there = container.get(key)
        if isinstance(value, dict) and isinstance(there, Table):
            _merge(there, value, remark)
        elif isinstance(there, AoT):
            _merge_all(there, value, remark)
        elif there is None:
            _add(container, key, _item(value))
        elif not _same(there.unwrap(), value):
            _change(container, key, value, remark)


def _merge_all(there: AoT, wanted: list[Tables], remark: str | None) -> None:
    """Those whose id is wanted no more go first; what is left is taken in its order."""
    names = [one.get("id") for one in wanted]
    for index in reversed(range(len(there))):
        if len(there) > len(wanted) and there[index].get("id") not in names:
            del there[index]
    while len(there) > len(wanted):
        del there[len(there) - 1]
    for table, one in zip(list(there), wanted, strict=False):
        _merge(table, one, remark)
    for one in wanted[len(there) :]:
        _end_with_gap(there)
        there.append(_item(one))
        _end_with_gap(there)


def _end_with_gap(tables: AoT) -> None:
    if not tables.as_string().endswith("\n\n"):
        tables[len(tables) - 1].add(tomlkit.nl())


def _add(container: Container | Table, key: str, item: Any) -> None:
    """A new value behind the last one, before the comments that a table ends with: they speak of what follows it."""
    body = _body(container)
    ending: list[tuple[Key | None, Item]] = []
    if not isinstance(item, Table | AoT):
        while body and isinstance(body[-1][1], Comment | Whitespace):
            ending.insert(0, body.pop())
    container.append(key, item)
    body.extend(ending)


def _item(value: Any) -> Any:
    if isinstance(value, dict):
        table = tomlkit.table()
        for key, one in value.items():
            table.append(key, _item(one))
        return table
    if isinstance(value, list) and value and isinstance(value[0], dict):
        tables = tomlkit.aot()
        for one in value:
            tables.append(_item(one))
        return tables
    return tomlkit.item(value)


def _change(container: Container | Table, key: str, value: Any, remark: str | None) -> None:
    container[key] = _item(value)
    if remark is None:
        return
    item = container[key]
    if not isinstance(item, Table | AoT):
        item.comment(remark)
        item.trivia.comment_ws = "  "
    body = _body(container)
    at = next(index for index, (one, _) in enumerate(body) if one is not None and one.key == key)
    while at and isinstance(body[at - 1][1], Comment):
        at -= 1
        body[at] = (None, Whitespace(""))


def _same(one: Any, other: Any) -> bool:
    """Equal but for how a number is written."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        return isclose(one, other, abs_tol=1e-9)
    return bool(one == other)
