#!/usr/bin/env python3
"""Checks every file of firmware-config/ offline, with the programs that will read it where those can be had.

    script/check-firmware                    all of it
    script/check-firmware --folder COPY      another copy than firmware-config/
    script/check-firmware --only nftables    one check, or several
    script/check-firmware --strict           what cannot be checked here counts as wrong, as in CI (FIRMWARE_STRICT=1)

Each check prints its name and ok, what is wrong, or why it was skipped. The exit code is 1 where anything is wrong. The
last of them says which files no check has looked at.
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
from xml.parsers import expat

import yaml
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.config import load_node
from edge.errors import StoplineError

sys.path.insert(0, str(Path(__file__).parent))

from image_check import image_problems

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "build" / "firmware-tools"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
EXPOSURE = 20  # tenths of systemd's points, as --threshold takes them
UNITS_SECURED = ("stopline.service", "stopline-again.service", "stopline-update.service", "stopline-persistent.service")
PROGRAMS = ("opt/stopline/bin/stopline", "bin/sh", "usr/bin/touch", "usr/sbin/nft")

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
SD_CONF = {
    "journald.conf.d": {"Journal": {"Storage", "RuntimeMaxUse", "RuntimeKeepFree", "ForwardToSyslog"}},
    "system.conf.d": {"Manager": {"RuntimeWatchdogSec", "RebootWatchdogSec", "DefaultTimeoutStopSec", "DumpCore"}},
}
SD_CONF["journald.conf.d"]["Journal"] |= {"RateLimitIntervalSec", "RateLimitBurst"}
SSHD = "rootfs/etc/ssh/sshd_config.d/10-stopline.conf"
# What sshd must make of it: by key, for one group, nothing to forward but the set-up page.
SSHD_VALUES = {
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitrootlogin": "no",
    "pubkeyauthentication": "yes",
    "allowgroups": "sudo",
    "allowtcpforwarding": "local",
    "permitopen": "127.0.0.1:8600",
    "allowstreamlocalforwarding": "no",
    "allowagentforwarding": "no",
    "x11forwarding": "no",
    "permittunnel": "no",
}
OPENSSH = "openssh-server libwrap0"
# udev(7): the keys that are compared, those that are set, and how.
UDEV_RULE = re.compile(
    r"(?:(?:ACTION|DEVPATH|KERNELS?|NAME|SUBSYSTEMS?|DRIVERS?|TAGS?|TEST|PROGRAM|RESULT|(?:ATTRS?|ENV|SYSCTL|CONST)\{[^}]+\})"
    r'(?:==|!=)"[^"]*"|(?:NAME|SYMLINK|OWNER|GROUP|MODE|TAG|LABEL|GOTO|OPTIONS|(?:ATTR|ENV|SYSCTL|SECLABEL|RUN|IMPORT)\{[^}]+\})'
    r'(?:=|\+=|-=|:=)"[^"]*"|, )+'
)
# The settings of the kernel that this project makes, from its documentation (admin-guide/sysctl, networking/ip-sysctl).
SYSCTLS = {
    "vm.dirty_writeback_centisecs": "[0-9]+",
    "vm.dirty_expire_centisecs": "[0-9]+",
    "vm.dirty_background_ratio": "[1-9]?[0-9]|100",
    "vm.dirty_ratio": "[1-9]?[0-9]|100",
    "vm.swappiness": "[0-9]{1,2}|1[0-9]{2}|200",
    "kernel.panic": "-?[0-9]+",
    "kernel.panic_on_oops": "[01]",
    "kernel.kptr_restrict": "[012]",
    "kernel.dmesg_restrict": "[01]",
    "kernel.unprivileged_bpf_disabled": "[012]",
    "kernel.yama.ptrace_scope": "[0-3]",
    "kernel.sysrq": "[0-9]+",
    "net.core.bpf_jit_harden": "[012]",
    "fs.suid_dumpable": "[012]",
    "net.ipv4.conf.all.rp_filter": "[012]",
    **{f"net.ipv4.conf.all.{name}": "[01]" for name in ("accept_redirects", "send_redirects", "accept_source_route")},
    "net.ipv6.conf.all.accept_redirects": "[01]",
    "net.ipv6.conf.all.accept_source_route": "0|-1",
}
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
    scripts = sorted([*folder.glob("*.sh"), *folder.glob("rootfs/usr/local/sbin/*")])
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
        if (root / "usr/lib/systemd/system/nftables.service").exists():
            units.append("nftables.service")  # with the addition to it
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
    for unit in [path for kind in ("mount", "service", "timer") for path in folder.glob(f"image/*.{kind}")]:
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
    return image_problems(folder / "image")


def check_ssh(folder: Path) -> list[str]:
    """What sshd itself makes of the settings; it wants a user, a folder and a host key of its own."""
    unpacked = borrowed("openssh", OPENSSH)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "sshd_config").write_text(f"Include {(folder / SSHD).resolve()}\n", encoding="utf-8")
        key = ed25519.Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        (work / "key").touch(0o600)
        (work / "key").write_bytes(pem)
        passwd = Path("/etc/passwd").read_text(encoding="utf-8") + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
        (work / "passwd").write_text(passwd, encoding="utf-8")
        apart = f"mount --bind {work}/passwd /etc/passwd && mount -t tmpfs none /run && mkdir -m 755 /run/sshd"
        sshd = f"{unpacked}/usr/sbin/sshd -T -f {work}/sshd_config -h {work}/key"
        libraries = next(unpacked.glob("usr/lib/*-linux-gnu"))
        words = ("unshare", *(() if os.geteuid() == 0 else ("-r",)), "-m", "sh", "-c", f"{apart} && exec {sshd}")
        found = run(*words, LD_LIBRARY_PATH=str(libraries))
    if found.returncode:
        if "unshare" in found.stderr or "mount:" in found.stderr:
            raise Skip(f"sshd needs a mount namespace of its own ({found.stderr.strip()})")
        return found.stderr.splitlines() or [f"sshd ended with {found.returncode}"]
    told = dict(line.partition(" ")[::2] for line in found.stdout.splitlines())
    wrong = [
        f"{name} is {told.get(name)}, not {value}" for name, value in SSHD_VALUES.items() if told.get(name) != value
    ]
    return found.stderr.splitlines() + wrong


def check_udev(folder: Path) -> list[str]:
    """By udevadm where it can (systemd 254), else by the grammar of udev(7)."""
    rules = sorted((folder / "rootfs/etc/udev/rules.d").glob("*.rules"))
    udevadm = shutil.which("udevadm", path=PATH)
    if udevadm and run(udevadm, "verify", "--help").returncode == 0:
        found = run(udevadm, "verify", "--resolve-names=never", *map(str, rules))
        return (found.stdout + found.stderr).splitlines() if found.returncode else []
    lines = [(file.name, line) for file in rules for line in file.read_text(encoding="utf-8").splitlines()]
    return [f"{name}: {line}" for name, line in lines if line and line[0] != "#" and not UDEV_RULE.fullmatch(line)]


def check_tmpfiles(folder: Path) -> list[str]:
    """systemd-tmpfiles makes them in a folder that has the node's user, under the number of whoever runs this."""
    need("systemd-tmpfiles", "systemd")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "etc").mkdir()
        (root / "etc/passwd").write_text(f"stopline:x:{os.geteuid()}:{os.getegid()}::/:/bin/false\n", encoding="ascii")
        (root / "etc/group").write_text(f"stopline:x:{os.getegid()}:\n", encoding="ascii")
        files = sorted((folder / "rootfs/etc/tmpfiles.d").glob("*.conf"))
        found = run("systemd-tmpfiles", f"--root={root}", "--create", *map(str, files))
        made = root / "var/lib/stopline"
        private = made.is_dir() and made.stat().st_mode & 0o7777 == 0o750
    return found.stderr.splitlines() + ([] if private else ["/var/lib/stopline is not made for the node's user alone"])


