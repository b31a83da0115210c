"""Which reported crossing is which true one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_True = TypeVar("_True")
_Reported = TypeVar("_Reported")


def matched(
    true: Sequence[_True], reported: Sequence[_Reported], error: Callable[[_True, _Reported], float], within: float
) -> list[tuple[int, int]]:
    """One-to-one pairs of indices, those of the least error first; none whose error is over ``within``."""
    pairs = sorted((error(t, r), i, j) for i, t in enumerate(true) for j, r in enumerate(reported))
    taken: list[tuple[int, int]] = []
    for error_of_pair, i, j in pairs:
        if error_of_pair <= within and all(i != a and j != b for a, b in taken):
            taken.append((i, j))
    return taken
