#!/usr/bin/env python3
"""Boots the userland that script/test-unit has made and watches the node's units in it; called by that script.

    unit_trial.py --check    whether this machine lets a systemd run in namespaces; says why where not, with exit code 1
    unit_trial.py ROOT       the trial itself

The systemd inside has PIDs, mounts, network and control groups of its own. This program runs outside, on the network
of the inside, and enters the other namespaces with nsenter. What differs from a device: the kernel and its memory
controller are this machine's, chrony does not set the clock (-x) and asks a server on the loopback, the camera is a
recording sent over UDP, and the lamps come from a timeline, since there are no inputs.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from soak_bench import ROOT, Camera, prepare

sys.path.insert(0, str(ROOT))

from tests.broker import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CAMERA_PORT = 15_004
CAMERA = f"udp://127.0.0.1:{CAMERA_PORT}?overrun_nonfatal=1&fifo_size=1000"
BROKER_PORT = 1883
TIME_PORT = 11_123
EVIDENCE_NICE = 10  # of a thread that gives way (edge.evidence.keeper)
FIRST_FRAME_S = 5.0  # from a kill to the first frame judged again
MOST_LOAD = 2.0 * (os.cpu_count() or 1)  # above that a time says nothing of the node
WATCHDOG_S = 30.0
RECORDED_S = 240.0  # two whole cycles until it is armed, then until the next violation
UNSHARED = (
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "--uts",
    "--ipc",
    "--net",
    "--cgroup",
)
OWN_FOLDERS = re.compile(r"/var/lib/stopline(/.*)?|/run/(stopline|lock)|/tmp|/var/tmp|/dev/(shm|mqueue)|/proc/.*")


class CannotError(Exception):
    """This machine cannot do it; the sentence says why."""


class WrongError(Exception):
    """The node did not do what it must."""


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        try:
            check()
        except CannotError as reason:
            print(f"SKIPPED script/test-unit: {reason}")
            return 1
        return 0
    try:
        with ExitStack() as stack:
            trial(Path(sys.argv[1]), stack)
    except WrongError as error:
        print(f"WRONG: {error}", file=sys.stderr)
        return 1
    return 0


def check() -> None:
    """Namespaces of every kind, and a control group of version 2 in which processes may be put."""
    words = [*UNSHARED, "sh", "-c", "mount -t cgroup2 none /mnt"]
    tried = subprocess.run(["unshare", *words], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise CannotError(f"this kernel gives no namespaces of its own ({tried.stderr.strip()})")
    with control_group():
        pass


def unified() -> Path:
    """Where control groups of version 2 are mounted."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
    found = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    if found is None:
        raise CannotError("control groups of version 2 are not mounted here")
    return found


@contextmanager
def control_group() -> Iterator[Path]:
    """A group for the systemd inside, below which it makes its own; gone afterwards."""
    group = unified() / f"stopline-unit-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise CannotError(f"no control group can be made in {group.parent} ({error.strerror})") from None
    try:
        yield group
    finally:
        for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        group.rmdir()


