"""A node that systemd has given up is begun again; the machine is started anew at most once in hours."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from edge.sources.steady import FIRST_S, PATIENCE_S
from tests.firmware_config.device import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = CONFIG / "rootfs/usr/local/sbin/stopline-again"
UNIT = CONFIG / "rootfs/etc/systemd/system/stopline.service"
START_S = (
    20.0  # what a start takes beside the waiting: the program is loaded, a camera opened, its first picture judged
)
UNITS_S = {"": 1.0, "s": 1.0, "min": 60.0}


def asked(folder: Path, up_s: float, state: str = "failed", code: int = 1, status: int = 1) -> list[str]:
    """What the service manager was asked for, but for the unit's state."""
    uptime, log, systemctl = folder / "uptime", folder / "log", folder / "systemctl"
    uptime.write_text(f"{up_s:.2f} 12345.67\n", encoding="ascii")
    log.write_text("", encoding="ascii")
    said = f"ExecMainCode={code}\nExecMainStatus={status}\nActiveState={state}"
    systemctl.write_text(
        f'#!/bin/sh\nif [ "$1" = show ]; then echo "{said}"; else echo "$*" >> {log}; fi\n', encoding="ascii"
    )
    systemctl.chmod(0o755)
    environment = {**os.environ, "STOPLINE_UPTIME": str(uptime), "STOPLINE_SYSTEMCTL": str(systemctl)}
    subprocess.run(["sh", str(SCRIPT)], check=True, env=environment, timeout=30)
    return log.read_text(encoding="ascii").splitlines()


@pytest.mark.parametrize("up_s", [75.0, 21_599.9])
def test_within_hours_of_a_start_the_node_alone_is_begun_again(tmp_path: Path, up_s: float) -> None:
    assert asked(tmp_path, up_s) == ["reset-failed stopline.service", "start --no-block stopline.service"]


def test_a_machine_that_was_up_for_hours_is_started_anew(tmp_path: Path) -> None:
    assert asked(tmp_path, 21_600.0) == ["reboot"]
    assert asked(tmp_path, 21_600.0, code=2, status=2) == ["reboot"], "ended by a signal of that number"


@pytest.mark.parametrize("state", ["active", "activating", "inactive", "deactivating", "unknown"])
def test_a_node_that_was_not_given_up_is_left_alone(tmp_path: Path, state: str) -> None:
    assert asked(tmp_path, 99_999.0, state) == []


def test_a_mistake_in_a_file_waits_for_somebody(tmp_path: Path) -> None:
    assert asked(tmp_path, 99_999.0, status=2) == []


def setting(name: str) -> float:
    """A number or a time of the node's unit, a time in s."""
    (number, unit), *more = re.findall(rf"^{name}=(\d+)(s|min)?$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert not more
    return float(number) * UNITS_S[unit]


def test_a_node_that_waits_for_its_camera_is_never_given_up() -> None:
    """Each start but the first comes ``FIRST_S`` after the one before, or later."""
    assert setting("StartLimitBurst") * FIRST_S > setting("StartLimitIntervalSec")


def test_a_node_ends_its_waiting_by_itself_before_it_is_shot() -> None:
    assert setting("TimeoutStartSec") > FIRST_S + START_S
    assert setting("WatchdogSec") > PATIENCE_S
