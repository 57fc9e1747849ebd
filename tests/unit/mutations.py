"""Broken histories by mutation: each takes one good history and breaks one thing in what was seen.

A mutation names the guarantee that it `breaks` and those that must see it `too`, because what it does breaks
them as well; no other check may fail. `Mutation.apply` gets a `World` of `history_builder.py` that has run to
its end, and raises when it finds nothing to break.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from harness.records.history import FLAG_FROM_HISTORY, FLAG_RECOVERED, Op
from harness.records.token import Token, make_text

World = Any
Entry = Any
SECOND = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One way to break a history."""

    name: str
    breaks: str
    too: frozenset[str]
    apply: Callable[[World], None]


MUTATIONS: dict[str, Mutation] = {}


def _breaks(guarantee: str, *too: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def add(apply: Callable[[World], None]) -> Callable[[World], None]:
        name = apply.__name__.replace("_", "-")
        assert apply.__doc__
        MUTATIONS[name] = Mutation(name=name, breaks=guarantee, too=frozenset(too), apply=apply)
        return apply

    return add


def good(made: Any, seed: int = 0) -> World:
    """Return a good run with all that a mutation may need.

    Two rooms, a killed node that comes back, resumes, answers, sends without waiting, a bot that leaves a
    room and joins it again, and time enough at the end that user lists must be right. The seed moves who
    speaks when.
    """
    world = made.World(bots=5, rooms=2, faults=[made.CRASH])
    world.start()
    world.talk(24 + seed % 7)
    world.leave(5, "room-2")
    world.talk(6 + seed % 3)
    world.join(5, "room-2")
    world.pipeline(1)
    world.talk(6)
    world.pipeline(2)
    world.kill()
    world.talk(4 + 2 * (seed % 3))
    world.everyone_back()
    world.talk(24 + seed % 5)
    world.restart()
    world.talk(30 + seed % 4)
    world.wait(25)
    world.pipeline(3)
    world.talk(20)
    world.finish()
    return world


# Finding things. A pick in the middle of the run leaves neighbours on both sides.


def _middle(found: Iterable[Any]) -> Any:
    listed = list(found)
    assert listed, "there is nothing to break"
    return listed[len(listed) // 2]


def _live(world: World, *, bot: int | None = None, own: bool = False, room: str = "room-1") -> list[Entry]:
    """Live deliveries of a room to a bot: those of its own messages, or of others'."""
    return world.find(
        Op.DELIVERY,
        lambda e: (
            not e.flags
            and e.bot in ((bot,) if bot else world.bots)
            and e.a["room"] == world.wire(room)
            and (_sender(world, e.a) == e.bot) == own
        ),
    )


def _sender(world: World, content: dict[str, Any]) -> int:
    return next(bot.ordinal for bot in world.bots.values() if bot.name == content["producer"])


def _sent(world: World, content: dict[str, Any]) -> Any:
    return next(sent for sent in world.sent.values() if sent.text == content["text"])


def _plain(world: World, room: str = "room-1") -> list[Any]:
    """Messages of a room, in its order, that are no answers and not answered."""
    log = world.logs[room]
    asked = {message["reply_to"]["seq"] for message in log if "reply_to" in message}
    return [m for m in log if "reply_to" not in m and m["seq"] not in asked]


def _neighbours(world: World, room: str = "room-1") -> tuple[Any, Any]:
    """Two messages of different senders next to each other in the log, neither an answer nor answered."""
    plain = {m["seq"] for m in _plain(world, room)}
    return _middle(
        (one, other)
        for one, other in pairwise(world.logs[room])
        if one["producer"] != other["producer"] and {one["seq"], other["seq"]} <= plain
    )


def _pipelined(world: World, room: str = "room-1") -> list[tuple[Any, Any]]:
    """Neighbours in the log of one producer that sent the second before the first was delivered."""
    return [
        (one, other)
        for one, other in pairwise(world.logs[room])
        if one["producer"] == other["producer"] and _before_delivery(world, one, other)
    ]


def _before_delivery(world: World, one: dict[str, Any], other: dict[str, Any]) -> bool:
    sent = world.find(Op.SEND, lambda e: e.a["text"] == other["text"])[0]
    return world.entries.index(sent) < world.entries.index(world.deliveries(_sent(world, one))[0])


def _contents(world: World, seq: int, room: str = "room-1") -> list[Entry]:
    wire = world.wire(room)
    return [
        e
        for e in [*world.find(Op.DELIVERY), *world.find(Op.FINAL_READ)]
        if e.a["room"] == wire and e.a["seq"] == seq
    ]


def _ack(world: World, content: dict[str, Any]) -> Entry:
    sent = _sent(world, content)
    return world.find(Op.SEND_OK, lambda e: (e.bot, e.a) == (sent.bot, sent.key))[0]


def _exchange(world: World, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Give two messages each other's place, for everyone and in all acknowledgements."""
    first, second = dict(one), dict(other)
    at_first = _contents(world, first["seq"], first["room"].rpartition(".")[0])
    at_second = _contents(world, second["seq"], second["room"].rpartition(".")[0])
    acks = _ack(world, first), _ack(world, second)
    for entry in at_first:
        entry.a = {**second, "seq": first["seq"]}
    for entry in at_second:
        entry.a = {**first, "seq": second["seq"]}
    acks[0].d, acks[1].d = second["seq"], first["seq"]


def _resume(world: World, bot: int = 1) -> tuple[Entry, Entry, Entry]:
    """JOIN, HISTORY and JOIN_OK of a bot's resume of room-1 after the kill."""
    join = next(
        e for e in world.find(Op.JOIN) if e.bot == bot and e.conn == 2 and e.a == world.wire("room-1")
    )
    history, ok = (
        next(e for e in world.find(op) if (e.bot, e.conn, e.a) == (bot, 2, join.a))
        for op in (Op.HISTORY, Op.JOIN_OK)
    )
    return join, history, ok


def _missed(world: World, bot: int = 1) -> list[Entry]:
    """What the resume brought."""
    return world.find(
        Op.DELIVERY,
        lambda e: (e.bot, e.conn) == (bot, 2) and bool(e.flags) and e.a["room"] == world.wire("room-1"),
    )


def _shift(world: World, entry: Entry, seconds: float) -> None:
    """Let the entry and all after it happen so much later."""
    since, by = world.entries.index(entry), int(seconds * SECOND)
    moment = entry.t_ns
    for later in world.entries[since:]:
        later.t_ns += by
    world.faults = [
        replace(e, t_ns=e.t_ns + by, done_ns=e.done_ns + by) if e.t_ns >= moment else e for e in world.faults
    ]
    world.members = [replace(e, t_ns=e.t_ns + by) if e.t_ns >= moment else e for e in world.members]
    world.meta = replace(
        world.meta, load_ended_ns=world.meta.load_ended_ns + by, ended_ns=world.meta.ended_ns + by
    )


def _last_lists(world: World, room: str = "room-1") -> list[Entry]:
    """The last user list of a room that each bot got."""
    lists = world.find(Op.USER_LIST, lambda e: e.a["room"] == world.wire(room))
    return list({entry.bot: entry for entry in lists}.values())


# acked-durable


@_breaks("acked-durable")
def forgotten_by_all_nodes(world: World) -> None:
    """The log of every node, store and tail, lacks a message that everyone received."""
    seq = _middle(_plain(world))["seq"]
    world.drop(e for e in _contents(world, seq) if e.op is Op.FINAL_READ)


@_breaks("acked-durable", "convergence")
def forgotten_by_one_node(world: World) -> None:
    """The store of one node lacks a message."""
    message = _middle(_plain(world))
    world.drop(world.listed(_sent(world, message), "node-2", "store"))


@_breaks("acked-durable", "complete-delivery", "read-your-writes")
def acknowledged_and_dropped(world: World) -> None:
    """A message is acknowledged, and neither delivered nor in any log."""
    world.drop(_contents(world, _middle(_plain(world))["seq"]))


@_breaks("acked-durable", "convergence")
def room_forgotten_after_a_restart(world: World) -> None:
    """One node serves an empty log of a room."""
    wire = world.wire("room-2")
    world.drop(
        world.find(Op.FINAL_READ, lambda e: e.b == "node-2" and e.c == "store" and e.a["room"] == wire)
    )


@_breaks("acked-durable", "convergence")
def stale_history_on_one_node(world: World) -> None:
    """The store of one node ends three messages early."""
    head = len(world.logs["room-1"])
    world.drop(
        world.find(
            Op.FINAL_READ,
            lambda e: (
                (e.b, e.c) == ("node-3", "store")
                and e.a["room"] == world.wire("room-1")
                and e.a["seq"] > head - 3
            ),
        )
    )


# complete-delivery


@_breaks("complete-delivery")
def one_delivery_dropped(world: World) -> None:
    """One recipient never gets one message."""
    world.drop([_middle(_live(world, bot=3))])


@_breaks("complete-delivery")
def every_twentieth_delivery_dropped(world: World) -> None:
    """Some recipients lack some messages; none of them their own, and no resume is touched."""
    world.drop(_live(world, bot=3)[4::20] + _live(world, bot=2)[9::20])


@_breaks("complete-delivery")
def one_recipient_forgotten(world: World) -> None:
    """One recipient gets nothing of a stretch of the room."""
    world.drop(_live(world, bot=3)[10:20])


@_breaks("complete-delivery")
def last_message_never_delivered(world: World) -> None:
    """One recipient lacks the last message: no later one shows the gap."""
    world.drop([_live(world, bot=3)[-1]])


@_breaks("complete-delivery")
def silent_after_the_last_join(world: World) -> None:
    """A connection gets nothing more of others after a while, and is not closed."""
    world.drop(_live(world, bot=3, room="room-2")[-6:])


# no-duplicates


@_breaks("no-duplicates")
def delivered_twice_live(world: World) -> None:
    """A message comes live two times in a row."""
    world.insert_after(_middle(_live(world, bot=3)))


@_breaks("no-duplicates")
def delivered_again_much_later(world: World) -> None:
    """A message comes live once more, long after the first time."""
    live = _live(world, bot=3)
    world.insert_after(live[-2], a=dict(live[5].a))


@_breaks("no-duplicates")
def resume_repeats_the_cursor(world: World) -> None:
    """A resume begins with what the cursor covered."""
    join, history, _ = _resume(world)
    known = world.logs["room-1"][join.c - 2]
    world.insert_after(history, op=Op.DELIVERY, flags=FLAG_FROM_HISTORY, a=dict(known), b=0, c=0)
    history.c += 1


@_breaks("no-duplicates")
def resume_and_live_overlap(world: World) -> None:
    """What the resume brought comes live once more."""
    *_, ok = _resume(world)
    world.insert_after(ok, op=Op.DELIVERY, flags=0, a=dict(_missed(world)[-1].a), b=0, c=0)


@_breaks("no-duplicates")
def committed_twice(world: World) -> None:
    """A message has two places at the end of the log, for everyone: its key was forgotten."""
    log = world.logs["room-1"]
    again = {**_middle(_plain(world)), "seq": len(log) + 1}
    for entry in [e for e in _contents(world, len(log)) if e.op is Op.FINAL_READ]:
        world.insert_after(entry, a=dict(again))
    for bot in world.bots:
        last = world.find(Op.DELIVERY, lambda e, bot=bot: e.bot == bot and e.a["room"] == again["room"])[-1]
        world.insert_after(last, a=dict(again))


@_breaks("no-duplicates")
def listed_twice_by_all(world: World) -> None:
    """Every node lists an entry two times."""
    for entry in [e for e in _contents(world, _middle(_plain(world))["seq"]) if e.op is Op.FINAL_READ]:
        world.insert_after(entry)


# integrity


@_breaks("integrity", "complete-delivery")
def text_altered(world: World) -> None:
    """One recipient gets a text with one sign more."""
    _middle(_live(world, bot=3)).a["text"] += "."


@_breaks("integrity", "complete-delivery")
def body_replaced_with_its_checksum(world: World) -> None:
    """One recipient gets another body, with a checksum that fits."""
    entry = _middle(_live(world, bot=3))
    sent = _sent(world, entry.a)
    entry.a["text"] = make_text(Token("0a1b2c3d", sent.bot, sent.key), "something else")


@_breaks("integrity")
def sender_swapped(world: World) -> None:
    """One recipient gets a message under another user's name."""
    _middle(_live(world, bot=3)).a["user"] = "bot-02.0a1b2c3d.0a1b2c3d"


@_breaks("integrity")
def number_altered(world: World) -> None:
    """One recipient gets a message with another n."""
    _middle(_live(world, bot=3)).a["n"] += 100


@_breaks("integrity")
def answer_made_of_a_plain_message(world: World) -> None:
    """One recipient gets a message as an answer to another, which it is not."""
    message = _middle(_plain(world))
    (entry,) = world.deliveries(_sent(world, message), bot=3)
    entry.a["reply_to"] = {"epoch": "e1", "seq": 1}


@_breaks("integrity")
def delivered_to_the_wrong_room(world: World) -> None:
    """A message of one room comes under the name of another."""
    entry = _middle(_live(world, bot=3, room="room-2"))
    stray = dict(_middle(_live(world, bot=3)).a)
    world.insert_after(entry, a={**stray, "room": world.wire("room-2")})


@_breaks("integrity")
def ghost_delivered(world: World) -> None:
    """A message comes that nobody sent."""
    entry = _middle(_live(world, bot=3))
    ghost = {**entry.a, "text": make_text(Token("0a1b2c3d", 2, 999), "ghost"), "seq": 10**6}
    world.insert_after(entry, a=ghost)
    world.drop([])
    ghost["epoch"] = None


@_breaks("integrity")
def delivered_after_the_leave(world: World) -> None:
    """What is said in a room reaches, live, somebody who has left it."""
    left = world.find(Op.LEAVE_OK)[0]
    later = next(
        e
        for e in world.entries[world.entries.index(left) :]
        if e.op is Op.DELIVERY and e.a["room"] == left.a and not e.flags
    )
    again = world.insert_after(later, bot=left.bot, conn=left.conn)
    assert again.bot == 5


@_breaks("integrity")
def delivered_before_any_join(world: World) -> None:
    """A message comes live on a connection that has asked to join nothing yet."""
    join, *_ = _resume(world)
    first = next(e for e in world.find(Op.CONNECT) if (e.bot, e.conn) == (join.bot, join.conn))
    world.insert_after(first, op=Op.DELIVERY, flags=0, a=dict(_missed(world)[0].a))


@_breaks("integrity")
def rejected_but_delivered(world: World) -> None:
    """A message is definitely rejected, and stands in the log all the same."""
    message = _middle(_plain(world))
    ack = _ack(world, message)
    ack.op, ack.flags, ack.c, ack.d = Op.SEND_FAILED, 1, "text_too_long: no", 0


@_breaks("integrity")
def entry_without_an_epoch(world: World) -> None:
    """One recipient gets a message that names no epoch."""
    _middle(_live(world, bot=3)).a["epoch"] = None


@_breaks("integrity", "complete-delivery")
def text_emptied(world: World) -> None:
    """One recipient gets a message without its text."""
    _middle(_live(world, bot=3)).a["text"] = ""


# total-order


@_breaks("total-order", "convergence")
def other_order_on_one_node(world: World) -> None:
    """One node lists two messages at each other's positions."""
    one, other = (_sent(world, m) for m in _neighbours(world))
    for first, second in zip(world.listed(one, "node-2"), world.listed(other, "node-2"), strict=True):
        first.a, second.a = {**second.a, "seq": first.a["seq"]}, {**first.a, "seq": second.a["seq"]}


@_breaks("total-order")
def position_used_twice(world: World) -> None:
    """Two messages have one position, for everyone, and the next is skipped."""
    one, other = _neighbours(world)
    for entry in _contents(world, other["seq"]):
        entry.a["seq"] = one["seq"]
    _ack(world, other).d = one["seq"]


@_breaks("total-order")
def position_skipped(world: World) -> None:
    """The numbers jump over one position."""
    seq, wire = _middle(_plain(world))["seq"], world.wire("room-1")
    _later(world, seq, wire)


def _later(world: World, seq: int, wire: str) -> None:
    """Move all that lies from a position on by one."""
    for entry in [*world.find(Op.DELIVERY), *world.find(Op.FINAL_READ)]:
        content = entry.a
        if content["room"] == wire:
            content["seq"] += content["seq"] >= seq
            if "reply_to" in content and content["reply_to"]["seq"] >= seq:
                content["reply_to"] = {**content["reply_to"], "seq": content["reply_to"]["seq"] + 1}
    rooms = {(s.bot, s.key): s.room for s in world.sent.values()}
    for entry in world.find(Op.SEND_OK):
        entry.d += entry.d >= seq and world.wire(rooms[entry.bot, entry.a]) == wire
    for entry in world.find(Op.SEND):
        answers = entry.a.get("reply_to")
        if entry.a["room"] == wire and answers and answers["seq"] >= seq:
            entry.a["reply_to"] = {**answers, "seq": answers["seq"] + 1}
    for entry in [*world.find(Op.JOIN_OK), *world.find(Op.LEAVE_OK)]:
        entry.c += entry.a == wire and entry.c >= seq
    for entry in world.find(Op.JOIN):
        entry.c += entry.a == wire and entry.c - 1 >= seq


@_breaks("total-order")
def acknowledged_with_a_wrong_position(world: World) -> None:
    """An acknowledgement names the next message's position."""
    _ack(world, _neighbours(world)[0]).d += 1


@_breaks("total-order")
def acknowledged_without_a_position(world: World) -> None:
    """An acknowledgement names no position."""
    _ack(world, _middle(_plain(world))).d = 0


@_breaks("total-order", "gapless-resume")
def another_epoch_for_one_recipient(world: World) -> None:
    """One recipient gets a message in an epoch that nobody else knows."""
    _middle(_live(world, bot=3)).a["epoch"] = "e9"


@_breaks("total-order", "monotonic-reads")
def swapped_live_for_one_recipient(world: World) -> None:
    """One recipient gets two messages of different senders in the wrong order."""
    one, other = (world.deliveries(_sent(world, m), bot=3)[0] for m in _neighbours(world))
    one.a, other.a = other.a, one.a


@_breaks("total-order", "convergence")
def listed_out_of_order(world: World) -> None:
    """One node lists two entries in the wrong order, with their right positions."""
    one, other = (_sent(world, m) for m in _neighbours(world))
    for first, second in zip(
        world.listed(one, "node-2", "store"), world.listed(other, "node-2", "store"), strict=True
    ):
        first.a, second.a = second.a, first.a


# fifo-order


@_breaks("fifo-order")
def committed_in_the_wrong_order(world: World) -> None:
    """Two messages of one producer lie in the log in the wrong order, for everyone."""
    _exchange(world, *_middle(_pipelined(world)))


@_breaks("fifo-order", "total-order", "monotonic-reads")
def one_producer_swapped_for_one_recipient(world: World) -> None:
    """One recipient gets two messages of one producer in the wrong order."""
    pair = _middle(_pipelined(world))
    first, second = (world.deliveries(_sent(world, m), bot=4)[0] for m in pair)
    first.a, second.a = second.a, first.a


@_breaks("fifo-order")
def every_pipeline_reversed(world: World) -> None:
    """Whenever a producer sends two at once, the second is committed first."""
    pairs = _pipelined(world)
    assert len(pairs) >= 2
    for one, other in pairs:
        _exchange(world, one, other)


# causal-order


def _answer(world: World) -> tuple[Any, Any]:
    """An answer and what it answers, its neighbour in the log."""
    log = world.logs["room-1"]
    answers = [m for m in log if "reply_to" in m and m["reply_to"]["seq"] == m["seq"] - 1]
    answer = _middle(answers)
    return answer, log[answer["reply_to"]["seq"] - 1]


@_breaks("causal-order")
def answer_before_its_question(world: World) -> None:
    """An answer lies in the log before what it answers, for everyone."""
    answer, question = _answer(world)
    _exchange(world, question, answer)
    for entry in [*world.find(Op.DELIVERY), *world.find(Op.FINAL_READ), *world.find(Op.SEND)]:
        if entry.a["text"] == answer["text"]:
            entry.a["reply_to"] = {"epoch": "e1", "seq": answer["seq"]}


@_breaks("causal-order", "total-order", "monotonic-reads")
def answer_received_first(world: World) -> None:
    """One recipient gets the answer, live, before what it answers."""
    answer, question = _answer(world)
    bot = next(b for b in world.bots if b not in (_sender(world, answer), _sender(world, question)))
    first, second = (world.deliveries(_sent(world, m), bot=bot)[0] for m in (question, answer))
    first.a, second.a = second.a, first.a


@_breaks("causal-order", "total-order", "monotonic-reads")
def placed_before_what_its_sender_had_seen(world: World) -> None:
    """A message gets a place before one that its sender had received when it sent it."""
    one, other = _neighbours(world)
    received = world.deliveries(_sent(world, one)), world.deliveries(_sent(world, other))
    before = [copy.deepcopy(entry.a) for entries in received for entry in entries]
    _exchange(world, one, other)
    for entry, content in zip([*received[0], *received[1]], before, strict=True):
        seq = other["seq"] if content["text"] == one["text"] else one["seq"]
        entry.a = {**content, "seq": seq}


# read-your-writes


@_breaks("read-your-writes", "complete-delivery")
def own_message_not_echoed(world: World) -> None:
    """A sender never gets its own message."""
    own = [e for e in _live(world, bot=3, own=True) if e.a["seq"] in {m["seq"] for m in _plain(world)}]
    world.drop([_middle(own)])


@_breaks("read-your-writes")
def joined_an_old_state(world: World) -> None:
    """A bot that joins again is told a head from before its own acknowledged message."""
    again = _rejoin(world)
    own = [
        m
        for m in world.logs["room-2"]
        if m["producer"] == "bot-05" and m["seq"] <= again[-1].c and _ack(world, m).t_ns < again[0].t_ns
    ]
    before = own[-1]["seq"] - 1
    _cut_snapshot(world, again, before)


def _rejoin(world: World) -> tuple[Entry, Entry, Entry]:
    """JOIN, HISTORY and JOIN_OK of bot-05's second join of room-2."""
    left = world.entries.index(world.find(Op.LEAVE_OK)[0])
    wire = world.wire("room-2")
    return tuple(
        next(e for e in world.entries[left:] if e.op is op and e.bot == 5 and e.a == wire)
        for op in (Op.JOIN, Op.HISTORY, Op.JOIN_OK)
    )  # type: ignore[return-value]


def _cut_snapshot(world: World, join: tuple[Entry, Entry, Entry], head: int) -> None:
    """Let a join's snapshot and head end at a position; what it does not bring comes live after it."""
    _, history, ok = join
    begin, end = world.entries.index(history), world.entries.index(ok)
    brought = world.entries[begin + 1 : end]
    cut = [e for e in brought if e.op is Op.DELIVERY and e.a["seq"] > head]
    world.drop(cut)
    at = world.entries.index(ok)
    world.entries[at + 1 : at + 1] = cut
    for entry in cut:
        entry.flags = 0
    history.c -= len(cut)
    ok.c = head


# monotonic-reads


@_breaks("monotonic-reads")
def old_message_live_in_a_new_membership(world: World) -> None:
    """A bot that has joined again gets live a message from long before its join."""
    again = _rejoin(world)
    old = world.logs["room-2"][0]
    begin, end = world.entries.index(again[1]), world.entries.index(again[2])
    brought = [e for e in world.entries[begin + 1 : end] if e.op is Op.DELIVERY]
    world.drop([e for e in brought if e.a["seq"] == 1])
    again[1].c -= sum(e.a["seq"] == 1 for e in brought)
    world.insert_after(again[2], op=Op.DELIVERY, flags=0, a=dict(old), b=0, c=0)


@_breaks("monotonic-reads")
def joined_before_what_it_had_received(world: World) -> None:
    """A bot whose cursor is of an unknown epoch is told a head from before what it had received."""
    join, history, ok = _resume(world)
    reached = join.c - 1
    log = world.logs["room-1"]
    assert log[reached - 1]["producer"] != "bot-01"
    late = _missed(world)
    for entry in late:  # What the snapshot does not bring comes live after it.
        entry.flags = 0
    world.drop(late)
    at = world.entries.index(ok)
    world.entries[at + 1 : at + 1] = late
    join.b = "e0"
    history.flags &= ~FLAG_RECOVERED
    ok.flags &= ~FLAG_RECOVERED
    history.c, ok.c = 0, reached - 1


# gapless-resume


@_breaks("gapless-resume", "complete-delivery")
def resume_skips_one(world: World) -> None:
    """A resume says that it is complete and leaves one message out."""
    gone = next(e for e in _missed(world)[1:] if _sender(world, e.a) != 1)
    _resume(world)[1].c -= 1
    world.drop([gone])


@_breaks("gapless-resume", "complete-delivery")
def resume_brings_nothing(world: World) -> None:
    """A resume says that it is complete and brings nothing of what was missed."""
    _resume(world)[1].c = 0
    world.drop(_missed(world))


@_breaks("gapless-resume")
def refused_without_a_cause(world: World) -> None:
    """A resume is refused though all that it asks for is there."""
    _, history, ok = _resume(world)
    history.flags &= ~FLAG_RECOVERED
    ok.flags &= ~FLAG_RECOVERED


@_breaks("gapless-resume", "monotonic-reads")
def head_before_the_cursor(world: World) -> None:
    """A resume says that it is complete, up to a head before the bot's cursor."""
    join, history, ok = _resume(world)
    late = _missed(world)
    for entry in late:
        entry.flags = 0
    world.drop(late)
    at = world.entries.index(ok)
    world.entries[at + 1 : at + 1] = late
    history.c, ok.c = 0, join.c - 2


@_breaks("gapless-resume", "complete-delivery")
def live_begins_too_late(world: World) -> None:
    """After a complete resume the first live message is left out."""
    first = next(
        e
        for e in world.find(Op.DELIVERY)
        if (e.bot, e.conn, e.flags) == (4, 2, 0) and e.a["room"] == world.wire("room-1")
    )
    assert _sender(world, first.a) != 4
    world.drop([first])


@_breaks("gapless-resume")
def epoch_changed_without_a_word(world: World) -> None:
    """A new epoch opens, and one recipient alone gets its messages without having been told of it."""
    wire, end = world.wire("room-1"), len(world.logs["room-1"]) - 6
    _open_epoch(world, wire, end)
    for bot in world.bots.keys() - {3}:
        first = next(e for e in _live_of(world, wire) if e.bot == bot and e.a["seq"] > end)
        told = copy.deepcopy(first)
        told.op, told.flags, told.a, told.b, told.c, told.d = Op.HISTORY, 0, wire, "e2", 0, 0
        world.entries.insert(world.entries.index(first), told)


def _live_of(world: World, wire: str) -> list[Entry]:
    return world.find(Op.DELIVERY, lambda e: not e.flags and e.a["room"] == wire)


def _open_epoch(world: World, wire: str, end: int) -> None:
    """Put all that comes after a position, which is after all joins, into a new epoch."""
    placed = [e for e in world.entries if e.op in (Op.DELIVERY, Op.FINAL_READ) and e.a["room"] == wire]
    for entry in world.find(Op.SEND_OK):
        if entry.d > end and world.sent[entry.bot, entry.a].room == "room-1":
            entry.c = "e2"
    for entry in (*placed, *world.find(Op.SEND, lambda e: e.a["room"] == wire)):
        answered = entry.a.get("reply_to")
        if answered is not None and answered["seq"] > end:
            entry.a["reply_to"] = {**answered, "epoch": "e2"}
        if entry.a.get("seq", 0) > end:
            entry.a["epoch"] = "e2"


# convergence


@_breaks("convergence")
def tail_lacks_one(world: World) -> None:
    """One node's tail, which is what it delivered, lacks a message that its store has."""
    world.drop(world.listed(_sent(world, _middle(_plain(world))), "node-3", "tail"))


@_breaks("convergence")
def tail_ends_early(world: World) -> None:
    """One node's tail has not reached the head."""
    head = len(world.logs["room-1"])
    world.drop(
        world.find(
            Op.FINAL_READ,
            lambda e: (
                (e.b, e.c) == ("node-1", "tail")
                and e.a["room"] == world.wire("room-1")
                and e.a["seq"] == head
            ),
        )
    )


@_breaks("convergence")
def converged_too_late(world: World) -> None:
    """Long after healing a node's tail was behind; then it caught up."""
    first = world.find(Op.FINAL_READ)[0]
    _shift(world, first, 30)
    world.meta = replace(world.meta, load_ended_ns=world.meta.load_ended_ns - 30 * SECOND)
    third = copy.deepcopy(
        [e for e in world.entries if e.op in (Op.FINAL_READ, Op.FINAL_READ_END) and e.d == 2]
    )
    at = world.entries.index(world.find(Op.FINAL_READ_END, lambda e: e.d == 2)[-1])
    for entry in third:
        entry.d = 3
    world.entries[at + 1 : at + 1] = third
    head = len(world.logs["room-1"])
    world.drop(
        world.find(
            Op.FINAL_READ,
            lambda e: (
                (e.b, e.c, e.d) == ("node-1", "tail", 1)
                and e.a["room"] == world.wire("room-1")
                and e.a["seq"] == head
            ),
        )
    )


# presence


@_breaks("presence")
def dead_user_kept(world: World) -> None:
    """The lists keep a user whom nobody connected: one that was only ever in another room."""
    lists = world.find(Op.USER_LIST, lambda e: e.bot == 5 and e.a["room"] == world.wire("room-2"))
    assert lists
    left = world.find(Op.LEAVE, lambda e: e.bot == 5)[0]
    _shift(world, world.entries[world.entries.index(_rejoin(world)[0])], 25)
    between = [
        e
        for e in world.find(Op.USER_LIST, lambda e: e.a["room"] == world.wire("room-2") and e.bot != 5)
        if left.t_ns <= e.t_ns < _rejoin(world)[0].t_ns
    ]
    assert between
    for entry in between:
        entry.a["users"].append({"user": "bot-05.0a1b2c3d", "node": "node-1", "state": "online"})


@_breaks("presence")
def live_user_missing(world: World) -> None:
    """The last lists lack a user that is in the room."""
    for entry in _last_lists(world):
        entry.a["users"] = [user for user in entry.a["users"] if user["user"] != "bot-02.0a1b2c3d"]


@_breaks("presence")
def user_listed_twice(world: World) -> None:
    """A list has a user two times."""
    entry = _last_lists(world)[0]
    entry.a["users"] = [*entry.a["users"], dict(entry.a["users"][0])]


@_breaks("presence")
def live_user_listed_as_lost(world: World) -> None:
    """A list has a connected user as lost."""
    entry = _last_lists(world)[1]
    entry.a["users"][0] = {**entry.a["users"][0], "state": "lost"}


@_breaks("presence")
def no_list_after_coming_back(world: World) -> None:
    """A bot that came back is never told who is there."""
    world.drop(world.find(Op.USER_LIST, lambda e: (e.bot, e.conn) == (1, 2)))


# reconnection


@_breaks("reconnection")
def back_too_late(world: World) -> None:
    """A bot is back only after six seconds."""
    _shift(world, next(e for e in world.find(Op.CONNECT) if (e.bot, e.conn) == (1, 2)), 6)


@_breaks("reconnection")
def lost_in_the_end(world: World) -> None:
    """A bot loses its connection near the end, and nobody takes it in again."""
    world.drop(e for e in world.entries if e.bot == 2 and e.op is Op.DISCONNECT)
    last = [e for e in world.entries if e.bot == 2][-1]
    lost = copy.deepcopy(last)
    lost.op, lost.flags, lost.a, lost.b, lost.c, lost.d = Op.DISCONNECT, 0, "transport: reset", 0, 0, 0
    world.entries.insert(world.entries.index(last) + 1, lost)


# availability


@_breaks("availability")
def send_never_answered(world: World) -> None:
    """A send gets no answer at all."""
    world.drop([_ack(world, _plain(world)[4])])


@_breaks("availability")
def send_answered_after_six_seconds(world: World) -> None:
    """A send is acknowledged after six seconds."""
    _shift(world, _ack(world, _plain(world)[4]), 6)


@_breaks("availability")
def waited_too_long(world: World) -> None:
    """Everything stands still for nine seconds, with a send under way."""
    _shift(world, _ack(world, _plain(world)[6]), 9)


def matrix(guarantees: Iterable[str]) -> str:
    """Return the table mutation × check in Markdown: ✘ what it breaks, ○ what must see it too."""
    names = list(guarantees)
    short = {name: "".join(part[0] for part in name.split("-")) for name in names}
    short.update({"complete-delivery": "cd", "convergence": "co", "causal-order": "cs", "presence": "p"})
    lines = [
        ", ".join(f"*{short[name]}* {name}" for name in names) + ".",
        "",
        f"| what is broken in the history | {' | '.join(short[name] for name in names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for mutation in MUTATIONS.values():
        marks = ("✘" if n == mutation.breaks else "○" if n in mutation.too else "" for n in names)
        lines.append(f"| {_what(mutation)} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def _what(mutation: Mutation) -> str:
    return (mutation.apply.__doc__ or "").strip().split("\n")[0].removesuffix(".")
