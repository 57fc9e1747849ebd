"""A link is cut, slowed or thinned as told, in one direction or both, for whom it is meant, and heals."""

import hashlib
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
import redis

from harness.backends import docker_iptables
from harness.backends.abilities import Direction, Effect, Impairment
from harness.backends.docker import DockerBackend
from harness.backends.docker_engine import MEMBER_LABEL, RUN_LABEL
from harness.backends.docker_helper import HELPER_LABEL
from harness.backends.docker_iptables import links_lacking
from harness.backends.docker_rules import Ruling
from harness.backends.images import cluster_source
from harness.errors import HarnessError
from harness.records.plan import CLIENTS, ClusterPlan

pytestmark = pytest.mark.docker

Impair = Callable[..., str]
Inside = Callable[[str, str], str]

PLAN = ClusterPlan(nodes=("node-1", "node-2"), delivery="durable", appendfsync="no", needs=("links",))
PATIENCE_S = 1.5  # What an exchange has: longer than the first repetition of a lost packet takes.
CUT_S = 0.3  # What an exchange has that must not be answered.
QUICK_S = 0.15  # An exchange on a link that nothing is wrong with takes a hundredth of it.

# Answers `/health` at once, `/bytes/N` with N bytes.
ANSWERS = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, _, size = self.path.rpartition("/bytes/")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(bytes(index % 251 for index in range(int(size))) if size.isdigit() else b"ok")

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["WORDAROUND_PORT"])), Handler).serve_forever()
"""


def answering(folder: Path) -> Path:
    """Return a build context with a node that answers, and needs no Redis."""
    for name in ("Dockerfile", "requirements.txt"):
        shutil.copy(cluster_source() / name, folder / name)
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text(ANSWERS)
    return folder


@pytest.fixture(scope="module")
def run() -> str:
    return secrets.token_hex(4)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answering(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def cluster(run: str, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerBackend]:
    """One cluster for all tests of this module: each leaves it as it was."""
    backend = DockerBackend(node_source=source, grace_s=0)
    try:
        backend.start(PLAN, run_id=run, logs=tmp_path_factory.mktemp("logs"))
        yield backend
    finally:
        backend.close()


@pytest.fixture(autouse=True)
def healthy_again(cluster: DockerBackend) -> Iterator[None]:
    """Every test begins, and ends, with links that work."""
    yield
    for member, peer in (("node-1", "redis"), ("node-1", CLIENTS), ("redis", CLIENTS)):
        assert works(cluster, member, peer)


@pytest.fixture
def impair(cluster: DockerBackend) -> Iterator[Impair]:
    """Impairs links and returns the handle; what a test leaves is restored at its end."""
    handles: list[str] = []

    def put(member: str, *peers: str, effect: Effect, **more: Any) -> str:
        handles.append(cluster.links.impair(Impairment(member=member, peers=peers, effect=effect, **more)))
        return handles[-1]

    yield put
    for handle in handles:
        cluster.links.restore(handle)


@pytest.fixture
def inside(engine: docker.DockerClient, run: str) -> Inside:
    """Runs a Python program in a member's own container, and returns what it printed."""

    def execute(member: str, program: str) -> str:
        label = {"label": [f"{RUN_LABEL}={run}", f"{MEMBER_LABEL}={member}"]}
        (found,) = engine.containers.list(filters=label)
        code, output = found.exec_run(["python", "-c", program])
        assert code == 0, output
        return str(output.decode().strip())

    return execute


@pytest.fixture
def kill_helper(engine: docker.DockerClient, run: str) -> Callable[[str], None]:
    def kill(member: str) -> None:
        label = {"label": [f"{RUN_LABEL}={run}", f"{HELPER_LABEL}={member}"]}
        (found,) = engine.containers.list(filters=label)
        found.kill()
        found.wait()

    return kill


