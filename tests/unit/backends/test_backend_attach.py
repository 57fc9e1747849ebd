"""The attach backend: it believes nodes what they say of themselves, and touches none of them."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.backends.attach import AttachBackend
from harness.backends.readiness import free_port
from harness.errors import HarnessError, MemberError, UsageError
from harness.records.journal import Journal, MemberState
from harness.records.plan import ClusterPlan
from harness.watch import MemberWatch


@dataclass(kw_only=True)
class Node:
    """A stand-in node; what it answers can be changed while it runs."""

    info: str
    ready: int = 200
    asked: list[str] = field(default_factory=list)
    speaks: threading.Event = field(default_factory=threading.Event)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str) -> tuple[int, str]:
        self.asked.append(path)
        self.speaks.wait(5)
        return {"/ready": (self.ready, "why not"), "/info": (200, self.info)}.get(path, (404, ""))

    def start(self) -> None:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = node.answer(self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.speaks.set()
        self.server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.speaks.set()
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()


def says(server_id: str, incarnation: str = "i1", delivery: str = "durable") -> str:
    return json.dumps(
        {"server_id": server_id, "incarnation": incarnation, "delivery": delivery, "version": 1}
    )


@pytest.fixture
def nodes() -> Iterator[Callable[..., tuple[Node, ...]]]:
    started: list[Node] = []

    def start(*infos: str) -> tuple[Node, ...]:
        made = tuple(Node(info=info) for info in infos)
        for node in made:
            node.start()
            started.append(node)
        return made

    yield start
    for node in started:
        node.stop()


def plan(*nodes: Node, delivery: str = "durable") -> ClusterPlan:
    return ClusterPlan(
        nodes=tuple(f"node-{number}" for number in range(1, len(nodes) + 1)),
        delivery=delivery,  # type: ignore[arg-type]
        appendfsync="always",
        attach=tuple(node.url for node in nodes),
    )


def attach(folder: Path, *nodes: Node, timeout_s: float = 5.0, delivery: str = "durable") -> AttachBackend:
    backend = AttachBackend(ready_timeout_s=timeout_s)
    backend.start(plan(*nodes, delivery=delivery), run_id="r1", logs=folder / "logs")
    return backend


def test_nodes_have_the_plans_names_and_their_own_identities(nodes, tmp_path) -> None:
    b, a = nodes(says("chat-b", "9f"), says("chat-a", "77"))
    backend = attach(tmp_path, b, a)
    assert [(m.name, m.url, m.called) for m in backend.members()] == [
        ("node-1", b.url, "chat-b"),
        ("node-2", a.url, "chat-a"),
    ]
    assert str(backend.identity("node-1")) == "attached, incarnation 9f"
    assert backend.versions() == {
        "attached node-1": f"{b.url}, calls itself chat-b, incarnation 9f, delivery durable, protocol 1",
        "attached node-2": f"{a.url}, calls itself chat-a, incarnation 77, delivery durable, protocol 1",
    }
    assert backend.run_id == "r1"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("info", ["", "no JSON", "[1]", '{"server_id": ["x"], "incarnation": true}'])
def test_a_program_that_says_nothing_of_itself_is_attached_all_the_same(info, nodes, tmp_path) -> None:
    (node,) = nodes(info)
    backend = attach(tmp_path, node)
    assert str(backend.identity("node-1")) == "attached"
    assert backend.members()[0].called == "node-1"
    assert backend.versions() == {"attached node-1": f"{node.url}, says nothing of itself"}


def test_what_a_node_says_of_itself_is_kept_short_and_on_one_line(nodes, tmp_path) -> None:
    (node,) = nodes(says("x\ny" + "z" * 500))
    called = attach(tmp_path, node).members()[0].called
    assert called is not None
    assert called.startswith("x yzzz")
    assert len(called) == 100


def test_a_node_that_is_not_ready_is_told_with_its_reason(nodes, tmp_path) -> None:
    ready, lazy = nodes(says("a"), says("b"))
    lazy.ready = 503
    with pytest.raises(MemberError) as caught:
        attach(tmp_path, ready, lazy, timeout_s=0.2)
    assert str(caught.value).startswith(f"node-2 ({lazy.url}) cannot be attached to: it was not ready within")
    assert "503 why not" in str(caught.value)
    assert caught.value.exit_code == 4
    assert "must run, and be ready, before the run begins" in str(caught.value)


def test_a_node_that_is_not_there_is_told(nodes, tmp_path) -> None:
    (gone,) = nodes(says("a"))
    gone.stop()
    with pytest.raises(MemberError, match="Connection refused"):
        attach(tmp_path, gone, timeout_s=0.2)


def test_closing_ends_the_wait_for_a_node(nodes, tmp_path) -> None:
    (lazy,) = nodes(says("a"))
    lazy.ready = 503
    backend = AttachBackend(ready_timeout_s=60)
    closing = threading.Timer(0.2, backend.close)
    closing.start()
    with pytest.raises(HarnessError, match="not waited for any longer"):
        backend.start(plan(lazy), run_id="r1", logs=tmp_path)
    closing.join()


def test_two_urls_of_one_node_are_refused(nodes, tmp_path) -> None:
    one, same = nodes(says("chat-a"), says("chat-a"))
    with pytest.raises(UsageError) as caught:
        attach(tmp_path, one, same)
    assert caught.value.exit_code == 2
    assert f"{one.url} and {same.url} lead to one node, 'chat-a'" in str(caught.value)


def test_nodes_that_say_nothing_of_themselves_are_not_taken_for_one(nodes, tmp_path) -> None:
    assert len(attach(tmp_path, *nodes("{}", "{}")).members()) == 2


def test_a_node_that_delivers_otherwise_than_the_scenario_says_is_refused(nodes, tmp_path) -> None:
    (node,) = nodes(says("a", delivery="pubsub"))
    with pytest.raises(UsageError, match=r"node-1 .*delivers by pubsub, and the scenario says durable"):
        attach(tmp_path, node)
    assert attach(tmp_path, node, delivery="pubsub").members()


def test_a_node_is_down_only_when_nobody_listens_at_its_address(nodes, tmp_path) -> None:
    (node,) = nodes(says("a", "i1"))
    backend = attach(tmp_path, node)
    node.speaks.clear()
    assert str(backend.identity("node-1")) == "attached, incarnation i1", "it hangs: nobody knows better"
    node.speaks.set()
    node.info = says("a", "i2")
    assert str(backend.identity("node-1")) == "attached, incarnation i2"
    node.stop()
    assert backend.identity("node-1") is None


def test_the_watch_sees_an_attached_node_ready_hanging_and_gone(nodes, tmp_path) -> None:
    (node,) = nodes(says("a"))
    backend = attach(tmp_path, node)
    with Journal(tmp_path / "members.jsonl") as journal:
        watch = MemberWatch(backend, journal)
        seen = []
        for change in (lambda: None, node.speaks.clear, node.stop):
            change()
            watch.sample()
            seen.append(watch.states["node-1"])
    assert seen == [MemberState.READY, MemberState.NOT_READY, MemberState.DOWN]


@pytest.mark.parametrize(
    "touch",
    [
        lambda backend: backend.kill("node-1"),
        lambda backend: backend.terminate("node-1", timeout_s=1),
        lambda backend: backend.pause("node-1"),
        lambda backend: backend.resume("node-1"),
        lambda backend: backend.restart("node-1"),
    ],
)
def test_no_member_is_ours_to_touch(touch, nodes, tmp_path) -> None:
    (node,) = nodes(says("a"))
    backend = attach(tmp_path, node)
    with pytest.raises(
        HarnessError, match=r"node-1 .* not ours to (kill|stop|pause|resume|restart); a `command`"
    ):
        touch(backend)
    assert not backend.paused("node-1")


@pytest.mark.parametrize("ability", ["links", "clock", "disk", "resources"])
def test_an_attached_cluster_has_no_ability(ability) -> None:
    with pytest.raises(HarnessError, match="attached cluster are not ours to touch; use a `command` fault"):
        getattr(AttachBackend(), ability)


def test_an_unknown_member_is_told_with_those_that_there_are(nodes, tmp_path) -> None:
    backend = attach(tmp_path, *nodes(says("a")))
    with pytest.raises(HarnessError, match=r"no member 'redis' \(its members: node-1\)"):
        backend.wait_ready("redis", timeout_s=1)
    backend.wait_ready("node-1", timeout_s=1)
    assert backend.log_tail("node-1") == ()


def test_a_plan_that_attaches_to_nothing_is_refused(tmp_path) -> None:
    cluster = ClusterPlan(nodes=("node-1",), delivery="durable", appendfsync="always")
    with pytest.raises(UsageError, match="nothing to attach to"):
        AttachBackend().start(cluster, run_id="r1", logs=tmp_path)


def test_closing_leaves_the_nodes_alone(nodes, tmp_path) -> None:
    (node,) = nodes(says("a"))
    backend = attach(tmp_path, node)
    backend.close()
    backend.close()
    assert set(node.asked) == {"/ready", "/info"}
    assert node.answer("/ready")[0] == 200
