"""script/check-firmware passes what is there and finds a spoilt copy of each kind of file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.command import ROOT
from tests.firmware_config.device import CONFIG, checks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(CONFIG, tmp_path / "copy")


def problems(folder: Path, name: str) -> list[str]:
    """What a check finds; it is called as the command calls it, without starting a Python for each."""
    try:
        return list(checks().CHECKS[name][0](folder))
    except checks().Skip as reason:
        pytest.skip(str(reason))


STOPLINE = "image/layer/stopline.yaml"
UNIT = "rootfs/etc/systemd/system/stopline.service"
SPOILT = [
    ("shell", "install.sh", "set -eu", "set -eu\nrm $1/*"),
    ("shell", "rootfs/usr/local/sbin/stopline-update", 'sync "$autoboot.new"', "sync $autoboot.new"),
    ("shell", "settings.sh", 'rm -f "$to/$file.new"', "rm -f $to/$file.new"),
    ("shell", "rootfs/usr/local/sbin/stopline-again", "read -r up_s", "read up_s"),
    ("cloud-init", "seed/user-data", "ssh_pwauth: false", "ssh_pwauth: [1]"),
    ("cloud-init", "seed/user-data", "#cloud-config", "# cloud-config"),
    ("cloud-init", "seed/network-config", "dhcp4:", "dchp4:"),
    ("cloud-init", "seed/meta-data", "instance-id", "instance"),
    ("systemd", UNIT, "NoNewPrivileges=yes", "NoNewPrivilege=yes"),
    ("systemd", UNIT, "/opt/stopline/bin/stopline", "/opt/stopline/stopline"),
    ("systemd", UNIT, "CapabilityBoundingSet=\nAmbientCapabilities=\n", ""),
    ("systemd", "rootfs/etc/systemd/system/stopline-update.service", "CapabilityBoundingSet=\n", "SystemCallFilter=\n"),
    ("systemd", "image/stopline-persistent.service", "SystemCallFilter=@system-service", ""),
    ("systemd", "image/etc-stopline.mount", "Where=/etc/stopline", "Where=/etc/stop"),
    ("systemd", "rootfs/etc/systemd/system/var-tmp.mount", "Options=mode", "Option=mode"),
    ("systemd", "rootfs/etc/systemd/system/stopline-again.timer", "OnBootSec", "OnBoot"),
    ("systemd", "rootfs/etc/systemd/system/stopline-again.service", "CapabilityBoundingSet=\n", "SystemCallFilter=\n"),
    ("systemd", "rootfs/etc/systemd/system/nftables.service.d/stopline.conf", "RequiresMounts", "RequireMounts"),
    ("systemd", "image/stopline-deadline.timer", "IgnoreOnIsolate=yes", "IgnoreOnIsolates=yes"),
    ("systemd", "image/stopline-eeprom.service", "ExecStartPost=/usr/bin/touch", "ExecStartPost=/usr/bin/tuch"),
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
    ("image", STOPLINE, "X-Env-Layer-Version: 2.0.0", "X-Env-Layer-Version: 2.0"),
    ("image", STOPLINE, "# X-Env-Layer-Requires", "# X-Env-Layer-Require"),
    ("image", STOPLINE, "X-Env-Layer-Desc", "X-Env-Layer-Description"),
    ("image", STOPLINE, "X-Env-Var-bundle-Desc", "X-Env-Var-bundel-Desc"),
    ("image", STOPLINE, "X-Env-Var-bundle-Valid: file-nzero", "X-Env-Var-bundle-Valid: file-full"),
    ("image", STOPLINE, "X-Env-Var-bundle-Set: y", "X-Env-Var-bundle-Set: maybe"),
    ("image", STOPLINE, "# X-Env-VarPrefix: stopline\n", ""),
    ("image", STOPLINE, "#  Its settings", "# Its settings"),
    ("image", STOPLINE, "# METAEND\n", ""),
    ("image", STOPLINE, "customize-hooks", "customise-hooks"),
    ("image", "image/layer/stopline-base.yaml", "#  chrony\n", "#  chronyd\n"),
    ("image", "image/layer/stopline-base.yaml", "#  chrony\n", "#  chrony,\n#  systemd-timesyncd\n"),
    ("image", "image/layer/stopline-base.yaml", "#  systemd-net-min,\n", "#  trixie-minbase,\n"),
    ("image", "image/config/stopline-pi5.yaml", "layer: image-rota", "layer: simple-dual"),
    ("image", "image/config/stopline-pi5.yaml", "data_part_size: 4G", "data_part_size: 4 GB"),
    ("image", "image/config/stopline-pi5.yaml", "user1sudo: nopasswd", "user1sudo: none"),
    ("image", "image/config/stopline-pi5.yaml", "  pubkey_user1: ${@SRCROOT}/installer.pub\n", ""),
    ("image", "image/config/stopline-pi4.yaml", "app: stopline", "app: stopsign"),
    ("image", "image/config/stopline-pi4.yaml", "hostname:", "hostnam:"),
    ("swap", UNIT, "MemorySwapMax=0\n", ""),
    ("swap", "rootfs/etc/rpi/swap.conf.d/90-stopline.conf", "Mechanism=none", "Mechanism=zram+file"),
    ("swap", "install.sh", "rpi-resize-swap-file.service ", ""),
    ("ssh", "rootfs/etc/ssh/sshd_config.d/10-stopline.conf", "AllowTcpForwarding local", "AllowTcpForwarding no"),
    ("ssh", "rootfs/etc/ssh/sshd_config.d/10-stopline.conf", "AllowGroups sudo", "AllowGroup sudo"),
    ("udev", "rootfs/etc/udev/rules.d/60-stopline.rules", 'SUBSYSTEM=="gpio"', 'SUBSYTEM=="gpio"'),
    ("udev", "rootfs/etc/udev/rules.d/60-stopline.rules", 'MODE="0660"', 'MODE=="0660"'),
    ("tmpfiles", "rootfs/etc/tmpfiles.d/stopline.conf", "d /var", "dd /var"),
    ("tmpfiles", "rootfs/etc/tmpfiles.d/stopline.conf", "0750", "0755"),
    ("sysctl", "rootfs/etc/sysctl.d/60-stopline.conf", "kernel.panic =", "kernel.panick ="),
    ("sysctl", "rootfs/etc/sysctl.d/60-stopline.conf", "kernel.kptr_restrict = 2", "kernel.kptr_restrict = 3"),
    ("modprobe", "rootfs/etc/modprobe.d/stopline.conf", "blacklist bluetooth", "blacklst bluetooth"),
    ("environment", "rootfs/etc/stopline/environment", "STOPLINE_SOURCE=", "STOPLINE_SOURCES="),
    ("environment", "rootfs/etc/stopline/environment", "STOPLINE_THREADS=2", "STOPLINE_THREADS=two"),
    ("node", "node.toml", "[broker]", "[brooker]"),
    ("python", "update.py", "import argparse", "import argparsed"),
    ("python", "bundle.py", '"settings.sh"', '"setting.sh"'),
    ("drawing", "wiring.svg", "</svg>", ""),
]


@pytest.mark.parametrize(
    ("name", "file", "good", "spoilt"), SPOILT, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(SPOILT)]
)
def test_a_spoilt_copy_is_found(copy: Path, name: str, file: str, good: str, spoilt: str) -> None:
    text = (copy / file).read_text(encoding="utf-8")
    assert good in text
    (copy / file).write_text(text.replace(good, spoilt, 1), encoding="utf-8")
    assert problems(copy, name), "it says what is wrong"


@pytest.mark.parametrize("name", sorted({name for name, *_ in SPOILT}))
def test_what_is_there_passes(name: str) -> None:
    assert problems(CONFIG, name) == []


def test_the_command_says_what_came_of_each_check(copy: Path) -> None:
    (copy / "wiring.svg").write_text("<svg>", encoding="ascii")
    command = [sys.executable, str(ROOT / "script/firmware_check.py"), "--folder", str(copy)]
    found = subprocess.run(
        [*command, "--only", "drawing", "--only", "boot"], capture_output=True, text=True, check=False
    )
    first, second, third = found.stdout.splitlines()
    assert (found.returncode, first.startswith("drawing: WRONG"), third.startswith("boot: ok")) == (1, True, True)
    assert "wiring.svg" in second


def test_what_cannot_be_checked_counts_where_that_is_asked_for(tmp_path: Path) -> None:
    """With no program to be found, in a copy of the script that knows none of Debian's folders."""
    script = tmp_path / "script"
    script.mkdir()
    for file in ("firmware_check.py", "image_check.py", "rpi_image_gen.toml"):
        text = (ROOT / "script" / file).read_text(encoding="utf-8")
        (script / file).write_text(
            text.replace('PATH = "/usr/sbin:', 'PATH = "/nowhere" or "/usr/sbin:'), encoding="utf-8"
        )
    command = [sys.executable, str(script / "firmware_check.py"), "--folder", str(CONFIG), "--only", "shell"]
    for words, code in (((), 0), (("--strict",), 1)):
        found = subprocess.run(
            [*command, *words], capture_output=True, text=True, check=False, env={"PATH": "/nowhere"}, timeout=60
        )
        assert (found.returncode, "SKIPPED: shellcheck is not installed" in found.stdout) == (code, True), found.stdout


def test_a_file_that_no_check_looks_at_is_named(copy: Path) -> None:
    (copy / "rootfs/etc/cron.d").mkdir()
    (copy / "rootfs/etc/cron.d/stopline").write_text("", encoding="ascii")
    assert problems(copy, "complete") == ["no check looks at rootfs/etc/cron.d/stopline"]
