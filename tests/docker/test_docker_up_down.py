"""`up`, `status`, `down` with containers: what is up is told, and nothing is left however it ends."""

import json
import urllib.request

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


def handed_over(url: str) -> dict[str, str]:
    """Ask a node for its control as its page in a browser of this machine does."""
    request = urllib.request.Request(f"{url}/control", method="POST", headers={"Origin": url})
    with urllib.request.urlopen(request, timeout=10) as answer:
        control: dict[str, str] = json.load(answer)["control"]
    return control


FROM_ITS_NETWORK = """
import socket, urllib.error, urllib.request
own = socket.gethostbyname(socket.gethostname())
headers = {{"Host": "{host}", "Origin": "http://{host}"}}
request = urllib.request.Request(f"http://{{own}}:5000/control", method="POST", headers=headers)
try:
    print(urllib.request.urlopen(request, timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def refused_from_its_network(run_id: str, url: str) -> bool:
    """Ask with the right names, but from an address of the containers' network."""
    code = FROM_ITS_NETWORK.format(host=url.removeprefix("http://"))
    client = connect()
    try:
        said = client.containers.get(f"wordaround-{run_id}-node-1").exec_run(["python", "-c", code])
    finally:
        client.close()
    return said.output.decode().startswith("403") and b"another machine" in said.output


def test_a_cluster_of_containers_is_up_until_down(machine: Machine) -> None:
    cluster = machine.up(*ONE_NODE)
    assert [(m["name"], m["state"], m["identity"].split()[0]) for m in cluster["members"]] == [
        ("redis", "ready", "container"), ("node-1", "ready", "container"),
    ]  # fmt: skip
    access = Access(**machine.access(cluster))
    assert handed_over(cluster["members"][1]["url"]) == {"url": access.url, "token": access.token}
    assert refused_from_its_network(cluster["id"], cluster["members"][1]["url"])
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
