"""Another program as node: what it is given, where it runs, and when it counts as ready."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends.process import ProcessBackend
from harness.errors import MemberError
from harness.records.journal import Journal, MemberState
from harness.records.plan import ClusterPlan
from harness.watch import MemberWatch

pytestmark = pytest.mark.process

PROGRAM = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/up/" + sys.argv[1] else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

folder = sys.argv[7]
count = os.path.join(folder, "starts")
open(count, "a").write("x")
print("args", *sys.argv[1:])
print("env", *(os.environ["WORDAROUND_" + name] for name in (
    "SERVER_ID", "HOST", "PORT", "PUBLIC_URL", "REDIS_URL", "DELIVERY")))
print("cwd", os.getcwd())
print("starts", len(open(count).read()), flush=True)
http.server.ThreadingHTTPServer((sys.argv[2], int(sys.argv[3])), Handler).serve_forever()
"""
PLACEHOLDERS = ("{name}", "{host}", "{port}", "{url}", "{redis_url}", "{delivery}", "{folder}", "{python}")


@pytest.fixture
def foreign(cluster: ClusterPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterPlan:
    """Two nodes of another program, named by a path that holds in the folder of the run's start."""
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return replace(
        cluster,
        nodes=("node-1", "node-2"),
        command=("{python}", "program.py", *PLACEHOLDERS),
        ready="{url}/up/{name}",
    )


def test_each_node_gets_its_placeholders_and_our_environment(
    backend: Callable[..., ProcessBackend], foreign: ClusterPlan, logs: Path, tmp_path: Path
) -> None:
    world = backend("dies")
    redis, *nodes = world.start(foreign, run_id="r1", logs=logs)
    for node in nodes:
        said = dict(line.split(" ", 1) for line in (logs / f"{node.name}.log").read_text().splitlines())
        assert node.url is not None
        port = node.url.rpartition(":")[2]
        common = [node.name, "127.0.0.1", port, node.url, redis.url, "durable"]
        assert said["env"].split() == common
        assert said["args"].split()[:6] == common
        assert said["args"].split()[7] == sys.executable
        assert Path(said["args"].split()[6]).name == node.name
        assert said["cwd"] == str(tmp_path)


def test_its_folder_outlives_a_kill_and_not_the_run(
    backend: Callable[..., ProcessBackend], foreign: ClusterPlan, logs: Path
) -> None:
    world = backend("dies")
    world.start(foreign, run_id="r1", logs=logs)
    world.kill("node-1")
    world.restart("node-1")
    world.wait_ready("node-1", timeout_s=10)
    args, *_, starts = world.log_tail("node-1", 4)
    assert starts == "starts 2"
    folder = Path(args.split()[7])
    assert folder.is_dir()
    world.close()
    assert not folder.exists()


def test_the_watch_asks_the_ready_url_of_the_scenario(
    backend: Callable[..., ProcessBackend], foreign: ClusterPlan, logs: Path, tmp_path: Path
) -> None:
    world = backend("dies")
    world.start(foreign, run_id="r1", logs=logs)
    with Journal(tmp_path / "members.jsonl") as journal:
        watch = MemberWatch(world, journal)
        watch.sample()
        assert set(watch.states.values()) == {MemberState.READY}


def test_a_program_that_is_never_ready_is_told_with_the_url(
    backend: Callable[..., ProcessBackend], foreign: ClusterPlan, logs: Path
) -> None:
    world = backend("dies", ready_timeout_s=1.0)
    with pytest.raises(MemberError, match=r"GET http://127\.0\.0\.1:\d+/ready: 404"):
        world.start(replace(foreign, ready=None), run_id="r1", logs=logs)


def test_a_program_that_is_not_there_is_told(
    backend: Callable[..., ProcessBackend], foreign: ClusterPlan, logs: Path
) -> None:
    world = backend("dies")
    with pytest.raises(MemberError, match=r"node-1 could not be started: .*no-such-program"):
        world.start(replace(foreign, command=("./no-such-program",)), run_id="r1", logs=logs)
