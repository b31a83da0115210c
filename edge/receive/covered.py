"""Which events a checkpoint spoke of, before they themselves had come. Pure.

A checkpoint does not name its events; its root is over all of their leaf hashes. So a late event is proven when the
hashes that are known, its own among them, lead to that root: nobody can make another event that does.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Final

from edge.ledger.merkle import Edge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_GUESSES: Final = 64  # ways to choose among events that claim the same places, tried against one checkpoint


def covered(
    leaves: Mapping[int, bytes], offered: Mapping[int, Sequence[bytes]], roots: Mapping[int, bytes]
) -> dict[int, bytes]:
    """The offered leaf hashes, by place, that checkpoints prove.

    ``leaves`` are those that are held, ``roots`` those of the checkpoints by their sizes. Where any place below a
    checkpoint's size is neither held nor offered, neither it nor a larger one can prove anything yet.
    """
    proven: dict[int, bytes] = {}
    edge = Edge()
    for size in sorted(roots):
        open_ = [place for place in range(edge.size, size) if place not in leaves]
        if not all(place in offered for place in open_):
            break
        for way in islice(product(*(offered[place] for place in open_)), MAX_GUESSES):
            chosen = dict(zip(open_, way, strict=True))
            grown = edge.extend(chosen.get(place) or leaves[place] for place in range(edge.size, size))
            if grown.root() == roots[size]:
                proven |= chosen
                edge = grown
                break
    return proven
