#!/usr/bin/env python3
"""Checks every file of firmware-config/ offline, with the programs that will read it where those can be had.

    script/check-firmware                    all of it
    script/check-firmware --folder COPY      another copy than firmware-config/
    script/check-firmware --only nftables    one check, or several

Each check prints its name and ok, what is wrong, or why it was skipped. The exit code is 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "build" / "firmware-tools"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
EXPOSURE = 20  # tenths of systemd's points, as --threshold takes them
UNITS_SECURED = ("stopline.service", "stopline-update.service", "stopline-persistent.service")
PROGRAMS = ("opt/stopline/bin/stopline", "usr/local/sbin/stopline-update", "bin/sh")

# The keys of config.txt and the bootloader that this project sets or may set, from Raspberry Pi's documentation,
# "config.txt" and "Raspberry Pi bootloader configuration"; a key that is not here is a mistake or wants adding here.
BOOT_KEYS = {
    "arm_64bit": "[01]",
    "arm_boost": "[01]",
    "auto_initramfs": "[01]",
    "camera_auto_detect": "[01]",
    "disable_fw_kms_setup": "[01]",
    "disable_overscan": "[01]",
    "disable_splash": "[01]",
    "display_auto_detect": "[01]",
    "dtoverlay": r"[a-z0-9-]+(,[a-z0-9_-]+(=[\w-]+)?)*",
    "dtparam": r"[a-z0-9_]+(=(on|off|[0-9]+))?",
    "enable_uart": "[01]",
    "kernel_watchdog_timeout": "[0-9]+",
    "max_framebuffers": "[0-9]",
    "otg_mode": "[01]",
}
OVERLAYS = {"disable-wifi", "disable-bt", "vc4-kms-v3d", "imx219", "imx296", "imx477", "imx708", "ov9281", "dwc2"}
PARAMETERS = {"audio", "cooling_fan", "i2c_arm", "pciex1", "spi", "watchdog"}
EEPROM_KEYS = {
    "BOOT_ORDER": "0x[0-9a-f]{1,8}",
    "BOOT_UART": "[01]",
    "BOOT_WATCHDOG_PARTITION": "[0-9]+",
    "BOOT_WATCHDOG_TIMEOUT": "[0-9]+",
    "DISABLE_HDMI": "[01]",
    "HDMI_DELAY": "[0-9]+",
    "NET_INSTALL_AT_POWER_ON": "[01]",
    "PSU_MAX_CURRENT": "[0-9]+",
    "WAKE_ON_GPIO": "[01]",
    "POWER_OFF_ON_HALT": "[01]",
}
AUTOBOOT_KEYS = {"tryboot_a_b": "[01]", "boot_partition": "[1-9][0-9]*"}
FILTERS = {"all", "none", "pi4", "pi400", "cm4", "pi5", "cm5", "tryboot"}
# The header of a layer, from rpi-image-gen's documentation, "Layer Documentation", X-Env Metadata.
LAYER_NEEDED = {"X-Env-Layer-Name", "X-Env-Layer-Description", "X-Env-Layer-Category", "X-Env-Layer-Version"}
LAYER_FIELDS = LAYER_NEEDED | {
    *(f"X-Env-Layer-{name}" for name in ("Requires", "Provides", "RequiresProvider", "AfterProvider", "Conflicts")),
    *(f"X-Env-Layer-{name}" for name in ("Type", "Generator", "Sets")),
    "X-Env-VarPrefix",
    "X-Env-VarRequires",
    "X-Env-VarRequires-Valid",
}
LAYER_VARIABLE = r"X-Env-Var-[a-z0-9_]+(-(Description|Desc|Required|Valid|Set|Triggers|Conflicts|Anchor))?"
HOOKS = {"setup-hooks", "extract-hooks", "essential-hooks", "customize-hooks", "cleanup-hooks"}
SD_CONF = {
    "journald.conf.d": {"Journal": {"Storage", "RuntimeMaxUse", "RuntimeKeepFree", "ForwardToSyslog"}},
    "system.conf.d": {"Manager": {"RuntimeWatchdogSec", "RebootWatchdogSec", "DefaultTimeoutStopSec", "DumpCore"}},
}
SD_CONF["journald.conf.d"]["Journal"] |= {"RateLimitIntervalSec", "RateLimitBurst"}
CLOUD_INIT = (
    "cloud-init python3-configobj python3-jsonpatch python3-json-pointer python3-oauthlib python3-requests python3-six"
    " python3-urllib3 python3-idna python3-certifi python3-charset-normalizer python3-chardet python3-netifaces"
)


class Skip(Exception):  # noqa: N818 - it is no error
    """A check that cannot be made here, with the reason."""


def run(*command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env={**os.environ, "PATH": f"{PATH}:{os.environ['PATH']}", **environment},
    )


def need(program: str, package: str) -> str:
    found = shutil.which(program, path=f"{PATH}:{os.environ['PATH']}")
    if found is None:
        raise Skip(f"{program} is not installed (Debian: apt install {package})")
    return found


def borrowed(name: str, packages: str) -> Path:
    """Debian packages unpacked, not installed: these would change the machine that checks (its clock, its boot)."""
    folder = TOOLS / name
    if not folder.exists():
        need("dpkg", "dpkg")
        TOOLS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TOOLS) as work:
            fetched = run("apt-get", "download", "-q", *packages.split(), cwd=Path(work))
            if fetched.returncode:
                reason = fetched.stderr.strip().splitlines()[-1]
                raise Skip(f"apt cannot fetch {packages.split(maxsplit=1)[0]} ({reason})")
            for package in Path(work).glob("*.deb"):
                run("dpkg", "-x", str(package), str(Path(work) / "unpacked"))
            (Path(work) / "unpacked").rename(folder)
    return folder


def check_shell(folder: Path) -> list[str]:
    need("shellcheck", "shellcheck")
    scripts = [folder / "install.sh", folder / "rootfs/usr/local/sbin/stopline-update"]
    found = run("shellcheck", "--shell=sh", *map(str, scripts))
    return found.stdout.splitlines()


def check_cloud_init(folder: Path) -> list[str]:
    packages = borrowed("cloud-init", CLOUD_INIT) / "usr/lib/python3/dist-packages"
    found = run(
        sys.executable,
        *("-m", "cloudinit.cmd.main", "schema", "--config-file", str(folder / "seed/user-data")),
        PYTHONPATH=str(packages),
    )
    problems = [] if found.returncode == 0 else [(found.stdout + found.stderr).strip()]
    return problems + _seed_problems(folder)


def _seed_problems(folder: Path) -> list[str]:
    """What a schema does not see. Debian 12's cloud-init has none for the network, trixie's takes any key of a link."""
    problems = []
    if not (folder / "seed/user-data").read_text(encoding="utf-8").startswith("#cloud-config\n"):
        problems.append(
            "seed/user-data: the first line must be #cloud-config, or cloud-init takes it for something else"
        )
    network = yaml.safe_load((folder / "seed/network-config").read_text(encoding="utf-8"))
    network = network.get("network", network)
    if network.get("version") != 2 or not set(network) <= {"version", "ethernets", "renderer"}:
        problems.append("seed/network-config: version 2 with ethernets and no other kind of link")
    known = {"dhcp4", "dhcp6", "addresses", "routes", "nameservers", "optional", "match", "accept-ra"}
    for link, settings in network.get("ethernets", {}).items():
        problems += [f"seed/network-config: {link} has an unknown key {key}" for key in set(settings) - known]
    if "instance-id" not in yaml.safe_load((folder / "seed/meta-data").read_text(encoding="utf-8")):
        problems.append("seed/meta-data: instance-id is missing")
    return problems


def check_systemd(folder: Path) -> list[str]:
    need("systemd-analyze", "systemd")
    with tempfile.TemporaryDirectory() as work:
        root = _fake_root(folder, Path(work))
        units = sorted(path.name for path in (root / "etc/systemd/system").iterdir() if path.is_file())
        found = run("systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no", *units)
        problems = found.stderr.splitlines()
        if found.returncode and not problems:
            problems.append(f"systemd-analyze verify ended with {found.returncode}")
        for unit in UNITS_SECURED:
            asked = ("--offline=true", f"--threshold={EXPOSURE}", f"--root={root}", "--no-pager")
            secured = run("systemd-analyze", "security", *asked, unit)
            if secured.returncode:
                problems.append((secured.stdout.splitlines() or secured.stderr.splitlines())[-1].strip("→ "))
    return problems


def _fake_root(folder: Path, root: Path) -> Path:
    """A system in which the units' programs exist and systemd's own units can be found."""
    shutil.copytree(folder / "rootfs", root, dirs_exist_ok=True)
    for unit in [*folder.glob("image/*.mount"), *folder.glob("image/*.service")]:
        shutil.copy(unit, root / "etc/systemd/system")
    (root / "usr/lib/systemd").mkdir(parents=True, exist_ok=True)
    shutil.copytree("/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    for program in PROGRAMS:
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).touch()
        (root / program).chmod(0o755)
    return root


def check_systemd_settings(folder: Path) -> list[str]:
    """Files that no verb of systemd-analyze reads: their sections and keys, by the manual's pages of the same names."""
    problems = []
    for where, sections in SD_CONF.items():
        for file in sorted((folder / "rootfs/etc/systemd" / where).glob("*.conf")):
            parser = configparser.ConfigParser(interpolation=None)
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            parser.read(file, encoding="utf-8")
            for section in parser.sections():
                unknown = set(parser[section]) - sections.get(section, set())
                problems += [f"{file.name}: [{section}] {key} is unknown" for key in sorted(unknown)]
    return problems


