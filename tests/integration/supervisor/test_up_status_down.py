"""`up`, `status`, `down` with one cluster of processes: what they print, what they refuse, what is left."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.supervisor.control import ask
from harness.supervisor.records import Access
from tests.integration.supervisor.conftest import Machine

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def cluster(shared: Machine) -> Iterator[dict[str, Any]]:
    yield shared.up("--backend", "process", "--nodes", "2", "--delivery", "pubsub")
    ended = shared.run("down")
    assert ended.returncode == 0, ended.stderr
    assert shared.left() == []


def access_of(cluster: dict[str, Any]) -> Access:
    return Access(**json.loads(Path(cluster["access"]).read_text()))


def member(cluster: dict[str, Any], name: str) -> dict[str, Any]:
    """Ask as `status` does, without the half a second that a process takes."""
    members = ask(access_of(cluster), "status", timeout_s=20)["status"]["members"]
    return next(member for member in members if member["name"] == name)


def test_up_returns_when_every_member_is_ready(cluster: dict[str, Any]) -> None:
    assert [(member["name"], member["state"]) for member in cluster["members"]] == [
        ("redis", "ready"), ("node-1", "ready"), ("node-2", "ready"),
    ]  # fmt: skip
    assert (cluster["ready"], cluster["backend"], cluster["delivery"]) == (True, "process", "pubsub")


def test_status_tells_the_same_later(cluster: dict[str, Any], shared: Machine) -> None:
    now = shared.status(cluster["id"][:4])
    fixed = ("name", "role", "url")
    assert [[m[key] for key in fixed] for m in now["members"]] == [
        [m[key] for key in fixed] for m in cluster["members"]
    ]
    assert now["supervisor"] == cluster["supervisor"]
    for name in ("redis", "node-1", "node-2"):
        pid = int(member(cluster, name)["identity"].split()[1])
        assert psutil.pid_exists(pid)


def test_status_for_people_has_members_addresses_and_what_to_do(
    cluster: dict[str, Any], shared: Machine
) -> None:
    ended = shared.run("status")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"Cluster {cluster['id']} (pubsub), up since " in ended.stdout
    for one in cluster["members"]:
        assert f"{one['name']:<8} " in ended.stdout
        assert one["url"] in ended.stdout


def test_the_token_is_in_no_answer_and_for_its_user_alone(cluster: dict[str, Any], shared: Machine) -> None:
    access = access_of(cluster)
    assert len(access.token) == 32
    assert access.token not in json.dumps(cluster) + shared.run("status").stdout
    assert Path(cluster["access"]).stat().st_mode & 0o777 == 0o600
    assert Path(cluster["access"]).parent.stat().st_mode & 0o777 == 0o700


def test_nodes_know_where_they_are_controlled_and_do_not_print_the_token(
    cluster: dict[str, Any], shared: Machine
) -> None:
    access = access_of(cluster)
    node = psutil.Process(int(member(cluster, "node-2")["identity"].split()[1]))
    environment = node.environ()
    assert environment["WORDAROUND_CONTROL_URL"] == cluster["control_url"] == access.url
    assert environment["WORDAROUND_CONTROL_TOKEN"] == access.token
    logs = "".join(path.read_text() for path in Path(cluster["logs"]).iterdir())
    assert '"serving"' in logs
    assert access.token not in logs


def test_a_second_up_is_refused_with_what_to_do(cluster: dict[str, Any], shared: Machine) -> None:
    ended = shared.run("up", "--backend", "process")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"wordaround: the cluster {cluster['id']} is up already; `wordaround status` shows it, "
        "`wordaround down` ends it, and `wordaround up --another` starts one more\n"
    )


@pytest.mark.parametrize("command", ["status", "down"])
def test_an_id_that_is_not_there_is_refused(command: str, cluster: dict[str, Any], shared: Machine) -> None:
    ended = shared.run(command, "zz")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"wordaround: no cluster zz is up; up is {cluster['id']}\n"


def test_a_member_that_is_killed_stays_down_until_somebody_restarts_it(
    cluster: dict[str, Any], shared: Machine
) -> None:
    access = access_of(cluster)
    before = member(cluster, "node-1")["identity"]

    def post(action: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{access.url}/members/node-1/{action}",
            method="POST",
            headers={"Authorization": f"Bearer {access.token}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            told: dict[str, Any] = json.load(answer)["member"]
        return told

    assert post("kill")["state"] == "down"
    now = shared.status()
    assert (now["ready"], [m["state"] for m in now["members"] if m["name"] == "node-1"]) == (False, ["down"])
    restarted = post("restart")
    assert restarted["state"] in ("starting", "ready")
    assert restarted["identity"] not in ("", before)


def test_a_member_is_paused_and_resumed_over_the_socket(cluster: dict[str, Any], shared: Machine) -> None:
    access = access_of(cluster)
    node = psutil.Process(int(member(cluster, "node-2")["identity"].split()[1]))
    assert ask(access, "pause", "node-2", timeout_s=20)["member"]["state"] == "paused"
    assert node.status() == psutil.STATUS_STOPPED
    assert member(cluster, "node-2")["state"] == "paused"
    ask(access, "resume", "node-2", timeout_s=20)
    assert node.status() != psutil.STATUS_STOPPED


def test_of_two_clusters_each_is_found_by_its_id(cluster: dict[str, Any], shared: Machine) -> None:
    other = shared.up("--backend", "process", "--nodes", "1", "--another")
    ids = f"{cluster['id']}, {other['id']}"
    for command in ("status", "down"):
        ended = shared.run(command)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            f"wordaround: several clusters are up ({ids}); name the one that you mean by its id\n"
        )
    ended = shared.run("down", other["id"])
    assert (ended.returncode, ended.stdout) == (0, f"Ended the cluster {other['id']}: redis, node-1\n")
    assert not psutil.pid_exists(other["supervisor"])
    assert shared.status()["id"] == cluster["id"]
