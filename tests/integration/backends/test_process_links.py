"""Links between real processes: what each effect does to them, in which direction, and that it ends.

One cluster for all tests here; each leaves it as it was.
"""

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from harness.backends import process_links
from harness.backends.abilities import Impairment
from harness.backends.process import ProcessBackend
from harness.backends.process_links import _exchange
from harness.clock import NS, now_ns
from harness.errors import HarnessError
from harness.http_get import get
from harness.records.plan import CLIENTS, ClusterPlan

pytestmark = pytest.mark.process

NODES = ("node-1", "node-2", "node-3")
PLAN = ClusterPlan(nodes=NODES, delivery="durable", appendfsync="no", needs=("links",))
LINKS = (("node-1", CLIENTS), ("node-1", "redis"), ("node-1", "node-2"), ("node-2", "node-1"))
PEERS = (CLIENTS, "redis", "node-2", "node-3")
DELAY_S = 0.4  # far above what a busy machine adds


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessBackend]:
    backend = ProcessBackend()
    try:
        backend.start(PLAN, run_id=secrets.token_hex(4), logs=tmp_path_factory.mktemp("logs"))
        yield backend
    finally:
        backend.close()


@pytest.fixture
def impaired(cluster: ProcessBackend) -> Iterator[Callable[..., str]]:
    """Return a function that impairs links of node-1; what is left in force is ended with the test."""
    handles: list[str] = []

    def impair(effect: str, *, peers: tuple[str, ...] = PEERS, **more: object) -> str:
        impairment = Impairment(member="node-1", peers=peers, effect=effect, **more)  # type: ignore[arg-type]
        handles.append(cluster.links.impair(impairment))
        return handles[-1]

    yield impair
    for handle in handles:
        cluster.links.restore(handle)
    until(lambda: ready(cluster, "node-1"), "node-1 is ready again")