@dataclass
class Inside:
    """The booted system. ``pid`` is its first process as this machine sees it."""

    root: Path
    launcher: subprocess.Popen[bytes]
    pid: int

    def run(self, *words: str, namespaces: str = "-a", pid: int | None = None) -> str:
        """A command in there as root; what it printed. WrongError where it fails."""
        done = self.try_run(*words, namespaces=namespaces, pid=pid)
        if done.returncode:
            raise WrongError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def try_run(self, *words: str, namespaces: str = "-a", pid: int | None = None) -> subprocess.CompletedProcess[str]:
        command = ["nsenter", "-t", str(pid or self.pid), namespaces, "env", "-i", "PATH=/usr/sbin:/usr/bin", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def show(self, name: str, unit: str = "stopline.service") -> str:
        """A property of a unit, as systemd has it."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str = "stopline.service") -> str:
        return self.run("journalctl", "--no-pager", "--output=short-monotonic", "--unit", unit)

    def main_pid(self) -> int:
        """The node's main process as this machine sees it."""
        wanted = self.show("MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                line = re.search(r"^NSpid:.*\s(\d+)$", status.read_text(encoding="utf-8"), re.MULTILINE)
                same = (status.parent / "ns/pid").readlink() == Path(f"/proc/{self.pid}/ns/pid").readlink()
            except OSError:
                continue
            if line and line[1] == wanted and same:
                return int(status.parent.name)
        raise WrongError(f"the node's process {wanted} is not there")

    def write(self, path: str, text: str) -> None:
        """A file below /run, which only the booted system has."""
        self.run("sh", "-c", f'mkdir -p "$(dirname {path})" && printf %s "$0" > {path}', text)


@contextmanager
def booted(root: Path) -> Iterator[Inside]:
    with control_group() as group:
        enter = f'echo $$ > "{group}/cgroup.procs" && exec unshare {" ".join(UNSHARED)} "$@"'
        words = ["sh", "-c", enter, "sh", str(ROOT / "script/unit_boot.sh"), str(root)]
        launcher = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            yield Inside(root, launcher, first_process(launcher))
        finally:
            if launcher.poll() is None:
                for child in children(launcher.pid):
                    os.kill(child, signal.SIGKILL)
                launcher.wait(30)
            until(lambda: not pids_below(group), 30, "its processes to end")


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def first_process(launcher: subprocess.Popen[bytes]) -> int:
    """What unshare has started, once it has become systemd."""

    def found() -> int | None:
        for child in children(launcher.pid):
            if Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip() == "systemd":
                return child
        return None

    begun: int = until(found, 20, "systemd to begin")
    return begun


def pids_below(group: Path) -> list[str]:
    files = [group / "cgroup.procs", *group.rglob("cgroup.procs")]
    return [pid for file in files if file.exists() for pid in file.read_text(encoding="ascii").split()]


def until(found: Callable[[], Any], within_s: float, what: str) -> Any:
    """The first answer that is true; WrongError where none comes in time."""
    give_up_s = time.monotonic() + within_s
    while not (answer := found()):
        if time.monotonic() > give_up_s:
            raise WrongError(f"waited {within_s:g} s for {what}")
        time.sleep(0.05)
    return answer


@dataclass
class Ear:
    """What the node says to its broker."""

    health: list[dict[str, Any]] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    violations: list[bytes] = field(default_factory=list)
    evidence: set[str] = field(default_factory=set)  # the ids of events of which some has come

    def listen(self, stack: ExitStack) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, "trial", protocol=paho.MQTTv5)
        client.on_message = self._on_message
        client.connect("127.0.0.1", BROKER_PORT)
        client.subscribe("stopline/#", 1)
        client.loop_start()
        stack.callback(client.loop_stop)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        kind = message.topic.split("/", 4)[4]
        if kind == "health":
            self.health.append(json.loads(message.payload))
        elif kind == "status":
            self.status.append(message.payload.decode())
        elif kind == "event/violation":
            self.violations.append(bytes(message.payload))
        elif kind.startswith("evidence/"):
            self.evidence.add(kind.split("/")[1])


def passed(what: str) -> None:
    print(f"  {what}", flush=True)


def trial(root: Path, stack: ExitStack) -> None:
    """All of it, in the order of a node's life."""
    bench_folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    furnish(root, bench_folder)
    inside = stack.enter_context(booted(root))
    until(lambda: inside.try_run("systemctl", "is-active", "stopline").stdout.strip() == "activating", 60, "the start")
    enter_network(inside)
    ear, camera = Ear(), bench(inside, bench_folder, stack)
    ear.listen(stack)
    ready(inside)
    began = inside.try_run("systemctl", "is-system-running", "--wait").stdout.strip()
    failed = inside.run("systemctl", "list-units", "--failed", "--plain", "--no-legend")
    if began != "running":
        raise WrongError(f"the system is {began}: {failed}")
    passed("systemd has started with no unit failed; the node was active with the first frame judged")
    for check_one in (clock, sandbox, writes, ports):
        check_one(inside, ear)
    recorded(inside, ear)
    killed(inside)
    hung(inside)
    silent(inside, camera)
    given_up(inside)
    stopped(inside, ear)
    ssh(inside)
    page(inside)
    updated(inside)


def furnish(root: Path, folder: Path) -> None:
    """What an installer brings: keys, site and node file; and what stands in for camera, lamps and time servers."""
    settings = root / "etc/stopline"
    prepare(folder, f"mqtt://127.0.0.1:{BROKER_PORT}", 900.0)
    for file in ("site.toml", "node.key", "lamps.csv"):
        shutil.copy(folder / file, settings / file)
    node = (folder / "node.toml").read_text(encoding="utf-8")
    node = node.replace('state = "state"', 'state = "/var/lib/stopline"')
    (settings / "node.toml").write_text(re.sub(r"\n\[telemetry\]\n.*", "\n", node), encoding="utf-8")
    (settings / "environment").write_text(f"STOPLINE_SOURCE={CAMERA}\nSTOPLINE_THREADS=1\n", encoding="utf-8")
    drop_in(root, "stopline.service", with_timeline(root))
    drop_in(root, "chrony.service", "[Unit]\nConditionCapability=\n")
    (root / "etc/default/chrony").write_text('DAEMON_OPTS="-F 1 -x"\n', encoding="utf-8")
    server = f"server 127.0.0.1 port {TIME_PORT} iburst minpoll -2 maxpoll 0\n"
    (root / "etc/chrony/sources.d/trial.sources").write_text(server, encoding="utf-8")
    serving = f"local stratum 3\nport {TIME_PORT}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\n"
    (root / "etc/trial-time.conf").write_text(
        serving + "bindcmdaddress /\npidfile /run/trial-time.pid\n", encoding="utf-8"
    )
    for owner, file in (("root:stopline", "/etc/stopline"), ("stopline:stopline", "/etc/stopline/node.key")):
        subprocess.run(["chroot", str(root), "chown", "-R", owner, file], check=True)
    shutil.rmtree(root / "var/lib/stopline", ignore_errors=True)


def drop_in(root: Path, unit: str, text: str) -> None:
    folder = root / f"etc/systemd/system/{unit}.d"
    folder.mkdir(exist_ok=True)
    (folder / "trial.conf").write_text(text, encoding="utf-8")


def with_timeline(root: Path) -> str:
    """The unit's own command with the lamps' timeline behind it."""
    unit = (root / "etc/systemd/system/stopline.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=.*$", unit, re.MULTILINE)
    if command is None:
        raise WrongError("stopline.service has no ExecStart")
    return f"[Service]\nExecStart=\n{command[0]} --signal /etc/stopline/lamps.csv\n"


def enter_network(inside: Inside) -> None:
    """Broker, camera and listener run in here, on the network of the booted system."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{inside.pid}/ns/net").open("rb") as network:
        if libc.setns(network.fileno(), 0):
            raise WrongError("its network cannot be entered")


def bench(inside: Inside, folder: Path, stack: ExitStack) -> Camera:
    """The camera, the broker and the time server."""
    stack.enter_context(Mosquitto(folder / "broker", port=BROKER_PORT))
    inside.run("chronyd", "-x", "-f", "/etc/trial-time.conf")
    return stack.enter_context(Camera(folder / "video.mp4", folder / "covered.mp4", CAMERA_PORT))


def ready(inside: Inside, within_s: float = 60.0) -> None:
    try:
        until(lambda: inside.show("ActiveState") == "active", within_s, "the unit to become active")
    except WrongError as error:
        raise WrongError(f"{error}\n{inside.journal()[-2000:]}") from None


def clock(inside: Inside, ear: Ear) -> None:
    def bound_ms() -> float | None:
        return next((one["machine"]["clock_bound_ms"] for one in ear.health if one["machine"]["clock_bound_ms"]), None)

    passed(f"chrony tells the node in its sandbox a bound of {until(bound_ms, 60, 'a clock bound'):.3f} ms")
    if inside.show("ActiveState", "chrony.service") != "active":
        raise WrongError("chrony is not active")


def sandbox(inside: Inside, _ear: Ear) -> None:
    """What the kernel says of the process: no capability, no new privileges, system calls filtered, another user.

    And that the thread that makes the evidence lives in there, as what it asks of the kernel could end it.
    """
    status = Path(f"/proc/{inside.main_pid()}/status").read_text(encoding="utf-8")
    said = dict(re.findall(r"^(\w+):\s+(.*)$", status, re.MULTILINE))
    for name, value in (("CapBnd", "0" * 16), ("CapEff", "0" * 16), ("NoNewPrivs", "1"), ("Seccomp", "2")):
        if said[name] != value:
            raise WrongError(f"{name} is {said[name]}, not {value}")
    if said["Uid"].split()[0] == "0":
        raise WrongError("the node runs as root")
    passed("no capability, no new privileges, filtered system calls, a user of its own")
    threads = [int(thread.name) for thread in Path(f"/proc/{inside.main_pid()}/task").iterdir()]
    if EVIDENCE_NICE not in {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}:
        raise WrongError("no thread of it gives way: the one that makes the evidence may not, or is gone")
    passed("the thread that makes the evidence gives way to the judging")


def writes(inside: Inside, _ear: Ear) -> None:
    """Where the node's user could write, seen from inside its mounts; and that not even root could elsewhere."""
    pid = inside.main_pid()
    user = ("setpriv", "--reuid=stopline", "--regid=stopline", "--init-groups")
    mounted = "/tmp /var/tmp /run /dev /var/lib/stopline"  # noqa: S108 - looked at only
    search = f"find / -xdev -type d -writable; find {mounted} -maxdepth 1 -type d -writable"
    found = inside.try_run(*user, "sh", "-c", search, namespaces="-m", pid=pid).stdout.split()
    elsewhere = [folder for folder in found if not OWN_FOLDERS.fullmatch(folder)]
    if elsewhere or "/var/lib/stopline" not in found:
        raise WrongError(f"the node can write to {elsewhere}; and to its own folder: {'/var/lib/stopline' in found}")
    for folder in ("/etc", "/usr", "/opt/stopline", "/var/lib", "/boot", "/home", "/root"):
        if inside.try_run("touch", f"{folder}/trial", namespaces="-m", pid=pid).returncode == 0:
            raise WrongError(f"{folder} is not read only in the node's sandbox")
    passed("it can write to its own folders and to no other")


def ports(inside: Inside, _ear: Ear) -> None:
    """Whoever listens for TCP is the bench's broker; the node itself holds no listening socket."""
    tables = [inside.run("cat", f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    listening = {int(row[1].rpartition(":")[2], 16): row[9] for row in rows if row[3] == "0A"}
    if set(listening) != {BROKER_PORT}:
        raise WrongError(f"TCP ports {sorted(listening)} are open; {BROKER_PORT} alone, the bench's, should be")
    sockets = {str(link.readlink()) for link in Path(f"/proc/{inside.main_pid()}/fd").iterdir()}
    if f"socket:[{listening[BROKER_PORT]}]" in sockets:
        raise WrongError("the node itself listens")
    table = inside.run("nft", "list", "ruleset")
    if table.count("policy drop") != 3:
        raise WrongError(f"the firewall is not in force: {table}")
    passed("no listening port; the firewall is in force")


def recorded(inside: Inside, ear: Ear) -> None:
    """What it is all for: commissioned as the installation page says, it arms and delivers a case that verifies."""
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    command = re.search(
        r"^sudo systemctl stop stopline\nsudo -u stopline stopline commission picamera .*$", page, re.MULTILINE
    )
    if command is None:
        raise WrongError("docs/install.md does not say how a node is commissioned")
    inside.run("runuser", "-l", "installer", "-c", command[0].replace(" picamera ", f" '{CAMERA}' "))
    inside.run("systemctl", "start", "stopline")
    at_s = time.monotonic()
    until(lambda: ear.violations, RECORDED_S, "a violation's event")
    event = ear.violations[0]
    until(lambda: json.loads(event)["id"] in ear.evidence, 30, "the evidence of the event")
    inside.write("/run/trial/event.json", event.decode())
    inside.run("sh", "-c", "/usr/local/bin/stopline keys show /etc/stopline/node.key > /run/trial/node.pub.pem")
    told = inside.try_run(
        "/usr/local/bin/stopline", "verify", "/run/trial/event.json", "--key", "/run/trial/node.pub.pem"
    ).stdout
    missing = json.loads(event)["data"]["evidence"]["missing"]
    if "Intact and recomputed" not in told or missing:
        raise WrongError(f"the event does not verify, or lacks {missing}: {told}")
    passed(f"commissioned, it armed, and a violation's sealed case was there {time.monotonic() - at_s:.0f} s later")


def killed(inside: Inside) -> None:
    """SIGKILL, several times: how long until a frame is judged again."""
    took_s = []
    for _ in range(5):
        was = inside.show("ActiveEnterTimestampMonotonic")
        at_s = time.monotonic()
        os.kill(inside.main_pid(), signal.SIGKILL)
        entered = lambda was=was: (now := inside.show("ActiveEnterTimestampMonotonic")) != was and now  # noqa: E731
        took_s.append(int(until(entered, 60, "a frame after a kill")) / 1e6 - at_s)
        time.sleep(1)
    load = os.getloadavg()[0]
    words = f"{', '.join(f'{one:.2f}' for one in took_s)} s, on {os.cpu_count()} cores under a load of {load:.1f}"
    if max(took_s) > FIRST_FRAME_S:
        if load <= MOST_LOAD:
            raise WrongError(f"from a kill to the first frame judged: {words}, more than {FIRST_FRAME_S:g} s")
        words += ": too busy to be judged"
    passed(f"kill -9 to the first frame judged: {words}")


def hung(inside: Inside) -> None:
    """A process that stands still is shot by the watchdog and begun again."""
    restarts = int(inside.show("NRestarts"))
    os.kill(inside.main_pid(), signal.SIGSTOP)
    at_s = time.monotonic()
    until(lambda: "Watchdog timeout" in inside.journal(), WATCHDOG_S + 15, "the watchdog")
    passed(f"a node that hangs is ended by the watchdog after {time.monotonic() - at_s:.0f} s")
    until(lambda: int(inside.show("NRestarts")) > restarts, 120, "a restart")
    ready(inside)
    passed("and is active again")


def silent(inside: Inside, camera: Camera) -> None:
    """A camera that is silent for longer than the watchdog waits: the node ends, and comes back with the camera."""
    restarts = int(inside.show("NRestarts"))
    at_s = camera.fail("silent", WATCHDOG_S + 25)
    until(lambda: int(inside.show("NRestarts")) > restarts, WATCHDOG_S + 60, "the node to be begun again")
    passed(f"with a silent camera the node was begun again after {time.monotonic() - at_s:.0f} s")
    ready(inside, 120)
    passed(f"and active again {time.monotonic() - at_s - WATCHDOG_S - 25:.1f} s after the camera came back")


def given_up(inside: Inside) -> None:
    """A node that ends at once each time is given up, and begun again by the timer's unit; not after a mistake."""
    later = "[Service]\nEnvironment=STOPLINE_REBOOT_AFTER_S=999999999\n"
    inside.write("/run/systemd/system/stopline-again.service.d/trial.conf", later)
    for status, begun in (("2", False), ("1", True)):
        failing = f"[Service]\nExecStart=\nExecStart=/bin/sh -c 'exit {status}'\n"
        inside.write("/run/systemd/system/stopline.service.d/zz-failing.conf", failing)
        inside.run("systemctl", "daemon-reload")
        inside.try_run("systemctl", "reset-failed", "stopline.service")
        inside.try_run("systemctl", "restart", "stopline.service")
        until(lambda: inside.show("ActiveState") == "failed", 60, "systemd to give up")
        inside.run("rm", "/run/systemd/system/stopline.service.d/zz-failing.conf")
        inside.run("systemctl", "daemon-reload")
        inside.run("systemctl", "start", "stopline-again.service")
        if (inside.show("ActiveState") != "failed") != begun:
            raise WrongError(f"given up with exit code {status}, the node was {'' if not begun else 'not '}begun again")
    if inside.show("ActiveState", "stopline-again.timer") != "active":
        raise WrongError("nothing looks whether the node was given up")
    ready(inside, 60)
    passed("given up after many failures, it is begun again; with a mistake in a file it waits")


def stopped(inside: Inside, ear: Ear) -> None:
    """In order: the node says goodbye and ends by itself."""
    ear.status.clear()
    at_s = time.monotonic()
    inside.run("systemctl", "stop", "stopline.service")
    said = {name: inside.show(name) for name in ("ActiveState", "Result", "ExecMainStatus")}
    if said != {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}:
        raise WrongError(f"it did not end in order: {said}\n{inside.journal()[-2000:]}")
    until(lambda: ear.status and "offline" in ear.status[-1], 10, "the node's goodbye")
    passed(f"stopped in order within {time.monotonic() - at_s:.1f} s, with its goodbye at the broker")


def ssh(inside: Inside) -> None:
    """Off with a placeholder for a key; on as soon as there is one, by install.sh as it stands."""
    if inside.try_run("systemctl", "is-enabled", "ssh.service").stdout.strip() == "enabled":
        raise WrongError("SSH is switched on though nobody has a key")
    inside.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/home/installer/trial")
    inside.run("cp", "/home/installer/trial.pub", "/home/installer/.ssh/authorized_keys")
    kept = ("/etc/stopline/environment", "/boot/firmware/cmdline.txt", "/boot/firmware/config.txt")
    before = inside.run("sha256sum", *kept)
    inside.run("sh", "/opt/stopline-install/install.sh")
    if inside.run("sha256sum", *kept) != before:
        raise WrongError(f"installing again has changed one of {', '.join(kept)}")
    if inside.run("systemctl", "is-enabled", "ssh.service").strip() != "enabled":
        raise WrongError("SSH is not switched on though there is a key")
    inside.run("mkdir", "-p", "/run/sshd")
    told = dict(line.partition(" ")[::2] for line in inside.run("sshd", "-T").splitlines())
    wanted = {"allowtcpforwarding": "local", "permitopen": "127.0.0.1:8600", "passwordauthentication": "no"}
    for name, value in wanted.items():
        if told[name] != value:
            raise WrongError(f"sshd has {name} {told[name]}, not {value}")
    passed("SSH is off without a key, on with one; installing again changes no setting")


def page(inside: Inside) -> None:
    """The commands of the installation page's step 6, and the check of the site file, as they stand, by their user."""
    text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    step = text.partition("\n## 6. Keys\n")[2].partition("\n## 7.")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", step, re.DOTALL | re.MULTILINE)
    if len(blocks) != 3:
        raise WrongError(f"step 6 of docs/install.md has {len(blocks)} blocks of commands, not 3")
    authority = 'stopline ca new ca --name "Example City"\n'
    lines = [
        blocks[0],
        authority,
        blocks[1],
        "cp ca/ca.pem .\n",
        blocks[2],
        "sudo stopline check /etc/stopline/site.toml\n",
    ]
    inside.run("rm", "/etc/stopline/node.key")
    done = inside.run("su", "--login", "installer", "-c", f"exec 2>&1; set -e\n{''.join(lines)}")
    if "certified for main-and-3rd/edge-1" not in done:
        raise WrongError(f"step 6 of docs/install.md did not come to its end: {done}")
    inside.run("setpriv", "--reuid=stopline", "--regid=stopline", "--init-groups", "cat", "/etc/stopline/ca.pem")
    passed("step 6 of the installation page works as it stands, by the user installer")


def updated(inside: Inside) -> None:
    """A try whose confirmation does not come to its end: the machine is started again, and so this trial ends."""
    inside.run("sh", "-c", "mkdir -p /bootfs /srv/bootloader && printf '\\0\\0\\0\\3' > /srv/bootloader/partition")
    inside.run("sh", "-c", "printf '\\0\\0\\0\\0' > /srv/bootloader/tryboot")
    inside.run("cp", "/opt/stopline-install/boot/autoboot.txt", "/bootfs/autoboot.txt")
    here = "[Service]\nEnvironment=STOPLINE_BOOTLOADER=/srv/bootloader\nTimeoutStartSec=3\n"
    inside.write("/run/systemd/system/stopline-update.service.d/trial.conf", here)
    inside.run("systemctl", "daemon-reload")
    inside.run("systemctl", "start", "stopline-update.service")
    if inside.show("Result", "stopline-update.service") not in {"success", "exec-condition"}:
        raise WrongError("an ordinary start made the update's unit fail")
    inside.run("sh", "-c", "printf '\\0\\0\\0\\1' > /srv/bootloader/tryboot")
    inside.run("systemctl", "start", "--no-block", "stopline-update.service")
    try:
        inside.launcher.wait(60)
    except subprocess.TimeoutExpired:
        raise WrongError("an update that could not be confirmed left the machine running") from None
    passed("an update that cannot be confirmed starts the machine again")


if __name__ == "__main__":
    sys.exit(main())
