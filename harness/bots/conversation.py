"""One connection of a bot: it joins, sends, resends, and takes what comes, until the connection is lost.

A room is OUTSIDE until its join is sent, JOINING until that is acknowledged, then JOINED; only then are
messages sent to it. A bot that roams leaves a room: LEAVING until that is acknowledged, then OUTSIDE, and not
wanted until it returns. A join that the node refuses for the moment is repeated on the same connection; one
that is refused for good, or not acknowledged in time, ends the connection, and the bot tries another node.

`step` does what is due and says when it wants to be called again. Everything else is called by the client's
reader, between two steps, in the order in which frames came; `wake` then asks for an early step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Protocol

from harness import clock
from harness.bots import wire
from harness.bots.cursor import Cursor
from harness.bots.failover import Failover
from harness.bots.outbox import Attempt, Message, Outbox, SendError
from harness.bots.recorder import BotRecorder
from harness.bots.wire import Ack, Json, Malformed, Reader, Sighting

JOIN_AGAIN = frozenset({"store_unavailable", "rate_limited"})
JOIN_PAUSE_NS = 100_000_000
REFUSED = "refused: "


class Client(Protocol):
    """What a conversation needs of the Socket.IO client."""

    def request(self, event: str, data: Json, answer: Callable[[int, list[Json]], None]) -> None:
        """Emit an event whose acknowledgement goes to `answer`."""

    def hang_up(self, reason: str) -> None:
        """End the connection now; `lost` is called before this returns."""

    def leave(self, reason: str) -> None:
        """The same, with a goodbye to the node."""

    def mind_silence(self) -> None:
        """End the connection when the node has been silent for too long."""


class Report(Protocol):
    """Where the outcome of a request goes (Locust's statistics)."""

    def __call__(self, name: str, latency_ns: int, error: str | None) -> None:
        """`error` is `None` for a success."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Self:
    """What a bot keeps across its connections."""

    rooms: dict[str, Cursor]  # by wire name
    outbox: Outbox
    recorder: BotRecorder
    reader: Reader
    failover: Failover
    with_cursor: bool  # pub/sub: joins carry no cursor, and nothing is paged
    report: Report
    wake: Callable[[], None]
    page: Callable[[str, int, int], None]  # (room, after, before): fetch what a snapshot leaves out
    heard: dict[str, tuple[str, int]] = field(default_factory=dict)  # what came live last, by room


class Stage(Enum):
    """Where a bot is with one room on this connection."""

    OUTSIDE = auto()
    JOINING = auto()
    JOINED = auto()
    LEAVING = auto()


@dataclass(eq=False, kw_only=True, slots=True)
class _Stay:
    room: str
    stage: Stage = Stage.OUTSIDE
    wanted: bool = True
    asked_ns: int = 0
    retry_at_ns: int = 0
    deadline_ns: int | None = field(default=None)  # of this join, repetitions included


class Conversation:
    """See the module. `over` is true once the connection is lost; then nothing more happens."""

    def __init__(self, me: Self, client: Client, node: str, *, join_timeout_s: float) -> None:
        self.over = False
        self.is_accepted = False
        self._me = me
        self._client = client
        self._node = node
        self._join_timeout_s = join_timeout_s
        self._stays = {room: _Stay(room=room) for room in me.rooms}

    @property
    def is_joined(self) -> bool:
        """Whether the bot is in all its rooms but one that it has left."""
        settled = {True: Stage.JOINED, False: Stage.OUTSIDE}
        return not self.over and all(stay.stage is settled[stay.wanted] for stay in self._stays.values())

    def is_in(self, room: str) -> bool:
        """Whether the bot is in a room."""
        return self._stays[room].stage is Stage.JOINED

    def leave_room(self, room: str) -> None:
        """Leave a room for a while. Whoever joins again begins anew, without a cursor."""
        stay, now_ns = self._stays[room], clock.now_ns()
        if self.over or stay.stage is not Stage.JOINED:
            return
        stay.stage, stay.wanted, stay.asked_ns = Stage.LEAVING, False, now_ns
        stay.deadline_ns = now_ns + int(self._join_timeout_s * clock.NS)
        self._me.rooms[room] = Cursor()
        self._me.recorder.leave(now_ns, room)
        self._client.request("leave", {"room": room}, partial(self._left, stay))

    def return_to(self, room: str) -> None:
        """Join a room again that was left."""
        self._stays[room].wanted = True

    def step(self) -> int | None:
        """Join and send what is due; returns the stamp of the next time that something will be."""
        if self.over:
            return None
        for stay in self._stays.values():
            if stay.stage is Stage.JOINED:
                self._send_due(stay.room)
            elif stay.wanted or stay.stage is Stage.LEAVING:
                self._see_to_join(stay, clock.now_ns())
            if self.over:
                return None
        times = [self._next_ns(stay) for stay in self._stays.values()]
        return min((time for time in times if time is not None), default=None)

    def mind_silence(self) -> None:
        """End the connection when the node has been silent for too long."""
        self._client.mind_silence()

    def leave(self, reason: str) -> None:
        """End the connection on the bot's own wish."""
        self._client.leave(reason)

    def accepted(self, t_ns: int) -> None:
        """The node accepted the connection."""
        self.is_accepted = True
        self._me.recorder.connected(t_ns, self._node)

    def message(self, t_ns: int, sighting: Sighting) -> None:
        """A chat message came live."""
        self._me.recorder.delivery(t_ns, sighting)
        cursor = self._me.rooms.get(sighting.room)
        if cursor is None:
            self.odd(t_ns, f"a message of no room that the bot is in: {sighting.room!r}")
        else:
            cursor.live(sighting.epoch, sighting.seq)
            if sighting.epoch is not None and sighting.seq is not None:
                self._me.heard[sighting.room] = (sighting.epoch, sighting.seq)

    def event(self, t_ns: int, name: str, args: list[Json]) -> None:
        """Something else came."""
        try:
            self._take_event(t_ns, name, args)
        except Malformed as error:
            self.odd(t_ns, str(error))

    def odd(self, t_ns: int, what: str) -> None:
        """Something came that the protocol does not know."""
        self._me.recorder.error(t_ns, f"from {self._node}: {what}")

    def lost(self, t_ns: int, reason: str) -> None:
        """The connection is over, or was never made."""
        if self.over:
            return
        self.over = True
        self._me.recorder.disconnected(t_ns, reason)
        for attempt in self._me.outbox.cut_off():
            self._me.recorder.send_lost(t_ns, attempt, reason)
            self._me.report("send_message", 0, f"lost: {reason}")
        for cursor in self._me.rooms.values():
            cursor.cut_off()
        self._me.wake()

    def _next_ns(self, stay: _Stay) -> int | None:
        match stay.stage:
            case Stage.OUTSIDE if not stay.wanted:
                return None
            case Stage.OUTSIDE:
                ends_ns = stay.deadline_ns
                return stay.retry_at_ns if ends_ns is None else min(stay.retry_at_ns, ends_ns)
            case Stage.JOINING | Stage.LEAVING:
                return stay.deadline_ns
            case Stage.JOINED:
                return self._me.outbox.next_due_ns(stay.room)

    def _see_to_join(self, stay: _Stay, now_ns: int) -> None:
        if stay.deadline_ns is not None and now_ns >= stay.deadline_ns:
            self._join_timed_out(stay, now_ns)
        elif stay.stage is Stage.OUTSIDE and now_ns >= stay.retry_at_ns:
            self._join(stay, now_ns)

    def _join(self, stay: _Stay, now_ns: int) -> None:
        if stay.deadline_ns is None:
            stay.deadline_ns = now_ns + int(self._join_timeout_s * clock.NS)
        stay.stage, stay.asked_ns = Stage.JOINING, now_ns
        payload: dict[str, Json] = {"room": stay.room}
        cursor = self._me.rooms[stay.room].position if self._me.with_cursor else None
        if cursor is not None:
            payload["cursor"] = {"epoch": cursor[0], "seq": cursor[1]}
        self._me.recorder.join(now_ns, stay.room, cursor)
        self._client.request("join", payload, partial(self._joined, stay))

    def _joined(self, stay: _Stay, t_ns: int, args: list[Json]) -> None:
        if self.over or stay.stage is not Stage.JOINING:
            return
        answer = self._answer(t_ns, args)
        if isinstance(answer, Ack):
            self._me.recorder.join_ok(t_ns, stay.room, answer)
            self._me.rooms[stay.room].joined(answer.epoch, answer.seq)
            stay.stage, stay.deadline_ns = Stage.JOINED, None
            self._me.report("join", t_ns - stay.asked_ns, None)
        else:
            self._join_refused(stay, t_ns, answer)
        self._me.wake()

    def _join_refused(self, stay: _Stay, t_ns: int, error: SendError | None) -> None:
        why = str(error) if error else "the acknowledgement is malformed"
        self._me.recorder.join_failed(t_ns, stay.room, why)
        self._me.report("join", t_ns - stay.asked_ns, REFUSED + why)
        if error is None or error.code not in JOIN_AGAIN:
            self._client.hang_up(f"join refused: {why}")
            return
        pause_ns = max(JOIN_PAUSE_NS, (error.retry_after_ms or 0) * 1_000_000)
        stay.stage, stay.retry_at_ns = Stage.OUTSIDE, t_ns + pause_ns

    def _left(self, stay: _Stay, t_ns: int, args: list[Json]) -> None:
        if self.over or stay.stage is not Stage.LEAVING:
            return
        answer = self._answer(t_ns, args)
        if isinstance(answer, Ack):
            self._me.recorder.leave_ok(t_ns, stay.room, answer)
            self._me.report("leave", t_ns - stay.asked_ns, None)
            stay.stage, stay.deadline_ns, stay.retry_at_ns = Stage.OUTSIDE, None, t_ns
            self._me.wake()
        else:
            why = f"leave refused: {answer or 'the acknowledgement is malformed'}"
            self._me.report("leave", t_ns - stay.asked_ns, why)
            self._client.hang_up(why)  # The record must not leave open whether it is in the room.

    def _join_timed_out(self, stay: _Stay, now_ns: int) -> None:
        what = "leave" if stay.stage is Stage.LEAVING else "join"
        why = f"{what} not acknowledged within {self._join_timeout_s:g} s"
        if stay.stage is Stage.JOINING:
            self._me.recorder.join_failed(now_ns, stay.room, why)
            self._me.report("join", now_ns - stay.asked_ns, why)
        self._client.hang_up(why)

    def _send_due(self, room: str) -> None:
        for message in self._me.outbox.due(room, clock.now_ns()):
            self._send(message)
            if self.over:
                return

    def _send(self, message: Message) -> None:
        payload: dict[str, Json] = {
            "room": message.room,
            "text": message.text,
            "producer": message.producer,
            "n": message.n,
        }
        if message.reply_to is not None:
            payload["reply_to"] = {"epoch": message.reply_to[0], "seq": message.reply_to[1]}
        now_ns = clock.now_ns()
        attempt = self._me.outbox.begin(message, now_ns)
        self._me.recorder.send(now_ns, attempt, payload)
        self._client.request("send_message", payload, partial(self._sent, attempt))

    def _sent(self, attempt: Attempt, t_ns: int, args: list[Json]) -> None:
        if self.over:
            return
        answer = self._answer(t_ns, args)
        if isinstance(answer, Ack):
            self._me.recorder.send_ok(t_ns, attempt, answer)
            sent_ns = self._me.outbox.acknowledged(attempt)
            self._me.report("send_message", t_ns - sent_ns, None)
        elif answer is not None:
            self._send_refused(attempt, t_ns, answer)
        # A malformed acknowledgement is none: the attempt stays open, and patience sends it again.

    def _send_refused(self, attempt: Attempt, t_ns: int, error: SendError) -> None:
        self._me.recorder.send_failed(t_ns, attempt, error)
        sent_ns = self._me.outbox.refused(attempt, error, t_ns)
        self._me.report("send_message", t_ns - sent_ns, REFUSED + str(error))
        stay = self._stays[attempt.message.room]
        if error.code == "not_joined" and stay.stage is Stage.JOINED:
            stay.stage, stay.retry_at_ns = Stage.OUTSIDE, t_ns
        self._me.wake()

    def _answer(self, t_ns: int, args: list[Json]) -> Ack | SendError | None:
        try:
            return wire.ack(args[0] if args else None)
        except Malformed as error:
            self.odd(t_ns, str(error))
            return None

    def _take_event(self, t_ns: int, name: str, args: list[Json]) -> None:
        value = args[0] if args else None
        match name:
            case "message":
                self.message(t_ns, self._me.reader.message(value))
            case "message_history":
                self._take_history(t_ns, value)
            case "user_list":
                self._me.recorder.user_list(t_ns, value)
            case "server_info":
                self._me.recorder.server_info(t_ns, value)
                self._me.failover.learn(wire.peers(value))
            case "typing":
                pass  # Ephemeral: nothing is promised of it.
            case _:
                raise Malformed(f"an unknown event {name!r}: {wire.clip(args)}")

    def _take_history(self, t_ns: int, value: Json) -> None:
        chunk = self._me.reader.history(value)
        self._me.recorder.history(t_ns, chunk)
        for _ in (s for s in chunk.sightings if s.room != chunk.room):
            self.odd(t_ns, f"a message_history of {chunk.room} holds what is no message of that room")
        cursor = self._me.rooms.get(chunk.room)
        if cursor is None:
            return
        left_out = cursor.history(
            chunk.epoch,
            (s.seq for s in chunk.sightings if s.room == chunk.room),
            recovered=chunk.recovered,
            more=chunk.more,
        )
        if left_out and self._me.with_cursor:
            self._me.page(chunk.room, *left_out)
