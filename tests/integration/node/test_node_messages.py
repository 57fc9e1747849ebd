"""What two nodes promise about messages: one order, exact resumes, one place for each key."""

import threading
from typing import Any

import pytest

pytestmark = pytest.mark.process


def test_total_order__senders_on_two_nodes__all_see_one_order(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "bob")
    for client in (ann, bob):
        client.join(room)

    def send(client: Any) -> None:
        for n in range(1, 41):
            answer = client.send(room, f"{client.user} {n}", producer=f"p-{client.user}", n=n)
            assert answer["ok"], answer

    threads = [threading.Thread(target=send, args=(client,)) for client in (ann, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in (ann, bob):
        client.wait_for(lambda c=client: len(c.live(room)) == 80, "80 messages")
    assert ann.live(room) == bob.live(room)
    assert [message["seq"] for message in ann.live(room)] == list(range(1, 81))
    for user in ("ann", "bob"):
        assert [m["n"] for m in ann.live(room) if m["user"] == user] == list(range(1, 41))


def test_message__sent_once__has_all_that_the_protocol_names(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0], "ann")
    joined = ann.join(room)
    text = 'grüße "雪" \\ \u2028 🎈'
    sent = ann.send(room, text, producer="p", n=1)
    assert sent == {
        "ok": True, "room": room, "epoch": joined["epoch"], "seq": 1, "duplicate": False,
        "producer": "p", "n": 1,
    }  # fmt: skip
    answer = ann.send(room, "yes", reply_to={"epoch": sent["epoch"], "seq": 1})
    assert (answer["seq"], answer["producer"], answer["n"]) == (2, None, None)
    ann.wait_for(lambda: len(ann.live(room)) == 2, "both messages")
    first, second = ann.live(room)
    assert first["sent_at"] > 1_600_000_000
    assert {k: v for k, v in first.items() if k != "sent_at"} == {
        "room": room, "epoch": joined["epoch"], "seq": 1, "producer": "p", "n": 1, "user": "ann",
        "text": text, "node": "node-1",
    }  # fmt: skip
    assert second["reply_to"] == {"epoch": joined["epoch"], "seq": 1}


def test_resume__by_cursor_on_the_other_node__exactly_what_was_missed(
    pair: Any, world: Any, room: str
) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "bob")
    epoch = ann.join(room)["epoch"]
    for n in range(1, 301):
        ann.io.emit("send_message", {"room": room, "text": f"{n}", "producer": "p", "n": n})
    ann.wait_for(lambda: len(ann.live(room)) == 300, "300 messages")
    answer = bob.join(room, {"epoch": epoch, "seq": 17})
    assert (answer["recovered"], answer["seq"]) == (True, 300)
    assert bob.received(room) == list(range(18, 301))
    chunks = bob.payloads("message_history")
    assert len(chunks) > 1
    assert [chunk["more"] for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert all(chunk["recovered"] for chunk in chunks)
    # A second join on the same connection is a resume from its cursor.
    assert bob.join(room, {"epoch": epoch, "seq": 299})["recovered"]
    assert bob.received(room)[-1] == 300
    assert len(bob.received(room)) == 284


@pytest.mark.parametrize(
    ("cursor", "recovered", "first"),
    [
        (None, False, 11),
        ({"seq": 0}, True, 1),
        ({"epoch": "of another log", "seq": 5}, False, 11),
        ({"epoch": None, "seq": 0}, True, 1),
        ("past the end", False, 11),
        ("at the end", True, None),
    ],
)
def test_join__each_kind_of_cursor__recovered_or_an_honest_snapshot(
    pair: Any, world: Any, room: str, cursor: Any, recovered: bool, first: int | None
) -> None:
    ann, bob = world.client(pair[0]), world.client(pair[1], "bob")
    epoch = ann.join(room)["epoch"]
    for n in range(1, 61):
        assert ann.send(room, f"{n}", producer="p", n=n)["seq"] == n
    if isinstance(cursor, str):
        cursor = {"epoch": epoch, "seq": 61 if cursor == "past the end" else 60}
    answer = bob.join(room, cursor)
    assert (answer["recovered"], answer["seq"]) == (recovered, 60)
    assert bob.received(room) == ([] if first is None else list(range(first, 61)))
    assert [name for name, _ in bob.seen if name in ("message_history", "ack")] == ["message_history", "ack"]


def test_send__same_key_again__first_result_and_one_place(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "ann")
    ann.join(room)
    bob.join(room)
    first = ann.send(room, "once", producer="p", n=1)
    again = bob.send(room, "once", producer="p", n=1)
    assert again == first | {"duplicate": True}
    assert len(pair[0].messages(room)) == 1


def test_send__a_gap_in_n__out_of_order_with_the_expected_n(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    assert ann.send(room, "1", producer="p", n=1)["ok"]
    error = ann.send(room, "3", producer="p", n=3)["error"]
    assert (error["code"], error["expected"], error["definite"]) == ("out_of_order", 2, True)
    assert ann.send(room, "2", producer="p", n=2)["seq"] == 2


def test_send__pipelined_with_a_gap_in_the_middle__order_is_kept_and_none_is_ahead_of_it(
    pair: Any, world: Any, room: str
) -> None:
    ann = world.client(pair[0])
    ann.join(room)
    answers: list[Any] = []
    wanted = [1, 2, 4, 5, 3, 4]
    for n in wanted:
        payload = {"room": room, "text": f"{n}", "producer": "p", "n": n}
        ann.io.emit("send_message", payload, callback=answers.append)
    ann.wait_for(lambda: len(ann.live(room)) == 4, "the four that follow each other")
    ann.wait_for(lambda: len(answers) == len(wanted), "all answers")
    assert [(m["n"], m["seq"]) for m in ann.live(room)] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert {a["n"]: a["seq"] for a in answers if a["ok"]} == {1: 1, 2: 2, 3: 3, 4: 4}
    refused = [a["error"] for a in answers if not a["ok"]]
    assert [(e["code"], e["expected"], e["definite"]) for e in refused] == [("out_of_order", 3, True)] * 2


def test_send__same_key_with_other_content__key_reused(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "bob")
    ann.join(room)
    bob.join(room)
    assert ann.send(room, "this", producer="p", n=1)["ok"]
    assert ann.send(room, "that", producer="p", n=1)["error"]["code"] == "key_reused"
    assert bob.send(room, "this", producer="p", n=1)["error"]["code"] == "key_reused"
    assert [message["text"] for message in pair[1].messages(room)] == ["this"]


def test_send__without_membership__not_joined_and_no_effect(pair: Any, world: Any, room: str) -> None:
    ann = world.client(pair[0])
    error = ann.send(room, "x", producer="p", n=1)["error"]
    assert (error["code"], error["definite"]) == ("not_joined", True)
    ann.join(room)
    assert ann.send(room, "y", producer="p", n=1)["seq"] == 1


def test_leave__then_messages__none_after_the_acknowledgement(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0]), world.client(pair[1], "bob")
    epoch = ann.join(room)["epoch"]
    bob.join(room)
    for n in range(1, 6):
        ann.send(room, f"{n}", producer="p", n=n)
    bob.wait_for(lambda: len(bob.live(room)) == 5, "5 messages")
    assert bob.call("leave", {"room": room}) == {"ok": True, "room": room, "epoch": epoch, "seq": 5}
    ann.send(room, "6", producer="p", n=6)
    ann.wait_for(lambda: len(ann.live(room)) == 6, "the sixth message")
    assert bob.join(room, {"epoch": epoch, "seq": 6})["seq"] == 6
    assert len(bob.live(room)) == 5
    assert bob.call("leave", {"room": "never-joined"})["ok"]


def test_leave__right_after_a_message_was_acknowledged__has_delivered_it(
    pair: Any, world: Any, room: str
) -> None:
    """Found by two-faults-at-once: a busy node let a member go before its tail had the message."""
    ann, bob = world.client(pair[0]), world.client(pair[1], "bob")
    epoch = ann.join(room)["epoch"]
    seq = 0
    for n in range(1, 31):
        bob.join(room, {"epoch": epoch, "seq": seq})
        seq = ann.send(room, f"{n}", producer="p", n=n)["seq"]
        assert bob.call("leave", {"room": room})["seq"] == seq
        assert bob.live(room)[-1]["seq"] == seq


def test_join__user__comes_from_auth_before_the_join(pair: Any, world: Any, room: str) -> None:
    nobody = world.client(pair[0], None)
    assert nobody.call("join", {"room": room})["error"]["code"] == "bad_request"
    assert nobody.call("join", {"room": room, "user": "cid"})["ok"]
    ann = world.client(pair[0], "ann")
    assert ann.call("join", {"room": room, "user": "mallory"})["ok"]
    ann.send(room, "who am I")
    nobody.send(room, "and I")
    ann.wait_for(lambda: len(ann.live(room)) == 2, "both messages")
    assert [message["user"] for message in ann.live(room)] == ["ann", "cid"]


def test_server_info__on_connect__names_the_peers(pair: Any, world: Any, until: Any) -> None:
    until(lambda: len(pair[0].get("/peers")[1]["peers"]) >= 1, "the registry knows both nodes")
    ann = world.client(pair[0])
    ann.wait_for(lambda: ann.payloads("server_info"), "server_info")
    info = ann.payloads("server_info")[0]
    assert (info["server_id"], info["version"], info["draining"]) == ("node-1", 1, False)
    assert info["session_id"] == ann.io.get_sid()
    assert info["producer"]
    assert {"server_id": "node-2", "url": pair[1].url, "state": "alive"} in info["peers"]


def test_presence__users_on_two_nodes_come_and_go__lists_follow(pair: Any, world: Any, room: str) -> None:
    ann, bob = world.client(pair[0], "ann"), world.client(pair[1], "bob")
    ann.join(room)
    bob.join(room)

    def users(client: Any) -> list[tuple[str, str, str]]:
        lists = [p for p in client.payloads("user_list") if p["room"] == room]
        return [(u["user"], u["node"], u["state"]) for u in lists[-1]["users"]] if lists else []

    both = [("ann", "node-1", "online"), ("bob", "node-2", "online")]
    for client in (ann, bob):
        client.wait_for(lambda c=client: users(c) == both, "both users")
    # A second connection of the same user, and the end of the first, change nobody's presence.
    other = world.client(pair[1], "bob")
    other.join(room)
    bob.close()
    other.wait_for(lambda: users(other) == both, "both users still")
    other.close()
    ann.wait_for(lambda: users(ann) == both[:1], "only ann")
    assert pair[1].get(f"/rooms/{room}/users")[1]["users"] == [
        {"user": "ann", "node": "node-1", "state": "online"}
    ]