def until(condition: Callable[[], object], what: str, *, timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


def ready(backend: ProcessBackend, name: str) -> bool:
    """Ask past the proxies, as the harness does."""
    url = next(member.ready_url for member in backend.members() if member.name == name)
    return get(url, timeout_s=1)[0] == 200


def trip(backend: ProcessBackend, link: tuple[str, str], *, timeout_s: float = 2.0) -> float | None:
    return backend.links.round_trip(*link, timeout_s=timeout_s)


def trips(backend: ProcessBackend, *, timeout_s: float = 5.0) -> dict[tuple[str, str], float | None]:
    """Measure all links at once."""
    with ThreadPoolExecutor(len(LINKS)) as pool:
        return dict(
            zip(LINKS, pool.map(lambda link: trip(backend, link, timeout_s=timeout_s), LINKS), strict=True)
        )


def quicker(backend: ProcessBackend, than_s: float) -> bool:
    return all(took_s is not None and took_s < than_s for took_s in trips(backend).values())


def answers(backend: ProcessBackend, *, timeout_s: float = 1.0) -> set[tuple[str, str]]:
    return {link for link, took_s in trips(backend, timeout_s=timeout_s).items() if took_s is not None}


def test_every_link_answers_while_nothing_is_wrong(cluster):
    assert answers(cluster) == set(LINKS)


@pytest.mark.parametrize("effect", ["drop", "reject"])
@pytest.mark.parametrize("direction", ["both", "to", "from"])
def test_a_link_that_is_cut_answers_nobody_until_it_is_restored(cluster, impaired, effect, direction):
    assert answers(cluster) == set(LINKS)
    handle = impaired(effect, direction=direction)
    assert answers(cluster, timeout_s=0.3) == set()
    assert trip(cluster, ("node-2", "redis")) is not None
    assert trip(cluster, ("node-2", CLIENTS)) is not None
    cluster.links.restore(handle)
    until(lambda: answers(cluster) == set(LINKS), "all links answer again")


@pytest.mark.parametrize("peers", [(CLIENTS,), ("redis",), ("node-2",)])
def test_only_the_links_with_the_peers_are_cut(cluster, impaired, peers):
    impaired("drop", peers=peers)
    cut = {link for link in LINKS if set(link) == {"node-1", peers[0]}}
    assert answers(cluster) == set(LINKS) - cut


@pytest.mark.parametrize(("direction", "ways"), [("both", 2), ("to", 1), ("from", 1)])
def test_a_delay_is_measured_once_a_way_and_is_gone_afterwards(cluster, impaired, direction, ways):
    until(lambda: quicker(cluster, DELAY_S), "before: no delay")
    handle = impaired("delay", delay_s=DELAY_S, direction=direction)
    during = trips(cluster)
    assert all(took_s is not None and took_s >= DELAY_S * ways for took_s in during.values())
    until(lambda: quicker(cluster, DELAY_S * (ways + 1)), "no more than one delay a way")
    assert int(cluster.links.evidence(handle)["bytes_delayed"]) > 0
    cluster.links.restore(handle)
    until(lambda: quicker(cluster, DELAY_S), "after: no delay")


def test_who_comes_later_from_the_port_of_a_probe_that_was_refused_does_not_speak_for_it(
    cluster, impaired, monkeypatch
):
    ports = []

    def exchange(sock, port, question, deadline):
        ports.append(sock.getsockname()[1])
        return _exchange(sock, port, question, deadline)

    monkeypatch.setattr(process_links, "_exchange", exchange)
    handle = impaired("reject", peers=("redis",))
    assert trip(cluster, ("node-1", "redis")) is None  # It was to speak for node-1.
    cluster.links.restore(handle)
    impaired("drop", peers=(CLIENTS,))

    url = urlsplit(next(member.url for member in cluster.members() if member.name == "node-1"))
    with socket.create_connection(
        (url.hostname, url.port), source_address=(url.hostname, ports[0])
    ) as client:
        client.settimeout(0.5)
        client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_rate_holds_back_what_a_node_answers_its_clients(cluster, impaired):
    handle = impaired("rate", peers=(CLIENTS,), bytes_per_s=20_000)
    url = next(member.url for member in cluster.members() if member.name == "node-1")
    began = now_ns()
    status, page = get(f"{url}/metrics", timeout_s=30)
    took_s = (now_ns() - began) / NS
    assert status == 200
    assert len(page) > 4000
    assert took_s >= len(page) / 20_000 * 0.9
    assert int(cluster.links.evidence(handle)["bytes_slowed"]) >= len(page)
    cluster.links.restore(handle)
    began = now_ns()
    get(f"{url}/metrics", timeout_s=30)
    assert (now_ns() - began) / NS < took_s


def test_a_node_that_is_cut_off_from_redis_alone_is_seen_by_the_harness_as_not_ready(cluster, impaired):
    handle = impaired("drop", peers=("redis",))
    until(lambda: not ready(cluster, "node-1"), "node-1 says that it is not ready")
    assert ready(cluster, "node-2")
    assert int(cluster.links.evidence(handle)["bytes_stalled"]) > 0


def test_a_node_whose_peers_are_cut_off_calls_them_suspect(cluster, impaired):
    """The callers are told apart: node-1 hears neither of them, they hear each other."""
    impaired("drop", peers=("node-2", "node-3"))

    def states(name: str) -> list[str]:
        url = next(member.own_url for member in cluster.members() if member.name == name)
        status, page = get(f"{url}/peers", timeout_s=1)
        assert status == 200
        return [part.split('"')[0] for part in page.decode().split('"state":"')[1:]]

    until(lambda: states("node-1") == ["suspect", "suspect"], "node-1 suspects both")
    until(lambda: states("node-2") == ["suspect", "alive"], "node-2 suspects node-1 alone")


def test_a_reset_cuts_the_nodes_connections_to_redis_and_they_come_back(cluster):
    until(lambda: ready(cluster, "node-1"), "node-1 is ready")
    assert cluster.links.reset("node-1", ("redis",)) >= 1
    until(lambda: ready(cluster, "node-1"), "node-1 is ready again")
    until(lambda: cluster.links.reset("redis", ("node-1",)) >= 1, "there are connections again")
    until(lambda: ready(cluster, "node-1"), "node-1 is ready again")


def test_clients_of_a_killed_node_hear_it_at_once_and_are_refused_until_it_is_back(cluster):
    node = next(member for member in cluster.members() if member.name == "node-3")
    address = ("127.0.0.1", urlsplit(node.url).port)
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        client.settimeout(1)
        cluster.kill("node-3")
        assert _end_of(client) in ("closed", "reset")
    until(lambda: _refused(address), "the port of a dead node refuses")
    cluster.restart("node-3")
    cluster.wait_ready("node-3", timeout_s=20)
    until(lambda: trip(cluster, ("node-3", CLIENTS)) is not None, "the port serves again")
    until(lambda: trip(cluster, ("node-1", "node-3")) is not None, "other nodes reach it again")


def _end_of(client: socket.socket) -> str:
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        return "reset"
    return "closed"


def _refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def test_what_cannot_be_had_is_said(cluster, impaired):
    with pytest.raises(HarnessError, match="a TCP proxy has no packets; use --backend docker"):
        impaired("loss", loss=0.1)
    with pytest.raises(HarnessError, match="there is no link between redis and clients"):
        cluster.links.reset("redis", (CLIENTS,))
    with pytest.raises(HarnessError, match="there is no link between node-1 and node-9"):
        impaired("drop", peers=("node-9",))
    with pytest.raises(HarnessError, match="there is no link between node-1 and node-1"):
        impaired("drop", peers=("node-1",))
    with pytest.raises(HarnessError, match="no peer of node-1 was named"):
        impaired("drop", peers=())
    with pytest.raises(HarnessError, match="a rate of 0 bytes/s is none"):
        impaired("rate", bytes_per_s=0)
    with pytest.raises(HarnessError, match="evidence: KeyError"):
        cluster.links.evidence("no such one")


def _proxies_of(backend: ProcessBackend) -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE and "harness.proxies" in process.cmdline()
    ]


