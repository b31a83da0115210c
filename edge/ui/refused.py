"""What the set-up page is refused, by a code and its figures, so that each reader has it in a language of their own."""

from __future__ import annotations

import traceback
from typing import Any, Final

from edge.errors import StoplineError

SENTENCES: Final = {
    "bad_request": "{detail}",
    "changed_meanwhile": (
        "{file} was changed by somebody else meanwhile: save again to put what is drawn here in its place; its "
        "comments are kept"
    ),
    "inputs": "The lamp inputs cannot be read: {detail}",
    "no_lamp_boxes": "Draw a box for each of the three lamps, or one round the whole head",
    "nobody": "Say in a few words who saves it",
    "not_commissioned": "The node is not commissioned, and nothing is written: {detail}",
    "not_editable": "The site file is written in a way that cannot be edited: save to another file with --site",
    "not_proposed": "Nothing can be proposed: {detail}",
    "not_taken": "The minute cannot be taken: {detail}",
    "not_watched": "The recording cannot be watched: {detail}",
    "not_written": "{file} cannot be written ({detail}): name another with --site",
    "saving": "It is being saved already: wait for that to end",
    "taking": "The minute is being taken already: wait for that to end",
    "too_many_edges": "An input changes too often to be a lamp's: check its wiring",
}
"""By code. ``detail`` is a sentence of another part of the program, in English."""


class RefusedError(StoplineError):
    """Something that the page asked for and that cannot be; ``code`` is one of ``SENTENCES``."""

    def __init__(self, code: str, **values: object) -> None:
        self.code = code
        self.values = {name: str(value) for name, value in values.items()}
        super().__init__(SENTENCES[code].format(**self.values))

    def told(self) -> dict[str, Any]:
        """For the page."""
        return {"code": self.code, "values": self.values, "words": str(self)}


def refusal_of(code: str, error: Exception) -> RefusedError:
    """What went wrong, for the page."""
    if isinstance(error, RefusedError):
        return error
    tell_unforeseen(error)
    detail = str(error) if isinstance(error, StoplineError) else f"{type(error).__name__}: {error}"
    return RefusedError(code, detail=detail)


def tell_unforeseen(error: Exception) -> None:
    """An error that has no sentence of its own goes to standard error, as it would where nobody catches it."""
    if not isinstance(error, StoplineError):
        traceback.print_exception(error)
