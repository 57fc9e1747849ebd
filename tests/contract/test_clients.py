"""The protocol as real client libraries see it: python-socketio's own client and the official JavaScript one.

Both are used as an application would use them, with their own reconnection on. What the application adds is
in `driven.py`, once for both.
"""

import signal
from collections.abc import Callable
from typing import Any

import pytest

# One Redis: what clients see of a node does not depend on it.
pytestmark = [pytest.mark.process, pytest.mark.one_redis]

Make = Callable[..., Any]


def alive_peers(chat: Any) -> set[str]:
    infos = chat.payloads("server_info")
    return {peer["server_id"] for peer in infos[-1]["peers"] if peer["state"] == "alive"} if infos else set()


def test_connect__with_auth__server_info_comes_and_names_the_peers(pair: Any, chat: Make, until: Any) -> None:
    until(lambda: pair[0].get("/peers")[1]["peers"], "the registry knows both nodes")
    ann = chat("ann").connect(pair[0].url)
    info = ann.wait_for(lambda: ann.payloads("server_info"), "server_info")[0]
    assert (info["server_id"], info["version"], info["draining"]) == ("node-1", 1, False)
    assert info["session_id"] == ann.connections[0]["sid"]
    assert {"server_id": "node-2", "url": pair[1].url, "state": "alive"} in info["peers"]


def test_connect__auth_of_a_wrong_type__refused_with_the_code_and_not_tried_again(
    pair: Any, chat: Make
) -> None:
    ann = chat("ann")
    ann.start(pair[0].url, user=5)
    (refused,) = ann.wait_for(lambda: ann.refused, "refused")
    assert refused["message"]
    assert refused["data"] == {"code": "bad_request"}
    assert ann.connections == []


def test_join__without_and_with_a_cursor__history_then_acknowledgement_then_live(
    pair: Any, chat: Make, room: str
) -> None:
    ann, bob = chat("ann").connect(pair[0].url), chat("bob").connect(pair[1].url)
    epoch = ann.join(room).joins[0]["epoch"]
    ann.post(room, *(f"{n}" for n in range(1, 61)))
    ann.wait_for(lambda: ann.settled(room), "60 acknowledged")
    joined = bob.join(room).joins[0]
    assert joined == {"ok": True, "room": room, "epoch": epoch, "seq": 60, "recovered": False}
    ann.post(room, "live")
    bob.wait_for(lambda: bob.seqs(room)[-1:] == [61], "a live message")
    told = [(name, of) for name, of in bob.events() if name in ("message_history", "ack", "message")]
    assert [name for name, _ in told] == ["message_history", "ack", "message"]
    assert bob.seqs(room) == list(range(11, 62))
    assert bob.call("join", {"room": room, "cursor": {"epoch": epoch, "seq": 57}})["recovered"]
    assert bob.seqs(room)[-4:] == [58, 59, 60, 61]


def test_send__many_in_a_row__acknowledged_each_and_live_in_order_for_all(
    pair: Any, chat: Make, check_room: Any, room: str
) -> None:
    ann, bob = chat("ann").connect(pair[0].url), chat("bob").connect(pair[1].url)
    ann.join(room)
    bob.join(room)
    for other in (ann, bob):
        other.post(room, *(f'{other.user} {n} grüße "雪" \\ \u2028 🎈' for n in range(1, 101)))
    for other in (ann, bob):
        other.wait_for(lambda o=other: o.settled(room), "200 acknowledged")
    stored = check_room(pair[0], room, ann, bob)
    assert len(stored) == 200
    acked = ann.acknowledged(room)
    assert sorted(acked.values()) == [acked[n] for n in range(1, 101)]


def test_send__the_same_again__the_first_result_as_a_duplicate(
    pair: Any, chat: Make, driven: Any, room: str
) -> None:
    ann, bob = chat("ann").connect(pair[0].url), chat("ann").connect(pair[1].url)
    ann.join(room)
    bob.join(room)
    request = {"room": room, "text": "once", "producer": "p", "n": 1}
    first = ann.call("send_message", request)
    assert (first["ok"], first["seq"], first["duplicate"]) == (True, 1, False)
    assert ann.call("send_message", request) == first | {"duplicate": True}
    assert bob.call("send_message", request) == first | {"duplicate": True}
    assert len(driven.all_messages(pair[0], room)) == 1


