"""``stopline receive``: a receiver that runs, and what is asked of its store."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.commands.ledger import CHECKPOINTS, EVENTS, LEAVES, RECEIVED, Came
from edge.errors import ConfigError, StoreError
from edge.keys import load_signing_key
from edge.keys.enrolment import new_key
from edge.ledger.proof import encode_leaves
from edge.mqtt import check_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge.config import Broker
    from edge.keys import SigningKey
    from edge.receive.receiver import Counts, Receiver
    from edge.receive.store import NodeCopy, Store

KEY_FILE: Final = "receiver.key"


@dataclass(frozen=True, slots=True)
class ReceiveRequest:
    """What the command line asks of a receiver."""

    store: str
    broker: Broker
    trust: Path | None
    key_files: tuple[Path, ...]
    sign_with: Path | None
    group: str
    name: str | None
    keep_days: int | None
    seconds: float | None


def receive(request: ReceiveRequest, tell: Callable[[str], None]) -> Counts:
    """Receive until the time is over, SIGTERM or Ctrl-C; gives what was counted. Raises StoplineError."""
    with _installed():
        from edge.receive.receiver import Receiver, Settings
        from edge.receive.trust import TrustFiles, check_trust

    _check_name(request.group, "--group")
    settings = Settings(request.group, _check_name(request.name or socket.gethostname(), "--name"), request.keep_days)
    check_settings(request.broker)  # before a store is made
    check_trust(request.trust, request.key_files)
    given = _given_key(request)
    with opened(request.store, make=True) as store:
        key = given or _own_key(Path(request.store))
        trust = TrustFiles(request.trust, request.key_files, store)
        receiver = Receiver(request.broker, settings, store, trust, key, tell)
        tell(f"receipts are signed by {key.kid}")
        with _until_asked_to_end(receiver, request.seconds):
            receiver.run()
    return receiver.counts


@contextmanager
def opened(where: str, *, make: bool = False) -> Iterator[Store]:
    """The store; StoreError where there is none, unless it is to be made, or where what it needs is not installed."""
    with _installed():
        from edge.receive.store import open_store
    with open_store(where, make=make) as store:
        yield store


@contextmanager
def _installed() -> Iterator[None]:
    """StoreError where what is imported here is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StoreError(f"A receiver needs {error.name}, too: pip install 'stopline[receive]'") from None


def erase(where: str, event_ids: Sequence[str]) -> int:
    """Erase events and their bundles; says how many were there. Raises StoreError."""
    with opened(where) as store:
        return store.erase(event_ids, int(time.time() * 1000))


def refused(where: str, limit: int) -> list[dict[str, object]]:
    """The latest refusals, the newest first. Raises StoreError."""
    with opened(where) as store:
        return [
            {
                "received": datetime.fromtimestamp(row[0] // 1000, UTC).isoformat(),
                "why": row[1],
                "reason": row[2],
                "topic": row[3],
                "times": row[4],
            }
            for row in store.refusals(limit)
        ]


def export(where: str, origin: str, folder: Path) -> NodeCopy:
    """Write what is kept of a node as 'stopline ledger audit' reads it, into a new folder. Raises StoplineError."""
    with opened(where) as store:
        copy = store.copy_of(origin)
    if not copy.leaves and not copy.checkpoints:
        raise ConfigError(f"Nothing of {origin} is in this store: name the node as SITE/NODE")
    try:
        (folder / CHECKPOINTS).mkdir(parents=True)
        (folder / EVENTS).write_bytes(b"".join(payload + b"\n" for payload in copy.events))
        for number, payload in enumerate(copy.checkpoints, start=1):
            (folder / CHECKPOINTS / f"{number:08d}").write_bytes(payload)
        (folder / LEAVES).write_bytes(_leaves(copy))
        (folder / RECEIVED).write_bytes(_came(copy).encoded())
    except FileExistsError:
        raise ConfigError(f"{folder} holds a copy already: name another folder") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written ({error.strerror}): give one this user may write") from None
    return copy


def _leaves(copy: NodeCopy) -> bytes:
    """The leaf hashes up to the first that is not known: the rest leads to no root."""
    known = [leaf for place, leaf in enumerate(copy.leaves) if leaf[0] == place]
    erased = frozenset(place for place, _, is_erased in known if is_erased)
    return encode_leaves([hash_ for _, hash_, _ in known], erased)


def _came(copy: NodeCopy) -> Came:
    """When everything came, by the receivers' clocks."""
    places = (place for place, _, _ in copy.leaves)
    digests = (sha256(payload).hexdigest() for payload in copy.checkpoints)
    return Came(
        {place: _instant(ms) for place, ms in zip(places, copy.leaves_ms, strict=True)},
        {digest: _instant(ms) for digest, ms in zip(digests, copy.checkpoints_ms, strict=True)},
    )


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _given_key(request: ReceiveRequest) -> SigningKey | None:
    """The key that was named for receipts; None where it is the one in the store's folder."""
    from edge.receive.database import is_server

    if request.sign_with is not None:
        return load_signing_key(request.sign_with)
    if is_server(request.store):
        raise ConfigError("Say what to sign receipts with: --sign-with KEY, made with 'stopline keys new KEY'")
    return None


def _own_key(folder: Path) -> SigningKey:
    path = folder / KEY_FILE
    return load_signing_key(path) if path.exists() else new_key(path, in_tpm=False, force=False)


def _check_name(name: str, option: str) -> str:
    if not name or len(name) > 64 or any(char in name for char in "/+#\0"):
        raise ConfigError(f"{option} {name!r} cannot be part of a subscription: use letters, digits, dots, dashes")
    return name


@contextmanager
def _until_asked_to_end(receiver: Receiver, seconds: float | None) -> Iterator[None]:
    """Stop the receiver on SIGTERM, Ctrl-C and after the time, between two batches."""
    previous = {number: signal.signal(number, lambda *_: receiver.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    timer = None if seconds is None else threading.Timer(seconds, receiver.stop)
    if timer is not None:
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)
