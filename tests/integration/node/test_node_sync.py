"""ServerSync between real nodes: who is there, who is trusted, and a node that alone has lost Redis."""

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from cluster.members.peers import RedisSeen, Word
from cluster.members.signatures import Signatures
from cluster.members.sync_words import Notice, word_json

# One Redis: how it keeps what it is given makes no difference here.
pytestmark = [pytest.mark.process, pytest.mark.one_redis]
SECRET = "a secret of these tests"


def infos(client: Any) -> dict[str, str]:
    """Return the peers' states in the last `server_info`."""
    told = client.payloads("server_info")
    return {peer["server_id"]: peer["state"] for peer in told[-1]["peers"]} if told else {}


def test_peers__killed_stopped_and_leaving__each_state_is_seen_and_pushed(own_world: Any, until: Any) -> None:
    watch, killed, stopped, leaving = (
        own_world.node(name) for name in ("watch", "killed", "stopped", "leaving")
    )
    ann = own_world.client(watch, "ann")
    until(lambda: watch.peers() == dict.fromkeys(("killed", "leaving", "stopped"), "alive"), "all alive")
    until(lambda: all(p["round_trip_ms"] for p in watch.get("/peers")[1]["peers"]), "all have answered")
    details = watch.get("/peers")[1]["peers"]
    assert [peer["server_id"] for peer in details] == ["killed", "leaving", "stopped"]
    assert all(0 < peer["round_trip_ms"] < 1000 for peer in details)
    assert all(peer["last_seen_ms"] < 2500 for peer in details)
    assert [peer["url"] for peer in details] == [killed.url, leaving.url, stopped.url]

    began = time.monotonic()
    stopped.process.signal(signal.SIGSTOP)
    killed.process.kill()
    ann.wait_for(lambda: infos(ann).get("killed") in ("suspect", "dead"), "the killed one is known at once")
    refused_s = time.monotonic() - began
    ann.wait_for(lambda: infos(ann).get("stopped") == "suspect", "the silent one is suspect")
    assert refused_s < time.monotonic() - began, "a refusal is known sooner than silence"
    holder = own_world.client(leaving, "holder")
    leaving.process.signal(signal.SIGTERM)
    ann.wait_for(lambda: infos(ann).get("leaving") == "draining", "the leaving one drains")
    assert holder.payloads("server_info")[-1]["draining"]
    ann.wait_for(lambda: infos(ann) == {"killed": "dead", "stopped": "dead"}, "dead; and the other has left")
    assert leaving.process.wait() == 0
    stopped.process.signal(signal.SIGCONT)
    ann.wait_for(lambda: infos(ann).get("stopped") == "alive", "it is back")
    killed.start()
    ann.wait_for(lambda: infos(ann) == {"killed": "alive", "stopped": "alive"}, "both are back")
    assert watch.get("/peers")[1]["peers"][0]["url"] == killed.url