def test_errors__each_kind__an_acknowledgement_and_the_connection_goes_on(
    pair: Any, chat: Make, room: str
) -> None:
    ann = chat("ann").connect(pair[0].url)
    ann.join(room)
    sound = {"room": room, "text": "x", "producer": "p"}
    for code, event, *args in (
        ("not_joined", "send_message", sound | {"room": f"{room}.other", "n": 1}),
        ("out_of_order", "send_message", sound | {"n": 2}),
        ("text_too_long", "send_message", sound | {"n": 1, "text": "x" * 8193}),
        ("room_invalid", "join", {"room": "with space"}),
        ("bad_request", "join", {"room": room, "misspelt": 1}),
        ("bad_request", "join"),
        ("bad_request", "join", {"room": room}, "and more"),
        ("bad_request", "send_message", None),
        ("bad_request", "no_such_event", {}),
    ):
        answer = ann.call(event, *args)
        assert answer["ok"] is False
        assert answer["error"]["code"] == code, (event, args)
        assert answer["error"]["definite"] is True
        assert answer["error"]["message"]
        assert answer["error"].get("expected") == (1 if code == "out_of_order" else None)
    assert ann.call("send_message", sound | {"n": 1})["ok"]
    assert ann.call("send_message", sound | {"n": 1, "text": "y"})["error"]["code"] == "key_reused"
    assert ann.losses == []


def test_emit__without_an_acknowledgement_asked__done_and_not_answered(
    pair: Any, chat: Make, room: str
) -> None:
    ann = chat("ann").connect(pair[0].url)
    ann.join(room)
    ann.tell("send_message", {"room": room, "text": "untold", "producer": "p", "n": 1})
    ann.tell("send_message", {"room": room, "text": "wrong", "producer": "p", "n": 7})
    ann.wait_for(lambda: ann.seqs(room) == [1], "the message")
    assert ann.call("leave", {"room": room})["ok"]
    assert [name for name, _ in ann.events()].count("ack") == 2, "of the join and of the leave"


def test_user_list__others_come_and_go__each_time_the_whole_list(pair: Any, chat: Make, room: str) -> None:
    ann, bob = chat("ann").connect(pair[0].url), chat("bob").connect(pair[1].url)
    ann.join(room)

    def users() -> list[tuple[str, str, str]]:
        lists = [told for told in ann.payloads("user_list") if told["room"] == room]
        return [(user["user"], user["node"], user["state"]) for user in lists[-1]["users"]] if lists else []

    both = [("ann", "node-1", "online"), ("bob", "node-2", "online")]
    ann.wait_for(lambda: users() == both[:1], "ann alone")
    bob.join(room)
    ann.wait_for(lambda: users() == both, "both")
    bob.driver.do("disconnect")
    bob.wait_for(lambda: bob.losses, "bob has taken his leave")
    ann.wait_for(lambda: users() == both[:1], "ann alone again")


def test_leave__then_messages__none_comes(pair: Any, chat: Make, room: str) -> None:
    ann, bob = chat("ann").connect(pair[0].url), chat("bob").connect(pair[1].url)
    epoch = ann.join(room).joins[0]["epoch"]
    bob.join(room)
    ann.post(room, "1", "2", "3")
    bob.wait_for(lambda: bob.seqs(room) == [1, 2, 3], "three messages")
    assert bob.call("leave", {"room": room}) == {"ok": True, "room": room, "epoch": epoch, "seq": 3}
    ann.post(room, "4")
    ann.wait_for(lambda: ann.seqs(room)[-1:] == [4], "the fourth message at ann's")
    # Whatever its node had for bob comes before the answer to a later request.
    assert bob.call("leave", {"room": room})["ok"]
    assert bob.seqs(room) == [1, 2, 3]