def asked(cluster: DockerBackend, member: str, peer: str, patience_s: float = PATIENCE_S) -> float:
    """Return what an exchange took in seconds; infinity when there was no answer."""
    taken = cluster.links.round_trip(member, peer, timeout_s=patience_s)
    return float("inf") if taken is None else taken


def works(cluster: DockerBackend, member: str, peer: str) -> bool:
    """Return whether a link is as fast as it should be. A busy machine is late once, a delay always."""
    return any(asked(cluster, member, peer) < QUICK_S for _ in range(3))


def hit(cluster: DockerBackend, handle: str) -> dict[str, int]:
    """Return the packets that the rules of an impairment have hit, by direction."""
    evidence = cluster.links.evidence(handle)
    return {key: int(said.split()[0]) for key, said in evidence.items() if key.startswith("packets ")}


DIRECTIONS: dict[Direction, set[str]] = {
    "both": {"packets sent", "packets received"},
    "to": {"packets sent"},
    "from": {"packets received"},
}


@pytest.mark.parametrize("peer", ["redis", CLIENTS])
@pytest.mark.parametrize(
    ("effect", "direction"),
    [
        ("drop", "both"),
        ("drop", "to"),
        ("drop", "from"),
        ("reject", "both"),
        pytest.param("reject", "to", marks=pytest.mark.slow),
        pytest.param("reject", "from", marks=pytest.mark.slow),
    ],
)
def test_a_cut_link_gives_no_answer_until_it_is_restored_and_all_others_do(
    cluster: DockerBackend, impair: Impair, effect: Effect, direction: Direction, peer: str
) -> None:
    links = cluster.links
    handle = impair("node-1", peer, effect=effect, direction=direction)
    during = asked(cluster, "node-1", peer, CUT_S)
    others = works(cluster, "node-1", "node-2"), works(cluster, "node-2", "redis")
    found = hit(cluster, handle)
    links.restore(handle)
    assert during == float("inf")
    assert others == (True, True)
    assert found.keys() == DIRECTIONS[direction]
    assert sum(found.values()) > 0
    assert works(cluster, "node-1", peer)


def test_a_rejected_connection_is_refused_at_once_where_a_dropped_one_hangs(
    cluster: DockerBackend, impair: Impair, inside: Inside
) -> None:
    try_it = f"""
import socket, time
began = time.monotonic()
try:
    socket.create_connection(({cluster_address(inside, "redis")!r}, 6379), timeout=0.5)
except OSError as error:
    print(type(error).__name__)
"""
    said = {}
    for effect in ("drop", "reject"):
        handle = impair("node-1", "redis", effect=effect)
        said[effect] = inside("node-1", try_it)
        cluster.links.restore(handle)
    assert said == {"drop": "TimeoutError", "reject": "ConnectionRefusedError"}


def cluster_address(inside: Inside, member: str) -> str:
    """Return a member's address in the run's network."""
    return inside("node-1", f"import socket; print(socket.gethostbyname({member!r}))")


# Connects to Redis, says so by a key, then waits for a second; prints what became of the connection.
HOLD = """
import redis, socket
address = socket.gethostbyname("redis")
held = socket.create_connection((address, 6379), timeout=10)
held.sendall(b"SET held 1\\r\\n")
assert held.recv(100) == b"+OK\\r\\n"
try:
    print("closed" if held.recv(1) == b"" else "data")
except OSError as error:
    print(type(error).__name__)
"""


