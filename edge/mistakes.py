"""What is wrong with a TOML file of settings: the rest of a sentence that begins with the file or a place in it."""

from __future__ import annotations

import re
import tomllib
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any, Final

from pydantic import AfterValidator

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_TEXT = "is no text: write it in quotation marks"
_WHOLE = "is no whole number: write one without quotation marks, like 3"
_NUMBER = "is no number: write one without quotation marks, like 3.5"
_TABLE = "is no table: write its name in brackets and its keys below"

# By the types of pydantic, with what each names of its limit. Its own words say what it wants, and not what to do.
_WORDS: Final = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not known here: check its spelling or remove it",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": "is neither true nor false: write one of them, without quotation marks",
    "string_type": _TEXT,
    "path_type": _TEXT,
    "tuple_type": "is no list: write it in square brackets",
    "model_type": _TABLE,
    "dict_type": _TABLE,
    "literal_error": "must be {expected}: correct it",
    "enum": "must be {expected}: correct it",
    "string_too_long": "has more than {max_length} characters: shorten it",
    "string_too_short": "has fewer than {min_length} characters: write it out",
    "too_long": "holds {actual_length} where at most {max_length} may be: remove some",
    "too_short": "holds {actual_length} where at least {min_length} must be: add to it",
    "greater_than": "must be more than {gt:g}: raise it",
    "greater_than_equal": "must be {ge:g} or more: raise it",
    "less_than_equal": "must be {le:g} or less: lower it",
}


def words_of(error: ErrorDetails) -> str:
    """What a check by pydantic found, and what to do about it."""
    kind = error["type"]
    if kind == "tuple_type" and isinstance(error["input"], dict):
        return "is a single table: write its name in double brackets, like [[lanes]]"
    if kind in _WORDS:
        return _WORDS[kind].format_map(error.get("ctx", {}))
    return error["msg"].removeprefix("Value error, ")


def matching(pattern: str, words: str) -> AfterValidator:
    """Of a text that must match as a whole; ``words`` say what it must be and what to do."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(words)
        return value

    return AfterValidator(check)


def tables_in(raw: bytes) -> dict[str, Any]:
    """What a TOML file says. Raises ValueError in words about the file."""
    if raw.startswith(BOM_UTF8):
        raise ValueError("begins with a byte order mark: save it as UTF-8 without one")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is no text file in UTF-8: give the TOML file itself") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not valid TOML, correct it: {error}") from None
