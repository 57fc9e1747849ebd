"""However a supervisor ends, and however the `up` that starts it: nothing of the cluster is left."""

import json
import signal
import subprocess
from typing import Any

import psutil
import pytest

from tests.integration.supervisor.conftest import Machine, eventually

ONE_NODE = ("--backend", "process", "--nodes", "1")


def starting(machine: Machine) -> "subprocess.Popen[str]":
    """Begin `up`, and wait until its cluster is being started."""
    process = machine.begin("up", *ONE_NODE)
    eventually(lambda: bool(list(machine.temporary.glob("wordaround-*/redis"))), "Redis has its folder")
    return process


@pytest.mark.process
def test_down_says_what_it_ended_and_leaves_nothing(machine: Machine) -> None:
    cluster = machine.up(*ONE_NODE)
    ended = machine.run("down", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {"id": cluster["id"], "ended": ["redis", "node-1"]}
    assert machine.left() == []


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_supervisor_that_is_killed_leaves_nothing(number: signal.Signals, machine: Machine) -> None:
    cluster: dict[str, Any] = machine.up(*ONE_NODE)
    members = [int(member["identity"].split()[1]) for member in cluster["members"]]
    psutil.Process(cluster["supervisor"]).send_signal(number)
    eventually(lambda: machine.left() == [], f"nothing is left: {machine.left()}")
    assert not any(map(psutil.pid_exists, members))


@pytest.mark.process
def test_of_a_dead_supervisor_status_and_down_say_so(machine: Machine) -> None:
    """Its watchdog is killed as well, so that nobody cleans up but `heal`."""
    cluster = machine.up(*ONE_NODE)
    watchdogs = [process for process in machine.processes() if "harness.watchdog" in process.cmdline()]
    both = (*watchdogs, psutil.Process(cluster["supervisor"]))
    for process in both:
        process.kill()
    assert psutil.wait_procs(both, timeout=30)[1] == []
    for command in ("status", "down"):
        ended = machine.run(command)
        assert (ended.returncode, ended.stdout) == (4, "")
        assert f"the supervisor of the cluster {cluster['id']} " in ended.stderr
        assert "`wordaround heal` cleans up what is left" in ended.stderr
    assert machine.run("heal").returncode == 0
    assert machine.left() == []
    assert machine.run("status").returncode == 2


@pytest.mark.process
def test_ctrl_c_of_up_ends_what_it_began(machine: Machine) -> None:
    process = starting(machine)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("Interrupted; everything that was started is stopped\n")
    assert machine.left() == []


@pytest.mark.process
def test_up_that_is_killed_leaves_no_cluster_to_nobody(machine: Machine) -> None:
    process = starting(machine)
    process.kill()
    process.communicate(timeout=60)
    eventually(lambda: machine.left() == [], "nothing is left")


def test_without_an_engine_up_says_so_and_leaves_nothing(machine: Machine) -> None:
    ended = machine.run("up", "--backend", "docker", DOCKER_HOST="unix:///nonexistent.sock")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "wordaround: the docker backend cannot be used: no Docker engine answers" in ended.stderr
    assert machine.left() == []


def test_without_a_place_for_its_socket_up_says_so_and_leaves_nothing(machine: Machine) -> None:
    deep = machine.temporary / ("d" * 90)
    deep.mkdir()
    ended = Machine(deep).run("up", *ONE_NODE)
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "set TMPDIR to another, shorter path" in ended.stderr
    assert Machine(deep).left() == []


@pytest.mark.parametrize("command", ["status", "down"])
def test_where_no_cluster_is_up_status_and_down_say_so(command: str, machine: Machine) -> None:
    ended = machine.run(command)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "wordaround: no cluster is up; `wordaround up` starts one\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--nodes", "0"), "Invalid value for '--nodes'"),
        (("--delivery", "mail"), "Invalid value for '--delivery'"),
        (("--backend", "podman"), "--backend podman: there is no such backend"),
        (("--backend", "attach"), "attach"),
    ],
)
def test_what_up_cannot_start_is_refused_before_anything_is(
    arguments: tuple[str, ...], sentence: str, machine: Machine
) -> None:
    ended = machine.run("up", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert machine.left() == []
