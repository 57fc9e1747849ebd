"""`up`, `status`, `down` with containers: what is up is told, and nothing is left however it ends."""

import psutil
import pytest

from harness.backends.docker_engine import RUN_LABEL, connect
from harness.supervisor.control import ask
from harness.supervisor.records import Access
from tests.integration.supervisor.conftest import Machine, eventually, machine

__all__ = ["machine"]

pytestmark = pytest.mark.docker

ONE_NODE = ("--backend", "docker", "--nodes", "1")


def objects(run_id: str) -> list[str]:
    """Return the containers, networks and volumes of a run that the engine has."""
    wanted = {"label": f"{RUN_LABEL}={run_id}"}
    client = connect()
    try:
        return [
            *(container.name or "?" for container in client.containers.list(all=True, filters=wanted)),
            *(network.name or "?" for network in client.networks.list(filters=wanted)),
            *(volume.name for volume in client.volumes.list(filters=wanted)),
        ]
    finally:
        client.close()


def test_a_cluster_of_containers_is_up_until_down(machine: Machine) -> None:
    cluster = machine.up(*ONE_NODE)
    assert [(m["name"], m["state"], m["identity"].split()[0]) for m in cluster["members"]] == [
        ("redis", "ready", "container"), ("node-1", "ready", "container"),
    ]  # fmt: skip
    access = Access(**machine.access(cluster))
    assert ask(access, "kill", "node-1", timeout_s=20)["member"]["state"] == "down"
    assert ask(access, "restart", "node-1", timeout_s=20)["member"]["state"] in ("starting", "ready")
    assert objects(cluster["id"])
    ended = machine.run("down")
    assert (ended.returncode, ended.stdout) == (0, f"Ended the cluster {cluster['id']}: redis, node-1\n")
    assert (machine.left(), objects(cluster["id"])) == ([], [])


def test_a_supervisor_of_containers_that_is_killed_leaves_nothing(machine: Machine) -> None:
    cluster = machine.up(*ONE_NODE)
    psutil.Process(cluster["supervisor"]).kill()
    eventually(lambda: not (machine.left() or objects(cluster["id"])), "nothing is left")