def test_peers__one_swallows_everything__the_others_are_called_as_ever(own_world: Any, until: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:  # Accepts, and never answers.
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        node = own_world.node("node-1", PEERS=f"{url},http://127.0.0.1:1")
        own_world.node("node-2")
        until(lambda: node.peers() == {"node-2": "alive"}, "the good peer is alive")
        for _ in range(10):
            (peer,) = node.get("/peers")[1]["peers"]
            assert peer["last_seen_ms"] < 2500
            time.sleep(0.3)  # Over the time of three of the hole's timeouts.


def test_peers__found_by_the_settings_alone__without_redis(own_world: Any, until: Any) -> None:
    own_world.redis.process.kill()
    first = own_world.node("node-1", ready=False, SECRET=SECRET)
    own_world.node("node-2", ready=False, SECRET=SECRET, PEERS=f"{first.url}")
    until(lambda: first.peers() == {"node-2": "alive"}, "the one that was called knows the caller")


def test_peers__another_secret__never_heard(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1", SECRET=SECRET)
    own_world.node("stranger", SECRET="another secret, not theirs")
    until(lambda: node.peers().get("stranger") == "suspect", "known by the registry, never heard")
    (peer,) = node.get("/peers")[1]["peers"]
    assert (peer["last_seen_ms"], peer["round_trip_ms"]) == (None, None)


class Stranger:
    """Speaks to a node as a peer would, with a secret of its own choice."""

    def __init__(self, node: Any, secret: str, *, ahead_ms: int = 0) -> None:
        self.node = node
        clock = lambda: time.time_ns() // 1_000_000 + ahead_ms  # noqa: E731
        self.signatures = Signatures("stranger", secrets=lambda: (secret.encode(),), clock_ms=clock)

    def word(self, **more: Any) -> bytes:
        redis = RedisSeen(up=True, age_ms=0, up_ms=0)
        word = Word(
            server_id=more.pop("server_id", "stranger"),
            url="http://127.0.0.1:1",
            sync_url="http://127.0.0.1:1",
            incarnation="i",
            draining=False,
            redis=redis,
        )
        return word_json(word, **more)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        request = urllib.request.Request(self.node.url + path, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def say(self, path: str, body: bytes) -> tuple[int, Any, bytes]:
        headers = self.signatures.sign("POST", path, body)
        assert headers is not None
        return self.post(path, body, headers)


def test_sync__signed_wrongly_old_or_twice__401_unauthorized(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1", SECRET=SECRET)
    path, friend = "/sync/heartbeat", Stranger(node, SECRET)
    body = friend.word()
    headers = friend.signatures.sign("POST", path, body)
    assert headers is not None
    status, answered, answer = friend.post(path, body, headers)
    assert status == 200
    assert json.loads(answer)["server_id"] == "node-1"
    assert friend.signatures.check_answer(headers, answer, answered["X-WordAround-Signature"])
    until(lambda: "stranger" in node.peers(), "who is signed rightly is heard")

    wrong = {
        "replayed": friend.post(path, body, headers),
        "unsigned": friend.post(path, body, {}),
        "another path": friend.post("/sync/event", body, friend.signatures.sign("POST", path, body) or {}),
        "another body": friend.post(
            path, friend.word() + b" ", friend.signatures.sign("POST", path, body) or {}
        ),
        "another secret": Stranger(node, "not the secret of these").say(path, body),
        "stale": Stranger(node, SECRET, ahead_ms=-60_000).say(path, body),
        "of tomorrow": Stranger(node, SECRET, ahead_ms=60_000).say(path, body),
    }
    for what, (status, _, answer) in wrong.items():
        assert (status, json.loads(answer)["error"]["code"]) == (401, "unauthorized"), what
    for what, body in {"another's name": friend.word(server_id="node-9"), "no word": b"{}"}.items():
        status, _, answer = friend.say(path, body)
        assert (status, json.loads(answer)["error"]["code"]) == (400, "bad_request"), what
    assert friend.say(path, b"x" * 70_000)[0] == 400
    assert node.get("/health")[0] == 200


def test_sync__notices_of_a_peer_that_only_speaks__are_taken(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1", SECRET=SECRET)
    ann, friend = own_world.client(node, "ann"), Stranger(node, SECRET)
    ann.join("r")
    typed = Notice(type="typing", room="r", user="bob", typing=True)
    assert friend.say("/sync/event", friend.word(notices=(typed,)))[0] == 200
    ann.wait_for(lambda: ann.payloads("typing"), "typing")
    assert ann.payloads("typing") == [{"room": "r", "user": "bob", "typing": True}]
    ann.wait_for(lambda: infos(ann).get("stranger") == "suspect", "it refuses connections")
    assert friend.say("/sync/event", friend.word(notices=(Notice(type="draining"),)))[0] == 200
    ann.wait_for(lambda: infos(ann).get("stranger") == "draining", "it drains")
    assert friend.say("/sync/event", friend.word(notices=(Notice(type="left"),)))[0] == 200
    ann.wait_for(lambda: infos(ann) == {}, "it has left")


@pytest.mark.parametrize("silent", [False, True])
def test_isolation__one_node_alone_without_redis__its_clients_are_moved_until_it_is_back(
    own_world: Any, until: Any, silent: bool
) -> None:
    proxy = own_world.proxy()
    alone = own_world.node("alone", REDIS_URL=proxy.url)
    other = own_world.node("other")
    until(lambda: alone.peers() == {"other": "alive"}, "they know each other")
    ann, bob = own_world.client(alone, "ann"), own_world.client(other, "bob")
    for client in (ann, bob):
        client.join("r")
    proxy.cut(silent=silent)
    ann.wait_for(lambda: ann.payloads("server_info")[-1]["draining"], "ann is told to go")
    told = ann.payloads("server_info")[-1]
    assert [(p["server_id"], p["url"], p["state"]) for p in told["peers"]] == [("other", other.url, "alive")]
    until(lambda: not ann.io.connected, "and hung up on")
    status, body = alone.get("/ready")
    assert (status, "cannot reach the store" in body["reason"]) == (503, True)
    late = own_world.client(alone, "late")
    assert late.call("join", {"room": "r"})["error"]["code"] == "draining"
    bob.wait_for(lambda: infos(bob).get("alone") == "draining", "the other knows")
    again = own_world.client(other, "ann")
    assert again.join("r")["ok"]
    proxy.heal()
    alone.wait_ready()
    late.wait_for(lambda: not late.payloads("server_info")[-1]["draining"], "in service again")
    assert late.join("r")["ok"]
    bob.wait_for(lambda: set(bob.users("r")) == {"ann", "bob", "late"}, "and its users are in the list")


def test_isolation__all_have_lost_redis__clients_stay(own_world: Any, until: Any) -> None:
    proxies = [own_world.proxy() for _ in range(2)]
    nodes = [own_world.node(f"node-{i}", REDIS_URL=proxy.url) for i, proxy in enumerate(proxies)]
    until(lambda: nodes[0].peers() == {"node-1": "alive"}, "they know each other")
    clients = [own_world.client(node, f"user-{i}") for i, node in enumerate(nodes)]
    for client in clients:
        client.join("r")
    for proxy in proxies:
        proxy.cut(silent=True)
    until(lambda: all(node.get("/ready")[0] == 503 for node in nodes), "both have noticed")
    time.sleep(4)  # Twice the time after which a node that is alone moves its clients.
    for proxy in proxies:
        proxy.heal()
    for node in nodes:
        node.wait_ready()
    for client in clients:
        assert client.io.connected
        assert not any(info["draining"] for info in client.payloads("server_info"))
        assert client.send("r", "after")["ok"]