def check_nftables(folder: Path) -> list[str]:
    need("nft", "nftables")
    own_network = run("unshare", "-rn", "true").returncode == 0
    if not own_network and os.geteuid():
        raise Skip("nft needs a network namespace of its own or root")
    rules = str(folder / "rootfs/etc/nftables.conf")
    found = run(*(("unshare", "-rn") if own_network else ()), "nft", "--check", "--file", rules)
    return found.stderr.splitlines() + _open_ports(Path(rules))


def _open_ports(rules: Path) -> list[str]:
    """No port may be open to newcomers but SSH."""
    text = rules.read_text(encoding="utf-8")
    inward = text.partition("chain input")[2].partition("}\n\n")[0]
    ports = re.findall(r"(tcp|udp) dport ([^\s]+|\{[^}]*\})", inward)
    allowed = {("tcp", "22"), ("udp", "68"), ("udp", "546")}
    problems = [f"nftables.conf: {kind} port {port} is open" for kind, port in ports if (kind, port) not in allowed]
    if text.count("policy drop;") != 3:
        problems.append("nftables.conf: each of the three chains must drop what no rule lets through")
    return problems


def check_chrony(folder: Path) -> list[str]:
    unpacked = borrowed("chrony", "chrony")
    with tempfile.TemporaryDirectory() as work:
        main = (unpacked / "usr/share/chrony/chrony.conf").read_text(encoding="utf-8")
        config = Path(work) / "chrony.conf"
        conf_d = folder / "rootfs/etc/chrony/conf.d"
        config.write_text(main.replace("/etc/chrony/conf.d", str(conf_d.resolve())), encoding="utf-8")
        found = run(str(unpacked / "usr/sbin/chronyd"), "-p", "-f", str(config))
    return found.stderr.splitlines() if found.returncode else []


