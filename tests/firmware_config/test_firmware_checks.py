"""script/check-firmware passes what is there and finds a spoilt copy of each kind of file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = ROOT / "firmware-config"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(CONFIG, tmp_path / "copy")


def check(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "script/firmware_check.py"), "--folder", str(folder), "--only", name]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


SPOILT = [
    ("shell", "install.sh", "set -eu", "set -eu\nrm $1/*"),
    ("shell", "rootfs/usr/local/sbin/stopline-update", 'sync "$autoboot.new"', "sync $autoboot.new"),
    ("cloud-init", "seed/user-data", "ssh_pwauth: false", "ssh_pwauth: [1]"),
    ("cloud-init", "seed/user-data", "#cloud-config", "# cloud-config"),
    ("cloud-init", "seed/network-config", "dhcp4:", "dchp4:"),
    ("cloud-init", "seed/meta-data", "instance-id", "instance"),
    ("systemd", "rootfs/etc/systemd/system/stopline.service", "NoNewPrivileges=yes", "NoNewPrivilege=yes"),
    ("systemd", "rootfs/etc/systemd/system/stopline.service", "/opt/stopline/bin/stopline", "/opt/stopline/stopline"),
    ("systemd", "rootfs/etc/systemd/system/stopline.service", "CapabilityBoundingSet=\nAmbientCapabilities=\n", ""),
    ("systemd", "rootfs/etc/systemd/system/stopline-update.service", "CapabilityBoundingSet=\n", "SystemCallFilter=\n"),
    ("systemd", "image/stopline-persistent.service", "SystemCallFilter=@system-service", ""),
    ("systemd", "image/etc-stopline.mount", "Where=/etc/stopline", "Where=/etc/stop"),
    ("systemd", "rootfs/etc/systemd/system/var-tmp.mount", "Options=mode", "Option=mode"),
    ("systemd-settings", "rootfs/etc/systemd/journald.conf.d/stopline.conf", "Storage", "Storages"),
    ("systemd-settings", "rootfs/etc/systemd/system.conf.d/stopline.conf", "RuntimeWatchdogSec", "RuntimeWatchdog"),
    ("nftables", "rootfs/etc/nftables.conf", "policy drop", "policy dropp"),
    ("nftables", "rootfs/etc/nftables.conf", "policy drop", "policy accept"),
    ("nftables", "rootfs/etc/nftables.conf", "iif lo accept", "iif lo accept\n        tcp dport 80 accept"),
    ("chrony", "rootfs/etc/chrony/conf.d/stopline.conf", "makestep 0.5 3", "makestep 0.5 three"),
    ("mosquitto", "mosquitto.acl", "pattern write", "pattern wright"),
    ("boot", "boot/config.txt", "dtoverlay=disable-bt", "dtoverlay=disable-bluetooth"),
    ("boot", "boot/config.txt", "enable_uart=0", "enable_uart=no"),
    ("boot", "boot/config.txt", "camera_auto_detect", "camera_autodetect"),
    ("boot", "boot/eeprom.conf", "BOOT_ORDER=0xf61", "BOOT_ORDER=SD"),
    ("boot", "boot/autoboot.txt", "[tryboot]", "[trybot]"),
    ("image", "image/layer/stopline.yaml", "X-Env-Layer-Version: 1.0.0", "X-Env-Layer-Version: 1.0"),
    ("image", "image/layer/stopline.yaml", "# X-Env-Layer-Requires", "# X-Env-Layer-Require"),
    ("image", "image/layer/stopline.yaml", "# METAEND\n", ""),
    ("image", "image/layer/stopline.yaml", "customize-hooks", "customise-hooks"),
    ("image", "image/config/stopline-pi5.yaml", "layer: image-rota", "layer: simple-dual"),
    ("image", "image/config/stopline-pi4.yaml", "app: stopline", "app: stopsign"),
]


@pytest.mark.parametrize(
    ("name", "file", "good", "spoilt"), SPOILT, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(SPOILT)]
)
def test_a_spoilt_copy_is_found(copy: Path, name: str, file: str, good: str, spoilt: str) -> None:
    text = (copy / file).read_text(encoding="utf-8")
    assert good in text
    (copy / file).write_text(text.replace(good, spoilt, 1), encoding="utf-8")
    found = check(copy, name)
    if "SKIPPED" in found.stdout:
        pytest.skip(found.stdout.strip())
    assert found.returncode == 1, found.stdout
    assert "WRONG" in found.stdout
    assert len(found.stdout.splitlines()) > 1, "it says what is wrong"


@pytest.mark.parametrize("name", sorted({name for name, *_ in SPOILT}))
def test_what_is_there_passes(name: str) -> None:
    found = check(CONFIG, name)
    if "SKIPPED" in found.stdout:
        pytest.skip(found.stdout.strip())
    assert (found.returncode, "ok" in found.stdout) == (0, True), found.stdout