def held_open(cluster: DockerBackend, inside: Inside, act: Callable[[], object]) -> str:
    """Have node-1 hold a connection to Redis, idle, do something meanwhile; return what became of it."""
    said: list[str] = []
    with redis.Redis.from_url(cluster.members()[0].url or "") as store:
        store.delete("held")
        holder = threading.Thread(target=lambda: said.append(inside("node-1", HOLD)))
        holder.start()
        deadline = time.monotonic() + 10
        while not store.exists("held"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        act()
        holder.join(20)
    return said[0]


def test_an_idle_connection_is_cut_by_a_rejection_as_well(
    cluster: DockerBackend, impair: Impair, inside: Inside
) -> None:
    said = held_open(cluster, inside, lambda: impair("redis", "node-1", effect="reject"))
    assert said == "ConnectionResetError"


def test_a_reset_cuts_what_is_connected_and_only_that(cluster: DockerBackend, inside: Inside) -> None:
    cut: list[int] = []
    said = held_open(cluster, inside, lambda: cut.append(cluster.links.reset("node-1", ("redis",))))
    assert said in {"ConnectionAbortedError", "ConnectionResetError"}
    assert cut == [1]
    assert cluster.links.reset("node-1", ("redis",)) == 0
    assert cluster.links.reset("node-1", ("node-2",)) == 0
    assert works(cluster, "node-1", "redis")


def test_a_reset_of_clients_cuts_those_that_came_through_the_published_port(cluster: DockerBackend) -> None:
    port = int((cluster.members()[0].url or "").split(":")[-1].removesuffix("/0"))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        assert cluster.links.reset("redis", (CLIENTS,)) == 1
        with suppress(ConnectionResetError):  # The engine's proxy may say it in either way.
            assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("peer", "direction", "ways"),
    [
        ("redis", "both", 2),
        ("redis", "to", 1),
        ("redis", "from", 1),
        (CLIENTS, "both", 2),
        pytest.param(CLIENTS, "to", 1, marks=pytest.mark.slow),
        pytest.param(CLIENTS, "from", 1, marks=pytest.mark.slow),
    ],
)
def test_a_delay_holds_for_each_way_that_it_is_about(
    cluster: DockerBackend, impair: Impair, direction: Direction, ways: int, peer: str
) -> None:
    links = cluster.links
    handle = impair("node-1", peer, effect="delay", direction=direction, delay_s=0.2, jitter_s=0.02)
    during = asked(cluster, "node-1", peer)
    other = works(cluster, "node-1", "node-2")
    found = hit(cluster, handle)
    links.restore(handle)
    # A client's first request waits in the engine's proxy for the proxy's own connection.
    most = ways * 0.22 * (2 if peer == CLIENTS else 1)
    assert ways * 0.18 <= during < most + QUICK_S
    assert other
    assert found.keys() == DIRECTIONS[direction]
    assert min(found.values()) > 0


def test_delays_of_one_link_add_up_and_each_ends_by_itself(cluster: DockerBackend, impair: Impair) -> None:
    links = cluster.links
    first, second = (impair("node-1", "redis", effect="delay", delay_s=delay_s) for delay_s in (0.05, 0.1))
    together = asked(cluster, "node-1", "redis")
    links.restore(first)
    one = asked(cluster, "node-1", "redis")
    links.restore(second)
    assert 0.3 <= together < 0.3 + QUICK_S
    assert 0.2 <= one < 0.2 + QUICK_S


def test_what_is_delayed_arrives_complete_and_in_order(
    cluster: DockerBackend, impair: Impair, inside: Inside
) -> None:
    handle = impair("node-1", "node-2", effect="delay", delay_s=0.01, jitter_s=0.005)
    size = 500_000
    digest = inside("node-1", download(size, "hashlib.sha256(body).hexdigest()"))
    cluster.links.restore(handle)
    assert digest == hashlib.sha256(bytes(index % 251 for index in range(size))).hexdigest()


def download(size: int, say: str) -> str:
    """Return a program that gets so many bytes from node-2 and prints `say`."""
    return f"""
import hashlib, time, urllib.request
began = time.monotonic()
body = urllib.request.urlopen("http://node-2:5000/bytes/{size}", timeout=30).read()
assert len(body) == {size}
print({say})
"""