def check_mosquitto(folder: Path) -> list[str]:
    """The broker starts with the rights; what they allow is tried by tests/firmware_config."""
    program = need("mosquitto", "mosquitto")
    with tempfile.TemporaryDirectory() as work:
        rights = Path(work) / "mosquitto.acl"
        shutil.copy(folder / "mosquitto.acl", rights)
        rights.chmod(0o644)
        Path(work).chmod(0o777)  # the broker gives its rights up and makes its socket here
        config = Path(work) / "mosquitto.conf"
        listener = "listener 0 " + str(Path(work) / "socket")
        config.write_text(f"{listener}\nallow_anonymous true\nacl_file {rights}\n", encoding="utf-8")
        broker = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.PIPE, text=True)
        try:
            broker.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            broker.terminate()
            said = broker.communicate()[1]
            return [line for line in said.splitlines() if "Error" in line or "Invalid" in line]
        return broker.communicate()[1].splitlines() or ["mosquitto ended at once"]


def check_boot(folder: Path) -> list[str]:
    problems = _keys(folder / "boot/config.txt", BOOT_KEYS) + _keys(folder / "boot/eeprom.conf", EEPROM_KEYS)
    problems += _keys(folder / "boot/autoboot.txt", AUTOBOOT_KEYS)
    for line in (folder / "boot/config.txt").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        name = re.split("[,=]", value)[0]
        if (key == "dtoverlay" and name not in OVERLAYS) or (key == "dtparam" and name not in PARAMETERS):
            problems.append(f"config.txt: {line} is not known to this check")
    if (folder / "boot/autoboot.txt").stat().st_size > 512:
        problems.append("autoboot.txt: longer than the 512 bytes that the bootloader reads")
    return problems


