"""`docker-compose.yml`, with each variant of Compose that this machine has."""

import json
import os
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import docker
import pytest

from harness.backends.images import Images
from harness.backends.readiness import free_port

pytestmark = pytest.mark.docker

FILE = Path(__file__).parents[2] / "docker-compose.yml"
VARIANTS = {"Compose v2": ("docker", "compose"), "docker-compose 1": ("docker-compose",)}
REQUIRED = os.environ.get("WORDAROUND_REQUIRE_DOCKER") == "1"


@cache
def version(variant: str) -> str | None:
    """The variant's version, or `None` where it is not installed."""
    try:
        ran = subprocess.run(
            [*VARIANTS[variant], "version", "--short"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return ran.stdout.strip() or None if ran.returncode == 0 else None


def test_the_file_is_run_with_some_compose() -> None:
    there = {variant: found for variant in VARIANTS if (found := version(variant))}
    if not there:
        sentence = "docker-compose.yml WAS NOT RUN: neither Compose v2 nor docker-compose 1 is installed here"
        pytest.fail(sentence) if REQUIRED else pytest.skip(sentence)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A running Compose project."""

    name: str
    urls: tuple[str, ...]
    run: Callable[..., str]


@pytest.fixture(params=VARIANTS)
def project(request: pytest.FixtureRequest, images: Images) -> Iterator[Project]:
    if version(request.param) is None:
        there = [f"{variant} {found}" for variant in VARIANTS if (found := version(variant))]
        pytest.skip(
            f"docker-compose.yml WAS NOT RUN with {request.param}, which is not installed here; "
            f"what is: {', '.join(there) or 'none'}"
        )
    name, ports = f"wordaround{secrets.token_hex(4)}", [free_port() for _ in range(3)]
    environment = {
        **os.environ,
        "WORDAROUND_PYTHON_IMAGE": images.python,
        "WORDAROUND_REDIS_IMAGE": images.redis,
        **{f"WORDAROUND_NODE_{ordinal}_PORT": str(port) for ordinal, port in enumerate(ports, start=1)},
    }

    def run(*args: str) -> str:
        command = [*VARIANTS[request.param], "--file", str(FILE), "--project-name", name, *args]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    try:
        run("up", "--build", "--detach")
        yield Project(name=name, urls=tuple(f"http://127.0.0.1:{port}" for port in ports), run=run)
    finally:
        run("down", "--volumes", "--timeout", "5")


def test_the_cluster_by_hand_is_healthy_delivers_between_nodes_and_goes_away_whole(
    project: Project, engine: docker.DockerClient, say_hello: Callable[[str, str, str], str]
) -> None:
    label = {"label": f"com.docker.compose.project={project.name}"}
    _wait_healthy(engine, label)
    for container in engine.api.containers(filters=label):
        published = [port for port in container["Ports"] if "PublicPort" in port]
        assert all(port["IP"] == "127.0.0.1" for port in published)

    for url in project.urls:
        _wait_for_peers(url)
    room = f"room.{project.name}"
    text = say_hello(project.urls[0], project.urls[1], room)
    served = _get(f"{project.urls[2]}/rooms/{room}/messages")["messages"]
    assert [message["text"] for message in served] == [text]

    project.run("down", "--volumes", "--timeout", "5")
    assert engine.api.containers(all=True, filters=label) == []
    assert engine.api.networks(filters=label) == []
    assert not engine.api.volumes(filters=label)["Volumes"]


def _wait_healthy(engine: docker.DockerClient, label: dict[str, str]) -> None:
    deadline = time.monotonic() + 90
    while True:
        containers = engine.api.containers(all=True, filters=label)
        status = {container["Names"][0]: container["Status"] for container in containers}
        if len(status) == 4 and all("(healthy)" in state for state in status.values()):
            return
        assert time.monotonic() < deadline, f"not healthy: {status}"
        time.sleep(0.3)


def _wait_for_peers(url: str) -> None:
    """Wait until both others have answered the node's heartbeats, which go by the sync URLs."""
    deadline = time.monotonic() + 10
    while True:
        peers = _get(f"{url}/peers")["peers"]
        if sum(peer["state"] == "alive" and bool(peer["round_trip_ms"]) for peer in peers) == 2:
            return
        assert time.monotonic() < deadline, f"{url} does not hear the others: {peers}"
        time.sleep(0.3)


def _get(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return json.load(answer)