def check_sysctl(folder: Path) -> list[str]:
    problems = []
    for file in sorted((folder / "rootfs/etc/sysctl.d").glob("*.conf")):
        for line in _settings(file):
            name, equals, value = (part.strip() for part in line.partition("="))
            if not equals or name not in SYSCTLS:
                problems.append(f"{file.name}: {line} is no setting known to this check")
            elif not re.fullmatch(SYSCTLS[name], value):
                problems.append(f"{file.name}: {name} cannot be {value!r}")
    return problems


def check_modprobe(folder: Path) -> list[str]:
    """modprobe reads them and says each line back that it has understood."""
    need("modprobe", "kmod")
    files = folder / "rootfs/etc/modprobe.d"
    found = run("modprobe", "--showconfig", "--config", str(files))
    lines = [line for file in sorted(files.glob("*.conf")) for line in _settings(file)]
    understood = set(found.stdout.splitlines())
    return found.stderr.splitlines() + [f"{line}: not understood" for line in lines if line not in understood]


def check_environment(folder: Path) -> list[str]:
    """The unit's variables are those of the file, no more and no fewer."""
    unit = (folder / "rootfs/etc/systemd/system/stopline.service").read_text(encoding="utf-8")
    lines = _settings(folder / "rootfs/etc/stopline/environment")
    values = dict(line.partition("=")[::2] for line in lines)
    named = set(re.findall(r"\$\{(\w+)\}", unit))
    problems = [f"environment: {name} is in one of the unit and the file alone" for name in sorted(named ^ set(values))]
    if not values.get("STOPLINE_THREADS", "").isdigit():
        problems.append("environment: STOPLINE_THREADS is no number")
    return problems


