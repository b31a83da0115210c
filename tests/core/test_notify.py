"""What a service manager hears: ready with the first picture, then the watchdog at most once a second."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from edge.notify import ServiceManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(0)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(listener.recv(1000).decode())
        except BlockingIOError:
            return messages


def test_ready_is_said_once_and_the_watchdog_is_fed_by_progress_alone(manager: socket.socket) -> None:
    now_s = 10.0
    told = ServiceManager(manager.getsockname(), lambda: now_s)
    assert heard(manager) == []
    told.progress()
    first = heard(manager)
    assert len(first) == 1
    assert "READY=1" in first[0].splitlines()
    for now_s in (10.2, 10.9, 11.1, 11.2, 12.5):  # noqa: B007 - the clock reads it
        told.progress()
    assert heard(manager) == ["WATCHDOG=1"] * 2
    told.stopping()
    assert heard(manager)[0].splitlines()[0] == "STOPPING=1"


def test_an_abstract_address_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"stopline-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        ServiceManager().progress()
        assert len(heard(listener)) == 1


def test_without_a_manager_or_with_a_dead_one_the_node_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager().progress()
    gone = ServiceManager(str(tmp_path / "nobody"))
    gone.progress()
    gone.stopping()
