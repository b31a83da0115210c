"""The cases of a receiver's store: what needs the extra ``receive``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge.receive import listing
from edge.ui.cases import Choices, Entry, Wanted, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.receive.store import Store


class StoreCases:
    """The cases of a receiver's store. Every method raises StoreError where the store cannot do its part."""

    can_erase = True

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    def entries(self, wanted: Wanted) -> Iterator[Entry]:
        """The cases that are wanted, the latest received first."""
        for kept in listing.latest(self._store, origin=wanted.origin, lane=wanted.lane, month=wanted.month):
            entry = entry_of(kept.payload, has_bundle=kept.has_bundle)
            if entry is not None:
                yield entry

    def choices(self) -> Choices:
        """What the store holds."""
        return Choices(listing.origins(self._store), listing.lanes(self._store), listing.months(self._store))

    def event(self, event_id: str) -> bytes | None:
        """An event's bytes."""
        return listing.payload(self._store, event_id)

    def bundle(self, event_id: str) -> bytes | None:
        """Its bundle as it was sent."""
        return self._store.bundle(event_id)

    def erase(self, event_id: str) -> bool:
        """Take event and bundle away for good; the ledger's leaf stays."""
        return self._store.erase([event_id], int(time.time() * 1000)) == 1