def check_swap(folder: Path) -> list[str]:
    """No page of the node's memory may reach the card."""
    unit = (folder / "rootfs/etc/systemd/system/stopline.service").read_text(encoding="utf-8")
    swap = (folder / "rootfs/etc/rpi/swap.conf.d/90-stopline.conf").read_text(encoding="utf-8")
    install = (folder / "install.sh").read_text(encoding="utf-8")
    masked = re.search(r'swapping="([^"]*)"', install)
    wanted = {"dphys-swapfile.service", "rpi-resize-swap-file.service", "rpi-zram-writeback.service"}
    problems = [] if "\nMemorySwapMax=0\n" in unit else ["stopline.service: MemorySwapMax=0 is missing"]
    if not re.search(r"^\[Main\]\nMechanism=none$", swap, re.MULTILINE):
        problems.append("90-stopline.conf: [Main] has no Mechanism=none")
    missing = wanted - set(masked[1].split() if masked else ())
    return problems + [f"install.sh does not mask {name}" for name in sorted(missing)]


def check_node(folder: Path) -> list[str]:
    """The sample is read as a node reads it."""
    try:
        load_node(folder / "node.toml")
    except StoplineError as error:
        return [str(error)]
    return []


def check_python(folder: Path) -> list[str]:
    """What makes bundle and updates runs, and finds all that it packs."""
    problems = []
    for name in ("bundle.py", "update.py"):
        found = run(sys.executable, str(folder / name), "--help")
        problems += [f"{name}: {line}" for line in found.stderr.splitlines()]
    parts = re.search(r"^PARTS = \((.*)\)$", (folder / "bundle.py").read_text(encoding="utf-8"), re.MULTILINE)
    names = re.findall(r'"([^"]+)"', parts[1]) if parts else []
    return problems + [f"bundle.py packs {name}, which is not there" for name in names if not (folder / name).exists()]


def check_drawing(folder: Path) -> list[str]:
    try:
        expat.ParserCreate().Parse((folder / "wiring.svg").read_bytes(), True)  # noqa: FBT003 - expat's own: the end
    except expat.ExpatError as error:
        return [f"wiring.svg: {error}"]
    return []


def check_complete(folder: Path) -> list[str]:
    """Each file is looked at by one of the checks above, or is a page."""
    patterns = [pattern for _, looked_at in CHECKS.values() for pattern in looked_at]
    files = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        f"no check looks at {file}"
        for file in files
        if "__pycache__" not in file.parts and not any(file.match(pattern) for pattern in patterns)
    ]


def _settings(file: Path) -> list[str]:
    """A file's lines without those that say nothing."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


# Each check with the files that it looks at.
CHECKS: dict[str, tuple[Callable[[Path], list[str]], tuple[str, ...]]] = {
    "shell": (check_shell, ("*.sh", "sbin/*")),
    "cloud-init": (check_cloud_init, ("seed/*",)),
    "systemd": (check_systemd, ("system/*.service", "system/*.mount", "system/*.timer", "system/*.d/*", "image/*.*")),
    "systemd-settings": (check_systemd_settings, ("journald.conf.d/*", "system.conf.d/*")),
    "swap": (check_swap, ("swap.conf.d/*",)),
    "nftables": (check_nftables, ("etc/nftables.conf",)),
    "ssh": (check_ssh, ("sshd_config.d/*",)),
    "chrony": (check_chrony, ("chrony/conf.d/*",)),
    "udev": (check_udev, ("rules.d/*",)),
    "tmpfiles": (check_tmpfiles, ("tmpfiles.d/*",)),
    "sysctl": (check_sysctl, ("sysctl.d/*",)),
    "modprobe": (check_modprobe, ("modprobe.d/*",)),
    "environment": (check_environment, ("stopline/environment",)),
    "node": (check_node, ("node.toml",)),
    "python": (check_python, ("*.py",)),
    "drawing": (check_drawing, ("wiring.svg",)),
    "mosquitto": (check_mosquitto, ("mosquitto.acl",)),
    "boot": (check_boot, ("boot/*",)),
    "image": (check_image, ("layer/*.yaml", "config/*.yaml", "cmdline.d/*")),
    "complete": (check_complete, ("*.md", "stopline.tar.gz", "installer.pub")),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Check what goes onto the device.")
    parser.add_argument("--folder", type=Path, default=ROOT / "firmware-config")
    parser.add_argument("--only", action="append", choices=sorted(CHECKS))
    parser.add_argument("--strict", action="store_true", default=os.environ.get("FIRMWARE_STRICT") == "1")
    asked = parser.parse_args()
    return 1 if sum([_is_wrong(name, asked.folder, strict=asked.strict) for name in asked.only or CHECKS]) else 0


def _is_wrong(name: str, folder: Path, *, strict: bool) -> bool:
    """Make a check and say what came of it."""
    begin = time.monotonic()
    try:
        problems = CHECKS[name][0](folder)
    except Skip as reason:
        print(f"{name}: SKIPPED: {reason}")
        return strict
    print(f"{name}: {'WRONG' if problems else 'ok'} ({time.monotonic() - begin:.1f} s)")
    for problem in problems:
        print(f"  {problem}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