def test_node_killed__others_keep_sending__resumed_elsewhere_with_nothing_missing_or_twice(
    own_world: Any, chat: Make, driven: Any, check_room: Any, room: str
) -> None:
    doomed, survivor = own_world.node("doomed"), own_world.node("survivor")
    ann, bob = chat("ann").connect(doomed.url), chat("bob").connect(survivor.url)
    ann.wait_for(lambda: "survivor" in alive_peers(ann), "ann knows where to go")
    ann.join(room)
    bob.join(room)
    with driven.Crowd([ann, bob], room):
        ann.wait_for(lambda: len(ann.seqs(room)) > 100, "100 messages")
        doomed.process.kill()
        ann.wait_for(lambda: len(ann.stay(room).joins) == 2, "ann has joined again")
        resumed_at = ann.stay(room).joins[1]["seq"]
        ann.wait_for(lambda: ann.seqs(room)[-1] > resumed_at + 50, "50 more, live")
    assert [connection["url"] for connection in ann.connections] == [doomed.url, survivor.url]
    assert [join["recovered"] for join in ann.stay(room).joins] == [False, True]
    assert ann.seqs(room)[0] == 1
    check_room(survivor, room, ann, bob)


def test_node_drained__others_keep_sending__moved_without_an_error_and_nothing_lost(
    own_world: Any, chat: Make, driven: Any, check_room: Any, room: str
) -> None:
    leaving, staying = own_world.node("leaving"), own_world.node("staying")
    ann, bob = chat("ann").connect(leaving.url), chat("bob").connect(staying.url)
    ann.wait_for(lambda: "staying" in alive_peers(ann), "ann knows where to go")
    ann.join(room)
    bob.join(room)
    with driven.Crowd([ann, bob], room):
        ann.wait_for(lambda: len(ann.seqs(room)) > 100, "100 messages")
        leaving.process.signal(signal.SIGTERM)
        ann.wait_for(lambda: len(ann.stay(room).joins) == 2, "ann has joined again, by herself")
        resumed_at = ann.stay(room).joins[1]["seq"]
        ann.wait_for(lambda: ann.seqs(room)[-1] > resumed_at + 50, "50 more, live")
    assert leaving.process.wait() == 0
    assert any(info["draining"] for info in ann.payloads("server_info"))
    assert [connection["url"] for connection in ann.connections] == [leaving.url, staying.url]
    assert [join["recovered"] for join in ann.stay(room).joins] == [False, True]
    assert ann.refused == []
    refusals = [refusal for sent in ann.stay(room).out for refusal in sent.refusals]
    # Moved before it was refused: `draining`, and what stands behind a refused one, may be all.
    assert {refusal["code"] for refusal in refusals} <= {"draining", "out_of_order", "not_joined"}
    assert ann.seqs(room)[0] == 1
    check_room(staying, room, ann, bob)


def test_redis_killed_and_back__clients_stay_connected__all_is_acknowledged_once(
    own_world: Any, chat: Make, driven: Any, check_room: Any, room: str
) -> None:
    nodes = [own_world.node(f"node-{i}") for i in (1, 2)]
    ann, bob = chat("ann").connect(nodes[0].url), chat("bob").connect(nodes[1].url)
    ann.join(room)
    bob.join(room)
    with driven.Crowd([ann, bob], room, pause_s=0.03):
        ann.wait_for(lambda: len(ann.seqs(room)) > 30, "30 messages")
        own_world.redis.process.kill()

        def refused() -> bool:
            return any(sent.refusals for sent in ann.stay(room).out)

        ann.wait_for(refused, "a send is refused meanwhile")
        own_world.redis.start()
        head = ann.seqs(room)[-1]
        ann.wait_for(lambda: ann.seqs(room)[-1] > head + 30, "30 more, live")
    assert ann.losses == bob.losses == []
    codes = {refusal["code"] for sent in ann.stay(room).out for refusal in sent.refusals}
    assert "store_unavailable" in codes
    assert codes <= {"store_unavailable", "out_of_order"}
    check_room(nodes[0], room, ann, bob)


@pytest.mark.javascript
def test_both_libraries__in_one_room__one_order(pair: Any, chat_on: Make, check_room: Any, room: str) -> None:
    ann = chat_on("python-socketio", "ann").connect(pair[0].url)
    bob = chat_on("socket.io-client", "bob").connect(pair[1].url)
    ann.join(room)
    bob.join(room)
    for other in (ann, bob):
        other.post(room, *(f"{other.user} {n}" for n in range(1, 51)))
    for other in (ann, bob):
        other.wait_for(lambda o=other: len(o.seqs(room)) == 100, "100 messages")
    assert ann.stay(room).received == bob.stay(room).received
    check_room(pair[0], room, ann, bob)
