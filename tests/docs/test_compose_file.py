"""docs/fleet/compose.yaml holds together, as far as that can be told without an engine to run it."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.command import stopline
from tests.docs.pages import ROOT

FILE = ROOT / "docs" / "fleet" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
SECRETS = {"DATABASE_PASSWORD": "x", "BROKER_COOKIE": "y"}


def _has_compose() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")
def test_docker_compose_takes_it() -> None:
    command = ["docker", "compose", "-f", str(FILE), "config", "--quiet"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **SECRETS}
    )
    assert done.returncode == 0, done.stderr


def test_what_a_service_names_is_declared() -> None:
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith(".") or source in COMPOSE["volumes"], name


def test_who_is_waited_for_says_when_it_is_ready() -> None:
    waited = {other for service in SERVICES.values() for other in service.get("depends_on", {})}
    assert waited
    assert all("healthcheck" in SERVICES[name] for name in waited)


def test_the_brokers_of_the_cluster_are_those_that_are_there() -> None:
    brokers = {name: one for name, one in SERVICES.items() if one["image"].startswith("emqx/")}
    seeds = {
        tuple(re.findall(r"emqx@[\w.]+", one["environment"]["EMQX_CLUSTER__STATIC__SEEDS"])) for one in brokers.values()
    }
    names = tuple(one["environment"]["EMQX_NODE_NAME"] for one in brokers.values())
    assert seeds == {names}
    for one in brokers.values():
        assert one["environment"]["EMQX_NODE_NAME"].removeprefix("emqx@") in one["networks"]["fleet"]["aliases"]


def test_secrets_are_asked_for_and_none_is_written_down() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(SECRETS)


def test_the_receivers_command_has_options_that_there_are() -> None:
    known = stopline("receive", "--help").out
    given = re.findall(r"(?<=\s)--[a-z-]+", SERVICES["receiver"]["command"].partition("stopline receive")[2])
    assert given
    assert all(option in known for option in given)
