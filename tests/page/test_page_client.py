"""The page's chat client over real nodes: nothing lost, nothing twice, and what cannot be had is said."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cluster.page

pytestmark = [pytest.mark.process, pytest.mark.javascript]

CONTRACT = Path(__file__).parents[1] / "contract" / "js" / "package.json"
PAGE = Path(cluster.page.__file__).with_name("page") / "package.json"


def check_same(room: str, expected: set[str], *chats: Any) -> None:
    """All have all of it, once each, in one order, and nothing waits."""
    texts = [chat.texts(room) for chat in chats]
    assert sorted(texts[0]) == sorted(expected)
    assert all(found == texts[0] for found in texts)
    for chat in chats:
        seen = chat.room(room)
        assert seen["pending"] == []
        assert [divider for divider in seen["dividers"] if divider["kind"] == "gap"] == []
        seqs = [message["seq"] for message in seen["messages"]]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_official_client__of_page_and_contract_tests__in_the_same_versions() -> None:
    page, contract = (json.loads(path.read_text())["dependencies"] for path in (PAGE, CONTRACT))
    assert page == contract
    assert page["socket.io-client"] == "4.8.4"


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_node_lost__two_people_write_on__both_have_the_same_once_each(
    world: Any, chat: Callable[[str, Any], Any], room: str, fault: str
) -> None:
    doomed, survivor = world.node("doomed"), world.node("survivor")
    ann, bob = chat("ann", doomed).open(room), chat("bob", survivor).open(room)
    ann.wait(
        lambda seen: any(peer["id"] == "survivor" for peer in seen["state"]["peers"]), "she knows where to go"
    )
    for one in (ann, bob):
        one.wait(lambda seen: seen["rooms"][room]["joined"], "joined")
        one.ask("talk", room=room, everyMs=40)
    ann.wait(lambda seen: len(seen["rooms"][room]["messages"]) > 30, "they talk")
    doomed.process.signal(signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
    ann.wait(lambda seen: seen["state"]["node"]["id"] == "survivor", "she has moved by herself")
    head = ann.room(room)["head"]
    ann.wait(lambda seen: seen["rooms"][room]["head"] > head + 20, "they talk on")
    said = {f"{one.user} {n}" for one in (ann, bob) for n in range(1, one.ask("hush") + 1)}
    for one in (ann, bob):
        one.wait(lambda seen: len(seen["rooms"][room]["messages"]) >= len(said), "everything")
        one.wait(lambda seen: seen["rooms"][room]["pending"] == [], "nothing waits")
    check_same(room, said, ann, bob)
    assert ann.state()["moved"] == 1
    assert bob.state()["moved"] == 0
    assert ann.room(room)["dividers"][0]["kind"] == "caught-up"


def test_page_reloaded__while_no_node_answers__what_was_pending_is_sent_once(
    world: Any, chat: Callable[[str, Any], Any], room: str
) -> None:
    node, other = world.node("node-1"), world.node("node-2")
    ann, bob = chat("ann", node).open(room), chat("bob", other).open(room)
    ann.call("send", room, "before")
    bob.wait(lambda seen: len(seen["rooms"].get(room, {}).get("messages", ())) == 1, "the first")
    for one in (node, other):
        one.process.signal(signal.SIGSTOP)
    for text in ("one", "two", "three"):
        ann.call("send", room, text)
    ann.wait(lambda seen: seen["state"]["status"] in ("reconnecting", "offline"), "she has noticed")
    ann.call("send", room, "four")
    ann.call("close")
    ann.kill()
    for one in (node, other):
        one.process.signal(signal.SIGCONT)
    ann.open()
    waiting = {pending["text"] for pending in ann.room(room)["pending"]}
    assert waiting <= {"one", "two", "three", "four"}
    expected = ["before", "one", "two", "three", "four"]
    for one in (ann, bob):
        one.wait(lambda seen: len(seen["rooms"][room]["messages"]) >= 5, "everything")
        assert one.texts(room) == expected
    ann.wait(lambda seen: seen["rooms"][room]["pending"] == [], "nothing waits")
    assert node.messages(room) == other.messages(room)
    assert [message["text"] for message in node.messages(room)] == expected


@pytest.mark.one_redis
def test_redis_has_lost_its_data__history_gap__said_honestly_and_the_chat_goes_on(
    own_world: Any, chat: Callable[[str, Any], Any]
) -> None:
    node = own_world.node("node-1")
    ann = chat("ann", node).open("room")
    for n in range(10):
        ann.call("send", "room", f"{n}")
    ann.wait(lambda seen: len(seen["rooms"]["room"]["messages"]) == 10, "ten messages")
    own_world.redis.process.kill()
    for path in own_world.folder.rglob("*.aof"):
        path.unlink()
    for path in own_world.folder.rglob("*.manifest"):
        path.unlink()
    own_world.redis.start()
    ann.call("send", "room", "after")
    seen = ann.wait(lambda seen: "after" in str(seen["rooms"]["room"]["messages"]) and seen, "it goes on")
    found = seen["rooms"]["room"]
    assert [message["text"] for message in found["messages"]] == ["after"]
    assert found["dividers"] == [{"afterSeq": 0, "kind": "gap", "count": 10}]
    assert seen["state"]["status"] == "connected"


def test_direct_message__to_who_is_away__found_when_they_come_on_another_node(
    world: Any, chat: Callable[[str, Any], Any], room: str
) -> None:
    ann_name, bob_name = f"ann {room}", f"bob & <b> {room}"
    nodes = [world.node(f"node-{n}") for n in (1, 2)]
    ann = chat(ann_name, nodes[0]).open()
    ann.call("openDirect", bob_name)
    (name,) = ann.ask("look")["rooms"]
    ann.call("send", name, "psst")
    ann.wait(lambda seen: len(seen["rooms"][name]["messages"]) == 1, "it is in the log")
    bob = chat(bob_name, nodes[1]).open()
    bob.wait(lambda seen: seen["rooms"].get(name, {}).get("direct") == ann_name, "he knows of it")
    bob.wait(lambda seen: len(seen["rooms"][name]["messages"]) == 1, "he has read it")
    bob.call("markRead", name)
    bob.call("send", name, "hm?")
    ann.wait(
        lambda seen: [m["text"] for m in seen["rooms"][name]["messages"]] == ["psst", "hm?"], "his answer"
    )
    ann.wait(lambda seen: seen["rooms"][name]["reads"].get(bob_name) == 1, "that he has read hers")
    ann.call("refreshRooms")
    assert name not in str(ann.ask("look")["directory"])


def test_long_history__first_join_and_scrolling__all_of_it_in_order(
    world: Any, chat: Callable[[str, Any], Any], room: str
) -> None:
    node = world.node("node-1")
    writer = world.client(node)
    writer.join(room)
    for n in range(330):
        writer.io.emit("send_message", {"room": room, "text": f"{n}"})
    writer.wait_for(lambda: len(writer.live(room)) == 330, "all of it")
    ann = chat("ann", node).open(room)
    ann.wait(lambda seen: seen["rooms"][room]["joined"], "joined")
    while ann.room(room)["hasOlder"]:
        ann.call("loadOlder", room)
    assert ann.texts(room) == [f"{n}" for n in range(330)]
    assert ann.room(room)["unread"] == 0


def test_pubsub_variant__no_positions__the_chat_works_and_promises_nothing(
    world: Any, chat: Callable[[str, Any], Any], room: str
) -> None:
    node = world.node("pubsub", DELIVERY="pubsub")
    ann, bob = chat("ann", node).open(room), chat("bob", node).open(room)
    for one in (ann, bob):
        one.wait(lambda seen: seen["rooms"][room]["joined"], "joined")
    ann.call("send", room, "hello")
    for one in (ann, bob):
        one.wait(
            lambda seen: [m["text"] for m in seen["rooms"][room]["messages"]] == ["hello"], "the message"
        )
        one.wait(lambda seen: seen["rooms"][room]["pending"] == [], "nothing waits")