@pytest.mark.parametrize("direction", ["from", pytest.param("both", marks=pytest.mark.slow)])
def test_a_rate_lets_so_many_bytes_a_second_pass(
    cluster: DockerBackend, impair: Impair, inside: Inside, direction: Direction
) -> None:
    took = download(100_000, "time.monotonic() - began")
    before = float(inside("node-1", took))
    handle = impair("node-1", "node-2", effect="rate", direction=direction, bytes_per_s=100_000)
    during = float(inside("node-1", took))
    other = works(cluster, "node-1", "redis")
    cluster.links.restore(handle)
    assert before < 0.5
    assert 0.9 < during < 3.0
    assert other


@pytest.mark.slow
def test_a_share_of_packets_is_lost_and_counted_and_all_arrives_nevertheless(
    cluster: DockerBackend, impair: Impair, inside: Inside
) -> None:
    handle = impair("node-1", "node-2", effect="loss", loss=0.2)
    for _ in range(3):  # Large segments travel in one piece between containers: few packets are many bytes.
        assert inside("node-1", download(200_000, "len(body)")) == "200000"
    assert sum(hit(cluster, handle).values()) > 0


def test_everything_is_lost_where_the_share_is_one(cluster: DockerBackend, impair: Impair) -> None:
    impair("node-1", "redis", effect="loss", loss=1.0)
    assert asked(cluster, "node-1", "redis", CUT_S) == float("inf")


# Tries to connect to Redis again and again, for so long that a restart lies within; prints how often it did.
BESIEGE = """
import socket, time
address = socket.gethostbyname("redis")
until = time.monotonic() + 2.0
count = 0
while time.monotonic() < until:
    try:
        socket.create_connection((address, 6379), timeout=0.02).close()
        count += 1
    except OSError:
        pass
print(count)
"""


def test_a_member_that_starts_again_is_cut_off_from_its_first_moment(
    cluster: DockerBackend, impair: Impair, inside: Inside
) -> None:
    handle = impair("redis", "node-1", effect="drop")
    said: list[str] = []
    besieger = threading.Thread(target=lambda: said.append(inside("node-1", BESIEGE)))
    besieger.start()
    before = hit(cluster, handle)
    cluster.kill("redis")
    cluster.restart("redis")
    cluster.wait_ready("redis", timeout_s=10)
    besieger.join()
    after = hit(cluster, handle)
    cut, open_ = asked(cluster, "redis", "node-1", CUT_S), works(cluster, "redis", "node-2")
    cluster.links.restore(handle)
    assert said == ["0"]
    assert (cut, open_) == (float("inf"), True)
    assert after["packets received"] > before["packets received"]


def test_a_delay_survives_a_restart_and_its_count_goes_on(cluster: DockerBackend, impair: Impair) -> None:
    handle = impair("node-1", "redis", effect="delay", delay_s=0.2)
    asked(cluster, "node-1", "redis")
    before = hit(cluster, handle)
    cluster.kill("node-1")
    cluster.restart("node-1")
    cluster.wait_ready("node-1", timeout_s=10)
    assert hit(cluster, handle)["packets sent"] >= before["packets sent"] > 0
    assert asked(cluster, "node-1", "redis") >= 0.4


def test_what_is_ended_while_its_member_is_down_does_not_come_back(
    cluster: DockerBackend, impair: Impair
) -> None:
    handle = impair("node-1", "redis", effect="drop")
    cluster.kill("node-1")
    cluster.links.restore(handle)
    cluster.links.restore(handle)
    cluster.restart("node-1")
    cluster.wait_ready("node-1", timeout_s=10)
    assert works(cluster, "node-1", "redis")


def test_what_is_put_in_force_while_its_member_is_down_holds_when_it_starts(
    cluster: DockerBackend, impair: Impair
) -> None:
    cluster.kill("node-1")
    assert cluster.links.round_trip("node-1", "redis", timeout_s=0.3) is None
    assert cluster.links.reset("node-1", ("redis",)) == 0
    impair("node-1", "redis", effect="drop")
    cluster.restart("node-1")
    cluster.wait_ready("node-1", timeout_s=10)
    assert asked(cluster, "node-1", "redis", CUT_S) == float("inf")


