"""Redis goes away, comes back, is trimmed or emptied: what the nodes say and do then."""

import signal
import threading
import time
from typing import Any

import pytest

pytestmark = pytest.mark.process


def run_id(redis: Any) -> str:
    """Return the run of a Redis."""
    return str(redis.call("INFO", "server")["run_id"])


def test_redis_killed_and_back__refused_at_once_then_goes_on(own_world: Any, until: Any) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob = own_world.client(nodes[0], "ann"), own_world.client(nodes[1], "bob")
    epoch = ann.join("r")["epoch"]
    bob.join("r")
    assert ann.send("r", "before", producer="p", n=1)["ok"]
    own_world.redis.process.kill()
    until(lambda: nodes[0].get("/ready")[0] == 503, "not ready")
    assert nodes[0].get("/ready")[1]["reason"]
    assert nodes[0].get("/health")[0] == 200
    assert nodes[0].get("/rooms/r/messages")[0] == 503
    began = time.monotonic()
    for n in range(20):
        error = ann.send("r", "meanwhile", producer="p", n=2)["error"]
        assert (error["code"], error["definite"]) == ("store_unavailable", True), n
        assert error["retry_after_ms"] > 0
    assert ann.call("join", {"room": "q"})["error"]["code"] == "store_unavailable"
    assert time.monotonic() - began < 2, "each is refused at once"
    own_world.redis.start()
    back = time.monotonic()
    until(lambda: ann.send("r", "after", producer="p", n=2)["ok"], "sends succeed again")
    assert time.monotonic() - back < 3
    bob.wait_for(lambda: bob.received("r") == [1, 2], "both messages, live, on one connection")
    assert bob.join("r", {"epoch": epoch, "seq": 1})["recovered"]


@pytest.mark.one_redis  # What it keeps makes no difference: the connection to it does.
def test_redis_silent__commit_in_flight__never_definite_and_resolved_by_resend(
    own_world: Any, until: Any
) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    ann.join("r")
    assert ann.send("r", "first", producer="p", n=1)["ok"]
    own_world.redis.process.signal(signal.SIGSTOP)
    try:
        error = ann.send("r", "second", producer="p", n=2)["error"]
        assert (error["code"], error["definite"]) == ("store_unavailable", False)
        until(lambda: node.get("/ready")[0] == 503, "not ready")
    finally:
        own_world.redis.process.signal(signal.SIGCONT)
    until(lambda: ann.send("r", "second", producer="p", n=2)["ok"], "the resend is acknowledged")
    assert [message["text"] for message in node.messages("r")] == ["first", "second"]