class TestItsProcess:
    """Of a cluster of stand-in nodes, which start at once."""

    def start(self, backend: Callable[..., ProcessBackend], logs: Path, *needs: str) -> ProcessBackend:
        started = backend("polite")
        plan = ClusterPlan(nodes=("node-1",), delivery="durable", appendfsync="no", needs=needs)
        started.start(plan, run_id=secrets.token_hex(4), logs=logs)
        return started

    def test_a_plan_without_faults_on_links_has_none(self, backend, logs):
        before = _proxies_of(None)
        started = self.start(backend, logs)
        assert _proxies_of(None) == before
        node = started.members()[1]
        assert node.url == node.own_url
        with pytest.raises(HarnessError, match="has no links that can be cut"):
            started.links  # noqa: B018 - The property raises.

    def test_it_is_labelled_and_has_a_session_of_its_own_and_goes_with_the_cluster(self, backend, logs):
        before = _proxies_of(None)
        started = self.start(backend, logs, "links")
        [process] = [process for process in _proxies_of(None) if process not in before]
        assert process.environ()["WORDAROUND_RUN"]
        assert os.getsid(process.pid) == process.pid
        node = started.members()[1]
        assert node.url != node.own_url
        assert get(f"{node.url}/ready", timeout_s=2)[0] == 200
        started.close()
        assert not process.is_running()

    def test_its_death_is_no_fault_of_the_cluster(self, backend, logs):
        before = _proxies_of(None)
        started = self.start(backend, logs, "links")
        [process] = [process for process in _proxies_of(None) if process not in before]
        process.send_signal(signal.SIGKILL)
        until(lambda: process.status() == psutil.STATUS_ZOMBIE, "it is dead")
        with pytest.raises(HarnessError, match=r"proxies was killed by SIGKILL, so nothing .* run again"):
            started.identity("node-1")
        with pytest.raises(HarnessError, match="proxies was killed by SIGKILL"):
            started.links.reset("node-1", (CLIENTS,))
        started.close()

    def test_it_ends_when_the_harness_is_dead(self, backend, logs):
        before = _proxies_of(None)
        started = self.start(backend, logs, "links")
        [process] = [process for process in _proxies_of(None) if process not in before]
        started.links._hang_up()  # What the kernel does with the sockets of a process that died.
        until(lambda: process.status() == psutil.STATUS_ZOMBIE, "it has ended by itself")
