"""`docker-compose.yml`, with each variant of Compose that this machine has."""

import json
import os
import secrets
import subprocess
import sys
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
GUIDE = FILE.parent / "docs" / "attach.md"
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

    variant: str
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
        yield Project(
            variant=request.param,
            name=name,
            urls=tuple(f"http://127.0.0.1:{port}" for port in ports),
            run=run,
        )
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


@pytest.mark.slow
def test_the_guide_to_attaching_works_on_the_cluster_by_hand_and_only_where_it_is_allowed(
    project: Project, engine: docker.DockerClient, tmp_path: Path
) -> None:
    """By the containers' own addresses, which are not loopback, while nodes tell of others that are."""
    label = {"label": f"com.docker.compose.project={project.name}"}
    _wait_healthy(engine, label)
    addresses = [_address(engine, label, f"node-{number}") for number in (1, 2, 3)]
    (tmp_path / "attached.yaml").write_text(_guide(project, addresses))
    refused = _wordaround("run", "attached.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    for address in addresses:
        assert f"add `--allow-remote {address}`" in refused.stderr

    allowed = [word for address in addresses for word in ("--allow-remote", address)]
    done = _wordaround("run", "attached.yaml", *allowed, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    verdict = json.loads((run / "verdict.json").read_text())
    proven = next(finding for finding in verdict["coverage"] if finding["name"] == "proven:freeze")
    assert (verdict["verdict"], proven["verdict"]) == ("pass", "pass")
    assert all(_get(f"{url}/ready")["ready"] for url in project.urls)


def _guide(project: Project, addresses: list[str]) -> str:
    """The example of docs/attach.md, for this project's containers."""
    example = GUIDE.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    for number, address in enumerate(addresses, start=1):
        example = example.replace(f"127.0.0.1:500{number}", f"{address}:5000")
    command = json.dumps([*VARIANTS[project.variant], "--file", str(FILE), "--project-name", project.name])
    assert example.count("[docker, compose, kill") == 2
    return example.replace("[docker, compose, kill", f"{command[:-1]}, kill")


def _address(engine: docker.DockerClient, label: dict[str, str], service: str) -> str:
    labels = [label["label"], f"com.docker.compose.service={service}"]
    (container,) = engine.api.containers(filters={"label": labels})
    (network,) = container["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def _wordaround(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


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