def _keys(file: Path, known: dict[str, str]) -> list[str]:
    problems = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        section = re.fullmatch(r"\[(\w+)\]", line)
        key, equals, value = line.partition("=")
        if not line or line.startswith("#") or (section and section[1] in FILTERS):
            continue
        if section or not equals or key not in known:
            problems.append(f"{file.name}:{number}: {line} is no setting known to this check")
        elif not re.fullmatch(known[key], value):
            problems.append(f"{file.name}:{number}: {key} cannot be {value!r}")
    return problems


def check_image(folder: Path) -> list[str]:
    """rpi-image-gen's own linter comes with its sources only, so the documented header is checked here."""
    problems = []
    for layer in sorted((folder / "image/layer").glob("*.yaml")):
        problems += [f"{layer.name}: {problem}" for problem in _layer_problems(layer.read_text(encoding="utf-8"))]
    layers = {"stopline", "trixie-minbase"}
    for config in sorted((folder / "image/config").glob("*.yaml")):
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
        unknown = set(settings) - {"include", "device", "image", "layer", "stopline", "env", "packages", "ssh"}
        problems += [f"{config.name}: nobody reads the section {name}" for name in sorted(unknown)]
        problems += [
            f"{config.name}: no layer {name}" for name in settings.get("layer", {}).values() if name not in layers
        ]
        if settings.get("image", {}).get("layer") != "image-rota":
            problems.append(f"{config.name}: image.layer must be image-rota, the one of two halves")
        if settings.get("device", {}).get("layer") not in {"rpi4", "rpi5"}:
            problems.append(f"{config.name}: device.layer must be rpi4 or rpi5")
    return problems


def _layer_problems(text: str) -> list[str]:
    found = re.search(r"^# METABEGIN\n(.*?)^# METAEND\n", text, re.DOTALL | re.MULTILINE)
    if found is None:
        return ["no header between # METABEGIN and # METAEND"]
    fields: dict[str, str] = {}
    problems = []
    for line in found[1].splitlines():
        content = line.removeprefix("#").removeprefix(" ")
        key, colon, value = content.partition(": ")
        if not content or content.startswith(" "):
            continue
        fields[key] = value.strip()
        if not colon or not (key in LAYER_FIELDS or re.fullmatch(LAYER_VARIABLE, key)):
            problems.append(f"{content!r} is no field of a layer's header")
    problems += [f"{name} is missing" for name in sorted(LAYER_NEEDED - set(fields))]
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", fields.get("X-Env-Layer-Version", "")):
        problems.append("X-Env-Layer-Version is not of the form 1.2.3")
    for key in fields:
        base = re.fullmatch(r"(X-Env-Var-[a-z0-9_]+)(-\w+)?", key)
        if base and (base[1] not in fields or "X-Env-VarPrefix" not in fields):
            problems.append(f"{key}: the variable or X-Env-VarPrefix is not declared")
    return problems + _body_problems(yaml.safe_load(text) or {})


def _body_problems(body: dict[str, dict[str, object]]) -> list[str]:
    unknown = set(body) - {"mmdebstrap"}
    inside = body.get("mmdebstrap", {})
    unknown |= set(inside) - HOOKS - {"packages", "mirrors", "mode", "variant", "architectures", "aptopts"}
    return [f"nobody reads {name}" for name in sorted(unknown)]


CHECKS: dict[str, Callable[[Path], list[str]]] = {
    "shell": check_shell,
    "cloud-init": check_cloud_init,
    "systemd": check_systemd,
    "systemd-settings": check_systemd_settings,
    "nftables": check_nftables,
    "chrony": check_chrony,
    "mosquitto": check_mosquitto,
    "boot": check_boot,
    "image": check_image,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Check what goes onto the device.")
    parser.add_argument("--folder", type=Path, default=ROOT / "firmware-config")
    parser.add_argument("--only", action="append", choices=sorted(CHECKS))
    asked = parser.parse_args()
    wrong = 0
    for name in asked.only or CHECKS:
        begin = time.monotonic()
        try:
            problems = CHECKS[name](asked.folder)
        except Skip as reason:
            print(f"{name}: SKIPPED: {reason}")
            continue
        wrong += bool(problems)
        print(f"{name}: {'WRONG' if problems else 'ok'} ({time.monotonic() - begin:.1f} s)")
        for problem in problems:
            print(f"  {problem}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
