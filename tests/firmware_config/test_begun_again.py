"""A node that ends over and over: a pause, then a new beginning; a restart of the machine at most once in hours."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.firmware_config.device import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = CONFIG / "rootfs/usr/local/sbin/stopline-again"


def asked(folder: Path, up_s: float, *, failed: bool = True, pause_s: int = 0) -> list[str]:
    """What the service manager was asked for."""
    uptime, log, systemctl = folder / "uptime", folder / "log", folder / "systemctl"
    uptime.write_text(f"{up_s:.2f} 12345.67\n", encoding="ascii")
    log.write_text("", encoding="ascii")
    systemctl.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\ncase $1 in is-failed) exit {0 if failed else 1} ;; esac\n', encoding="ascii"
    )
    systemctl.chmod(0o755)
    environment = {
        **os.environ,
        "STOPLINE_PAUSE_S": str(pause_s),
        "STOPLINE_UPTIME": str(uptime),
        "STOPLINE_SYSTEMCTL": str(systemctl),
    }
    subprocess.run(["sh", str(SCRIPT)], check=True, env=environment, timeout=30)
    return log.read_text(encoding="ascii").splitlines()


@pytest.mark.parametrize("up_s", [75.0, 21_599.9])
def test_within_hours_of_a_start_the_node_alone_is_begun_again(tmp_path: Path, up_s: float) -> None:
    assert asked(tmp_path, up_s) == [
        "is-failed --quiet stopline.service",
        "reset-failed stopline.service",
        "start --no-block stopline.service",
    ]


def test_a_machine_that_was_up_for_hours_is_started_anew(tmp_path: Path) -> None:
    assert asked(tmp_path, 21_600.0) == ["reboot"]


def test_a_node_that_somebody_has_begun_meanwhile_is_left_alone(tmp_path: Path) -> None:
    assert asked(tmp_path, 75.0, failed=False) == ["is-failed --quiet stopline.service"]