def test_rules_outlive_their_helper_and_are_restored_by_another(
    cluster: DockerBackend, impair: Impair, kill_helper: Callable[[str], None], inside: Inside
) -> None:
    handle = impair("node-1", "redis", effect="drop")
    kill_helper("node-1")
    try_it = "import socket; print(socket.socket().connect_ex((socket.gethostbyname('redis'), 6379)))"
    hangs = try_it.replace("print", "socket.setdefaulttimeout(0.4); print")
    assert inside("node-1", hangs) != "0"
    assert hit(cluster, handle)["packets sent"] > 0
    cluster.links.restore(handle)
    assert inside("node-1", try_it) == "0"


def test_rules_that_stay_after_all_are_not_said_to_be_removed(
    cluster: DockerBackend, impair: Impair, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = impair("node-1", "redis", effect="drop")
    with monkeypatch.context() as broken:
        broken.setattr(Ruling, "removed", lambda ruling: "*filter\nCOMMIT\n")
        with pytest.raises(HarnessError, match=f"the rules of {handle} are still there"):
            cluster.links.restore(handle)
    cluster.links.restore(handle)
    assert works(cluster, "node-1", "redis")


def test_a_delay_ends_with_its_helper_and_the_evidence_says_so(
    cluster: DockerBackend, impair: Impair, kill_helper: Callable[[str], None]
) -> None:
    handle = impair("node-1", "redis", effect="delay", delay_s=0.2)
    assert cluster.links.evidence(handle)["shaper"] == "runs"
    kill_helper("node-1")
    assert works(cluster, "node-1", "redis")
    assert cluster.links.evidence(handle)["shaper"].startswith("gone")
    cluster.links.restore(handle)
    cluster.links.restore(handle)


def test_two_runs_do_not_meet_and_labels_find_the_helpers(
    cluster: DockerBackend,
    source: Path,
    run: str,
    logs: Path,
    make_backend: Callable[..., DockerBackend],
    left_behind: Callable[[str], list[str]],
) -> None:
    other_run = secrets.token_hex(4)
    other = make_backend(node_source=source, grace_s=0)
    other.start(PLAN, run_id=other_run, logs=logs)
    other.links.impair(Impairment(member="node-1", peers=("redis", "node-2", CLIENTS), effect="drop"))
    assert asked(other, "node-1", "redis", CUT_S) == float("inf")
    assert works(cluster, "node-1", "redis")
    assert f"/wordaround-{other_run}-node-1-helper" in left_behind(other_run)
    other.close()
    assert left_behind(other_run) == []
    assert f"/wordaround-{run}-node-1-helper" in left_behind(run)


@pytest.mark.parametrize(
    ("impairment", "said"),
    [
        (Impairment(member="node-9", peers=("redis",), effect="drop"), "no member 'node-9'"),
        (Impairment(member="node-1", peers=("node-9",), effect="drop"), "no member 'node-9'"),
        (Impairment(member="node-1", peers=("node-1",), effect="drop"), "towards other members"),
        (Impairment(member="node-1", peers=("redis",), effect="rate"), "above zero"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    cluster: DockerBackend, impairment: Impairment, said: str
) -> None:
    with pytest.raises(HarnessError, match=said):
        cluster.links.impair(impairment)


def test_whether_links_can_be_had_is_found_out_by_doing(
    monkeypatch: pytest.MonkeyPatch, engine: docker.DockerClient
) -> None:
    assert links_lacking.__wrapped__() is None
    monkeypatch.setattr(docker_iptables, "CAPABILITIES", ())
    said = links_lacking.__wrapped__()
    assert said is not None
    assert "this kernel lacks what links are cut and slowed with" in said
    assert engine.containers.list(all=True, filters={"label": f"{HELPER_LABEL}=trial"}) == []