def test_redis_killed_under_load__acknowledged_survives__nothing_twice(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1")
    clients = [own_world.client(node, f"user-{i}") for i in range(8)]
    for client in clients:
        client.join("r")
    acked: dict[tuple[str, int], int] = {}
    stop = threading.Event()

    def send(client: Any) -> None:
        n = 1
        while not stop.is_set() and n < 400:
            answer = client.send("r", f"{client.user} {n}", producer=client.user, n=n)
            if answer["ok"]:
                acked[client.user, n] = answer["seq"]
                n += 1
            else:
                assert answer["error"]["code"] == "store_unavailable", answer
                time.sleep(answer["error"]["retry_after_ms"] / 1000)

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    until(lambda: len(acked) > 200, "200 acknowledged")
    own_world.redis.process.kill()
    own_world.redis.start()
    resumed = len(acked)
    until(lambda: len(acked) > resumed + 200, "200 more acknowledged")
    stop.set()
    for thread in threads:
        thread.join()
    stored = {}
    after = 0
    while page := node.messages("r", f"after={after}&limit=1000"):
        for message in page:
            assert message["seq"] == after + 1
            after = message["seq"]
            key = message["producer"], message["n"]
            assert key not in stored
            stored[key] = after
    assert acked.items() <= stored.items()
    for client in clients:
        client.wait_for(lambda c=client: c.received("r") == list(range(1, after + 1)), "all, once, in order")


def test_scripts_flushed__in_the_middle__nobody_notices(own_world: Any) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    ann.join("r")
    for n in range(1, 11):
        own_world.redis.call("SCRIPT", "FLUSH")
        assert ann.send("r", f"{n}", producer="p", n=n)["seq"] == n


@pytest.mark.one_redis  # What it keeps makes no difference: the connection to it does.
def test_connections_to_redis_cut__within_a_second__deliveries_go_on(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    ann.join("r")
    assert ann.send("r", "1", producer="p", n=1)["ok"]
    own_world.redis.call("CLIENT", "KILL", "TYPE", "normal")
    until(lambda: ann.send("r", "2", producer="p", n=2)["ok"], "the next send", 2)
    ann.wait_for(lambda: ann.received("r") == [1, 2], "both, once", 2)


def test_shard_log_trimmed_behind_the_tail__members_are_filled_from_the_room(
    own_world: Any, until: Any
) -> None:
    node = own_world.node("node-1")
    other = own_world.node("node-2")
    ann, bob = own_world.client(node, "ann"), own_world.client(other, "bob")
    ann.join("r")
    bob.join("r")
    assert bob.send("r", "1", producer="p", n=1)["ok"]
    ann.wait_for(lambda: ann.received("r") == [1], "the first message")
    node.process.signal(signal.SIGSTOP)
    try:
        for n in range(2, 21):
            assert bob.send("r", f"{n}", producer="p", n=n)["ok"]
        for shard in range(4):
            own_world.redis.call("XTRIM", f"wa:shard:{shard}:log", "MAXLEN", 0)
    finally:
        node.process.signal(signal.SIGCONT)
    ann.wait_for(lambda: ann.received("r") == list(range(1, 21)), "all of them, once, in order")
    assert bob.send("r", "21", producer="p", n=21)["ok"]
    ann.wait_for(lambda: ann.received("r") == list(range(1, 22)), "and live again")
    events = {line["event"] for line in node.process.lines()}
    assert events & {"shard_log_trimmed", "shard_log_jumped"}


def test_shard_log_jumps__only_another_room_is_left_in_it__members_are_filled(own_world: Any) -> None:
    node, other = own_world.node("node-1", SHARDS="1"), own_world.node("node-2", SHARDS="1")
    ann, bob = own_world.client(node, "ann"), own_world.client(other, "bob")
    ann.join("quiet")
    bob.join("quiet")
    bob.join("loud")
    assert bob.send("quiet", "1", producer="p", n=1)["ok"]
    ann.wait_for(lambda: ann.received("quiet") == [1], "the first message")
    node.process.signal(signal.SIGSTOP)
    try:
        for n in range(2, 6):
            assert bob.send("quiet", f"{n}", producer="p", n=n)["ok"]
        gone = own_world.redis.call("GET", "wa:shard:0:head").decode()
        assert bob.send("loud", "1", producer="p", n=1)["ok"]
        own_world.redis.call("XTRIM", "wa:shard:0:log", "MINID", f"{int(gone) + 1}-0")
    finally:
        node.process.signal(signal.SIGCONT)
    ann.wait_for(lambda: ann.received("quiet") == [1, 2, 3, 4, 5], "all of them, once, in order")
    assert "shard_log_jumped" in {line["event"] for line in node.process.lines()}


def test_epoch_replaced_by_another_node__all_are_told_before_its_first_message(
    own_world: Any, until: Any
) -> None:
    busy, quiet = own_world.node("busy"), own_world.node("quiet")
    ann, bob = own_world.client(busy, "ann"), own_world.client(quiet, "bob")
    ann.join("r")
    bob.join("r")
    assert ann.send("r", "1", producer="p", n=1)["ok"]
    bob.wait_for(lambda: bob.received("r") == [1], "the first message")
    own_world.redis.call("SET", "wa:epoch", f"another {run_id(own_world.redis)}")
    until(lambda: ann.send("r", "2", producer="p", n=2)["ok"], "sends succeed again", 3)
    for client in (ann, bob):
        client.wait_for(lambda c=client: c.received("r")[-1] == 2, "the next message")
        assert client.received("r") == [1, 1, 2]
        history = client.payloads("message_history")[-1]
        assert (history["epoch"], history["recovered"]) == ("another", False)
        names = [name for name, _ in client.seen if name in ("message", "message_history")]
        assert names[:3] == ["message_history", "message", "message_history"]


def test_room_trimmed__cursor_older_than_what_is_kept__honest_snapshot(own_world: Any) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    epoch = ann.join("r")["epoch"]
    for n in range(1, 31):
        ann.send("r", f"{n}", producer="p", n=n)
    own_world.redis.call("XTRIM", "wa:room:r:log", "MINID", "21-0")
    bob = own_world.client(node, "bob")
    assert bob.join("r", {"epoch": epoch, "seq": 20})["recovered"] is True
    assert bob.join("r", {"epoch": epoch, "seq": 19})["recovered"] is False
    assert bob.received("r") == [*range(21, 31)] * 2
    assert node.get("/rooms/r/messages?after=0")[1]["first"] == 21


def test_redis_emptied__a_new_epoch_is_told_before_its_first_live_message(own_world: Any, until: Any) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob = own_world.client(nodes[0], "ann"), own_world.client(nodes[1], "bob")
    old = ann.join("r")["epoch"]
    bob.join("r")
    for n in range(1, 6):
        assert ann.send("r", f"{n}", producer="p", n=n)["ok"]
    own_world.redis.call("FLUSHALL")
    for client in (ann, bob):
        client.wait_for(lambda c=client: len(c.payloads("message_history")) == 2, "the announcement")
    until(lambda: ann.send("r", "new", producer="q", n=1)["ok"], "sends succeed again")
    for client in (ann, bob):
        client.wait_for(lambda c=client: c.received("r") == [1, 2, 3, 4, 5, 1], "the new message")
        histories = client.payloads("message_history")
        assert histories[-1]["recovered"] is False
        assert histories[-1]["epoch"] != old
        assert client.live("r")[-1]["epoch"] == histories[-1]["epoch"]
        names = [name for name, _ in client.seen if name in ("message", "message_history")]
        assert names == ["message_history", *["message"] * 5, "message_history", "message"]
    again = own_world.client(nodes[1], "cid")
    assert again.join("r", {"epoch": old, "seq": 3})["recovered"] is False


def test_log_has_lost_its_end__a_new_epoch_opens(own_world: Any, until: Any) -> None:
    node = own_world.node("node-1")
    ann = own_world.client(node, "ann")
    old = ann.join("r")["epoch"]
    for n in range(1, 6):
        assert ann.send("r", f"{n}", producer="p", n=n)["ok"]
    shard = next(i for i in range(4) if own_world.redis.call("GET", f"wa:shard:{i}:head"))
    own_world.redis.call("SET", f"wa:shard:{shard}:head", 3)
    until(lambda: ann.payloads("message_history")[-1]["epoch"] != old, "a new epoch")
    assert ann.payloads("message_history")[-1]["recovered"] is False
    epoch = own_world.redis.call("GET", "wa:epoch").decode().split()[0]
    assert epoch == ann.payloads("message_history")[-1]["epoch"]
