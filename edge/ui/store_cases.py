"""The cases of a receiver's store: what needs the extra ``receive``."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from edge.receive import hearing, listing
from edge.receive.tallies import month_end_ms, month_start_ms
from edge.ui.cases import Choices, Entry, Wanted, entry_of
from edge.ui.monthly import Counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.receive.store import Store

_VIOLATION: Final = b'"type":"org.stopline.violation.v1"'  # events are kept in one spelling only


class StoreCases:
    """The cases of a receiver's store. Every method raises StoreError where the store cannot do its part."""

    is_replay = False

    def __init__(self, store: Store, address: str) -> None:
        """``address`` is a folder or a server's: its last part names the store, no page needs the way there."""
        self._store = store
        self.name = address.partition("?")[0].rstrip("/").rpartition("/")[2]

    def entries(self, wanted: Wanted) -> Iterator[Entry]:
        """The cases that are wanted, the latest received first."""
        for kept in listing.latest(self._store, origin=wanted.origin, lane=wanted.lane, month=wanted.month):
            entry = entry_of(kept.payload, has_bundle=kept.has_bundle)
            if entry is not None:
                yield entry

    def choices(self) -> Choices:
        """What the store holds."""
        return Choices(listing.origins(self._store), listing.lanes(self._store), listing.months(self._store))

    def hashes(self, wanted: Wanted) -> Iterator[str]:
        """By which decisions name the cases that are wanted: without a look at their schema, which the receiver had."""
        for kept in listing.latest(self._store, origin=wanted.origin, lane=wanted.lane, month=wanted.month):
            if _VIOLATION in kept.payload:
                yield sha256(kept.payload).hexdigest()

    def reported(self) -> Choices:
        """Every node and month that there are cases of, or that was heard of."""
        cases, heard = self.choices(), hearing.months_heard(self._store)
        months = {*cases.months, *(month for some in heard.values() for month in some)}
        return Choices(sorted({*cases.origins, *heard}), [], sorted(months))

    def counted(self, month: str, origin: str | None) -> list[Counted]:
        """What the nodes said of themselves in a month, those in service that said nothing too. It is not signed."""
        now_ms = time.time_ns() // 1_000_000
        if not month or now_ms < month_start_ms(month):
            return []  # a store that holds nothing yet has no month
        until_ms = min(now_ms, month_end_ms(month))
        heard, found = hearing.heard_in(self._store, month, origin), []
        for name, months in hearing.months_heard(self._store).items():
            if origin not in {None, name} or not months[0] <= month <= _a_year_after(months[-1]):
                continue
            one = heard.get(name)
            since_ms = month_start_ms(month) if one is None or months[0] < month else one.since_ms
            whole_s = max(0.0, (until_ms - since_ms) / 1000)
            said = (one.counts, one.seconds, one.minimums_s) if one else ({}, {}, {})
            found.append(Counted(name, *said, whole_s))
        return found

    def event(self, event_id: str) -> bytes | None:
        """An event's bytes."""
        return listing.payload(self._store, event_id)

    def bundle(self, event_id: str) -> bytes | None:
        """Its bundle as it was sent."""
        return self._store.bundle(event_id)

    def erase(self, event_id: str) -> bool:
        """Take event and bundle away for good; the ledger's leaf stays. False where they were not there any more."""
        return self._store.erase([event_id], int(time.time() * 1000)) == 1


def _a_year_after(month: str) -> str:
    """Until when a node that is silent counts as down, and not as out of service."""
    year, _, number = month.partition("-")
    return f"{int(year) + 1:04}-{number}"
