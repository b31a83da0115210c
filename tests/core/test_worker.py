"""A thread whose failure does not go unnoticed."""

from __future__ import annotations

import threading

import pytest

from edge.errors import NodeError
from edge.worker import Worker


def test_what_it_raises_comes_out_where_its_owner_asks() -> None:
    def failing() -> None:
        raise ValueError("nobody thought of this")

    worker = Worker("arming", failing)
    worker.check()
    worker.start()
    worker.join(5)
    assert not worker.is_alive
    with pytest.raises(NodeError, match=r"^the arming thread failed \(ValueError: nobody thought of this\)") as caught:
        worker.check()
    assert caught.value.__cause__ is worker.error


def test_one_that_ends_by_itself_has_not_failed() -> None:
    over = threading.Event()
    worker = Worker("arming", lambda: over.wait(5) and None)
    worker.join()  # it never began
    worker.start()
    assert worker.is_alive
    over.set()
    worker.join(5)
    worker.check()
    assert (worker.is_alive, worker.error) == (False, None)
