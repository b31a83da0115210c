"""Comparison of a receiver's copy with the ledger: names what was dropped, inserted, reordered, replayed or rewritten.

Pure: what a line of the copy is comes in as an ``Entry``, what the node has signed as checkpoints. Where the leaf
hashes are known too (they are believed only as far as they lead to a signed root), every event is judged by itself.
Without them the roots of the checkpoints decide, each over the events since the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, pairwise, product
from typing import TYPE_CHECKING, Final

from edge.ledger.findings import (
    Entry,
    Fault,
    Finding,
    between,
    contradiction,
    dropped,
    foreign,
    forked,
    replayed,
    rewritten,
    usurper,
)
from edge.ledger.merkle import Edge
from edge.ledger.order import reordered
from edge.ledger.store import BEFORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from edge.ledger.checkpoint import Checkpoint

_MOST_GUESSES: Final = 64  # ways to choose among events that claim the same places, tried against a checkpoint


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found. ``confirmed`` places are as the node logged them and signed in a checkpoint.

    ``uncovered`` are signed by the node, but no checkpoint counts them yet; ``unconfirmed`` are counted, but what is
    known of the ledger is not enough to tell. ``erased`` are gone by right: their leaf hashes are still in place.
    """

    size: int
    findings: tuple[Finding, ...]
    confirmed: frozenset[int] = frozenset()
    uncovered: tuple[int, ...] = ()
    unconfirmed: tuple[int, ...] = ()
    erased: tuple[int, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with what the checkpoints cover."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the ledger apart from the copy: checkpoints whose signatures hold, leaf hashes, and erasures."""

    checkpoints: tuple[Checkpoint, ...] = ()
    leaves: tuple[bytes, ...] = ()
    erased: frozenset[int] = frozenset()


def audit(entries: Sequence[Entry], known: Known) -> Audit:
    """Compare a copy, its lines in their order, with the ledger."""
    findings, roots = _roots(known.checkpoints)
    leaves, doubts = _believed(known.leaves, roots)
    size = max(roots, default=0)
    once, replays = _without_replays(entries)
    reach = max([size, *(entry.index + 1 for entry in once if entry.flaw is None and entry.index is not None)])
    placed = _place(once, reach)
    judged = _by_leaves(placed, leaves) if 0 < len(leaves) == size else _by_roots(placed, roots, leaves)
    held = judged.held
    erased = tuple(sorted(index for index in known.erased if index < len(leaves) and index not in held))
    gone = dropped(_gaps([*held, *erased], reach), held)
    moved = reordered(held)
    confirmed = frozenset(judged.confirmed)
    wrong = {finding.index for finding in judged.findings if finding.fault is Fault.REWRITTEN}
    open_ = [index for index in sorted(held) if index not in confirmed and index not in wrong]
    return Audit(
        size,
        tuple(sorted((*findings, *doubts, *replays, *judged.findings, *gone, *moved), key=_rank)),
        confirmed,
        tuple(index for index in open_ if index >= size),
        tuple(index for index in open_ if index < size),
        erased,
    )


def _rank(finding: Finding) -> tuple[int, int]:
    no_place = -1
    return (no_place if finding.index is None else finding.index, finding.line or 0)


def _roots(checkpoints: Iterable[Checkpoint]) -> tuple[list[Finding], dict[int, bytes]]:
    """The signed roots by size; two of one size that differ are a fork, and neither is believed."""
    findings: list[Finding] = []
    roots: dict[int, bytes] = {}
    split: set[int] = set()
    for checkpoint in checkpoints:
        if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root and checkpoint.size not in split:
            split.add(checkpoint.size)
            findings.append(
                forked(
                    f"the node signed two different checkpoints of {checkpoint.size} events: it showed different "
                    "ledgers to different readers; keep both checkpoints, they prove it"
                )
            )
    return findings, {size: root for size, root in roots.items() if size not in split}


def _believed(leaves: Sequence[bytes], roots: Mapping[int, bytes]) -> tuple[tuple[bytes, ...], list[Finding]]:
    """The leaf hashes as far as they lead to signed roots, and what contradicts itself among those roots."""
    edge, good, bad = Edge(), 0, list[int]()
    reachable = sorted(size for size in roots if size <= len(leaves))
    for size in reachable:
        edge = edge.extend(leaves[edge.size : size])
        if edge.root() == roots[size]:
            good = size
        else:
            bad.append(size)
    if good and bad and bad[0] < good:
        # Leaves that lead to a later root cannot lead to another tree before: the node has signed both.
        return tuple(leaves[:good]), [forked(contradiction(bad[0], good))]
    return tuple(leaves[:good]), []


def _without_replays(entries: Sequence[Entry]) -> tuple[list[Entry], list[Finding]]:
    """Each event once, in the copy's order, and the lines that only repeat one."""
    groups: dict[bytes, list[int]] = {}
    for at, entry in enumerate(entries):
        groups.setdefault(entry.leaf, []).append(at)
    drop: set[int] = set()
    findings: list[Finding] = []
    for group in groups.values():
        kept = next((at for at in group if _fits(entries, at)), group[0]) if len(group) > 1 else group[0]
        for at in group:
            if at != kept:
                drop.add(at)
                findings.append(replayed(entries[at], entries[kept]))
    return [entry for at, entry in enumerate(entries) if at not in drop], findings


def _fits(entries: Sequence[Entry], at: int) -> bool:
    """Whether a line stands right behind the event before it, or right before the one after it."""
    index = entries[at].index
    if index is None:
        return False
    before = entries[at - 1].index if at else -1
    after = entries[at + 1].index if at + 1 < len(entries) else None
    return before == index - 1 and after in {None, index + 1}


@dataclass(frozen=True, slots=True)
class _Placed:
    """The lines that claim each place, the most likely first, and those that have none."""

    at: dict[int, list[Entry]]
    nowhere: list[Entry]


@dataclass(frozen=True, slots=True)
class _Judged:
    """Which line holds each place; what is confirmed, and what is wrong."""

    held: dict[int, Entry]
    confirmed: set[int]
    findings: list[Finding]


def _place(entries: Sequence[Entry], reach: int) -> _Placed:
    """Every line at the place it claims; one whose claim cannot be true at the gap where it stands, if there is one."""
    at: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.index is not None:
            at.setdefault(entry.index, []).append(entry)
    nowhere: list[Entry] = []
    for number, entry in enumerate(entries):
        if not _astray(entry, at, reach):
            continue
        gap = _gap(entries, number, at, reach)
        if entry.index is not None:
            at[entry.index].remove(entry)
            if not at[entry.index]:
                del at[entry.index]
        if gap is None:
            nowhere.append(entry)
        else:
            at.setdefault(gap, []).append(entry)
    for claims in at.values():
        claims.sort(key=lambda entry: (entry.flaw is not None, entry.line))
    return _Placed(at, nowhere)


def _astray(entry: Entry, at: Mapping[int, Sequence[Entry]], reach: int) -> bool:
    """Whether a flawed line's claim to a place is worth nothing: none, beyond the ledger, or taken by a sound one."""
    if entry.flaw is None:
        return False
    if entry.index is None or entry.index >= reach:
        return True
    return any(other.flaw is None for other in at[entry.index])


def _gap(entries: Sequence[Entry], number: int, at: Mapping[int, Sequence[Entry]], reach: int) -> int | None:
    """The empty place between the lines before and after this one, where there is just one."""
    before = entries[number - 1].index if number else -1
    after = entries[number + 1].index if number + 1 < len(entries) else reach
    if before is None or after is None or after - before != 2 or before + 1 in at:
        return None
    return before + 1


def _by_leaves(placed: _Placed, leaves: Sequence[bytes]) -> _Judged:
    """Every place by its own leaf hash."""
    held: dict[int, Entry] = {}
    confirmed: set[int] = set()
    findings = [foreign(entry) for entry in placed.nowhere]
    for index, claims in placed.at.items():
        leaf = leaves[index] if index < len(leaves) else None
        true = next((entry for entry in claims if entry.leaf == leaf), claims[0])
        held[index] = true
        if true.leaf == leaf:
            confirmed.add(index)
        elif true.flaw is not None or leaf not in {None, BEFORE}:
            findings.append(rewritten(index, true))
        findings += [usurper(entry, index, true, known=true.leaf == leaf) for entry in claims if entry is not true]
    return _Judged(held, confirmed, findings)


def _by_roots(placed: _Placed, roots: Mapping[int, bytes], leaves: Sequence[bytes]) -> _Judged:
    """Places by the roots over them, from one checkpoint to the next, as far as no event is missing."""
    judged = _by_leaves(_Placed({i: c for i, c in placed.at.items() if i < len(leaves)}, placed.nowhere), leaves)
    rest = {index: claims for index, claims in placed.at.items() if index >= len(leaves)}
    chosen, findings = _follow(rest, Edge().extend(leaves), roots)
    judged.findings.extend(findings)
    for index, claims in rest.items():
        true = chosen.get(index, claims[0])
        judged.held[index] = true
        if true.flaw is not None:
            judged.findings.append(rewritten(index, true))
        elif index in chosen:
            judged.confirmed.add(index)
        judged.findings.extend(
            usurper(entry, index, true, known=index in chosen) for entry in claims if entry is not true
        )
    return judged


def _follow(
    claims: Mapping[int, Sequence[Entry]], edge: Edge, roots: Mapping[int, bytes]
) -> tuple[dict[int, Entry], list[Finding]]:
    """The lines that lead to the roots, one after the other, and what is said where they no longer do."""
    chosen: dict[int, Entry] = {}
    findings: list[Finding] = []
    sizes = sorted(size for size in roots if size > edge.size)
    for number, size in enumerate(sizes):
        places = range(edge.size, size)
        if not all(_is_sound(claims, place) for place in places):
            break
        match = next((way for way in _ways(claims, places) if _leads(edge, way, roots[size])), None)
        if match is not None:
            chosen.update(zip(places, match, strict=True))
            edge = edge.extend(entry.leaf for entry in match)
        elif (later := _later(claims, edge, roots, sizes[number + 1 :])) is not None:
            findings.append(forked(contradiction(size, later)))
        else:
            findings.append(between(claims, edge.size, size))
            break
    return chosen, findings


def _later(
    claims: Mapping[int, Sequence[Entry]], edge: Edge, roots: Mapping[int, bytes], sizes: Iterable[int]
) -> int | None:
    """The first of later checkpoints that the copy leads to after all."""
    for size in sizes:
        places = range(edge.size, size)
        if not all(_is_sound(claims, place) for place in places):
            return None
        edge = edge.extend(claims[place][0].leaf for place in places)
        if edge.root() == roots[size]:
            return size
    return None


def _is_sound(claims: Mapping[int, Sequence[Entry]], place: int) -> bool:
    return place in claims and claims[place][0].flaw is None


def _ways(claims: Mapping[int, Sequence[Entry]], places: range) -> Iterator[list[Entry]]:
    """The ways to choose one sound line for each place, at most ``_MOST_GUESSES``."""
    way = [claims[place][0] for place in places]
    choices = {place: [entry for entry in claims[place] if entry.flaw is None] for place in places}
    unclear = [place for place, sound in choices.items() if len(sound) > 1]
    for chosen in islice(product(*(choices[place] for place in unclear)), _MOST_GUESSES):
        for place, entry in zip(unclear, chosen, strict=True):
            way[place - places.start] = entry
        yield list(way)


def _leads(edge: Edge, way: Sequence[Entry], root: bytes) -> bool:
    return edge.extend(entry.leaf for entry in way).root() == root


def _gaps(present: Iterable[int], reach: int) -> list[range]:
    """The runs of places up to ``reach`` that nothing holds."""
    edges = [-1, *sorted(place for place in present if place < reach), reach]
    return [range(before + 1, after) for before, after in pairwise(edges) if after - before > 1]
