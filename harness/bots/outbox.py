"""What a bot has sent and does not yet know the fate of: messages, attempts, resends.

Pure: time is passed in.

A message is resolved when one of its attempts was acknowledged, or when the bot gives it up after an error
that no repetition mends. Until then it is sent again with the same `(producer, n)`:

- at once, when the connection that carried its last attempt is lost (`cut_off`) and the room is joined again;
- on the same connection, when no answer came for `patience_ns`;
- after the pause that the error asks for, when it was refused for the moment (`store_unavailable`,
  `draining`, `rate_limited`, `not_joined`, or anything indefinite that we do not know);
- from `expected` on, when it was `out_of_order`.

A room's messages leave in the order of `n`: one that waits for its time holds back those after it. An
attempt stays open until it is answered or lost, also after another attempt has resolved its message, so
that every attempt ends in the history exactly once.

**Giving up leaves a gap** in `n` that a correct cluster never closes. The room then goes on under a new
producer (`bot-07.3fa9c2d1.2`). A message moves to it only if every attempt under its old key was definitely
rejected, because only then can it not be in the log already; else it stays indeterminate for good.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.records.codes import GIVE_UP, LEAVES_NO_GAP, OUT_OF_ORDER, RETRY

WINDOW = 64  # sends in flight per producer that the protocol allows
BACKOFF_NS = (20_000_000, 1_000_000_000)  # the first pause before a repetition, and the longest


@dataclass(frozen=True, kw_only=True, slots=True)
class SendError:
    """A negative acknowledgement."""

    code: str
    message: str
    definite: bool
    retry_after_ms: int | None = None
    expected: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


@dataclass(eq=False, kw_only=True, slots=True)
class Message:
    """A message and the key under which it is being sent."""

    key: int
    room: str
    text: str
    producer: str
    n: int
    reply_to: tuple[str, int] | None = None  # the position of what it answers
    attempts: int = 0
    open: dict[int, int] = field(default_factory=dict)  # attempt -> when it was sent, while unanswered
    clean: bool = True  # every attempt that has ended was definitely rejected
    failures: int = 0  # refusals in a row; the pause grows with them
    retry_at_ns: int = 0
    resolved: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try to send a message; `number` counts from 1 per message."""

    message: Message
    number: int


class Outbox:
    """All of one bot's messages. Every method that takes `now_ns` takes the monotonic clock."""

    def __init__(self, producer: str, *, patience_ns: int) -> None:
        self._producer = producer
        self._patience_ns = patience_ns
        self._lanes: dict[str, _Lane] = {}
        self._open: dict[tuple[int, int], Message] = {}
        self._key = 0
        self.attempted = 0  # messages, not attempts
        self.acked = 0
        self.rejected = 0
        self.abandoned = 0  # given up, and perhaps in the log

    @property
    def unresolved(self) -> int:
        """How many messages wait for their fate."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    @property
    def next_key(self) -> int:
        """The key that the next message will have; its text carries it."""
        return self._key + 1

    @property
    def is_full(self) -> bool:
        """Whether the window has no room for another message."""
        return self.unresolved >= WINDOW or len(self._open) >= WINDOW

    def post(self, room: str, text: str, reply_to: tuple[str, int] | None = None) -> Message:
        """Take a new message; it will be due at once, after those before it in its room."""
        assert not self.is_full
        self._key += 1
        return self._lane(room).append(self._key, text, reply_to)

    def is_quiet_in(self, room: str) -> bool:
        """Whether nothing of a room waits for its fate or for an answer."""
        return not self._lane(room).waiting and all(m.room != room for m in self._open.values())

    def due(self, room: str, now_ns: int) -> Iterator[Message]:
        """Yield the room's messages that are to be sent now, in order; `begin` each before the next."""
        for message in tuple(self._lane(room).waiting):
            if message.open:
                if now_ns >= self._patience_ends(message) and len(self._open) < WINDOW:
                    yield message
            elif now_ns < message.retry_at_ns or len(self._open) >= WINDOW:
                return
            else:
                yield message

    def next_due_ns(self, room: str) -> int | None:
        """Return when `due` will next yield something if nothing happens before."""
        times = []
        for message in self._lane(room).waiting:
            if message.open:
                times.append(self._patience_ends(message))
            else:
                times.append(message.retry_at_ns)
                break
        return min(times, default=None)

    def begin(self, message: Message, now_ns: int) -> Attempt:
        """A message is about to be sent: count the attempt and keep it open."""
        if not message.attempts:
            self.attempted += 1
        message.attempts += 1
        message.open[message.attempts] = now_ns
        self._open[message.key, message.attempts] = message
        return Attempt(message=message, number=message.attempts)

    def acknowledged(self, attempt: Attempt) -> int:
        """The attempt was acknowledged; returns when it was sent."""
        message = attempt.message
        sent_ns = self._end(attempt)
        message.clean = False
        if not message.resolved:
            self.acked += 1
            self._resolve(message)
        return sent_ns

    def refused(self, attempt: Attempt, error: SendError, now_ns: int) -> int:
        """The attempt was answered with an error: decide what becomes of its message; returns when sent."""
        message = attempt.message
        sent_ns = self._end(attempt)
        message.clean = message.clean and error.definite
        if not message.resolved:
            self._after_error(message, error, now_ns)
        return sent_ns

    def cut_off(self) -> tuple[Attempt, ...]:
        """The connection is gone: end every open attempt, and make what is unresolved due at once."""
        lost = tuple(Attempt(message=message, number=number) for (_, number), message in self._open.items())
        for attempt in lost:
            self._end(attempt)
            attempt.message.clean = False
        for lane in self._lanes.values():
            for message in lane.waiting:
                message.failures = message.retry_at_ns = 0
        return lost

    def _lane(self, room: str) -> "_Lane":
        lane = self._lanes.get(room)
        if lane is None:
            lane = self._lanes[room] = _Lane(room, self._producer)
        return lane

    def _patience_ends(self, message: Message) -> int:
        return max(message.open.values()) + self._patience_ns

    def _end(self, attempt: Attempt) -> int:
        del self._open[attempt.message.key, attempt.number]
        return attempt.message.open.pop(attempt.number)

    def _resolve(self, message: Message) -> None:
        message.resolved = True
        self._lane(message.room).waiting.remove(message)

    def _after_error(self, message: Message, error: SendError, now_ns: int) -> None:
        lane = self._lane(message.room)
        if error.code == OUT_OF_ORDER:
            self._after_gap(lane, message, error, now_ns)
        elif error.code in GIVE_UP or (error.definite and error.code not in RETRY):
            self._give_up(message)
            if error.code not in LEAVES_NO_GAP and message.producer == lane.producer:
                self._renew(lane)
        else:
            self._again_later(message, error, now_ns)

    def _after_gap(self, lane: "_Lane", message: Message, error: SendError, now_ns: int) -> None:
        if message.producer == lane.producer:
            if error.expected is not None and error.expected > message.n:  # It has used this n already.
                self._give_up(message)
                return
            if lane.will_send(error.expected):
                self._again_later(message, error, now_ns)
                return
            lane.renew()  # The cluster wants an n that was resolved: it has lost it.
        if message.open:
            return  # Another attempt of it is not answered yet: its answer decides.
        if message.clean:
            lane.move(message)
        else:
            self._give_up(message)

    def _renew(self, lane: "_Lane") -> None:
        """Go on under a new producer with what surely is not in the log; the rest awaits its answers."""
        lane.renew()
        for message in tuple(lane.waiting):
            if message.clean and not message.open:
                lane.move(message)

    def _give_up(self, message: Message) -> None:
        if message.clean and not message.open:
            self.rejected += 1
        else:
            self.abandoned += 1
        self._resolve(message)

    def _again_later(self, message: Message, error: SendError, now_ns: int) -> None:
        shortest, longest = BACKOFF_NS
        pause_ns = min(longest, shortest << min(message.failures, 8))
        if error.retry_after_ms is not None:
            pause_ns = max(pause_ns, error.retry_after_ms * 1_000_000)
        message.failures += 1
        message.retry_at_ns = now_ns + pause_ns


class _Lane:
    """One room's unresolved messages in the order in which they are to be sent."""

    def __init__(self, room: str, producer: str) -> None:
        self.room = room
        self.waiting: list[Message] = []
        self.producer = producer
        self._first_producer = producer
        self._generation = 1
        self._last_n = 0

    def append(self, key: int, text: str, reply_to: tuple[str, int] | None) -> Message:
        self._last_n += 1
        message = Message(
            key=key, room=self.room, text=text, producer=self.producer, n=self._last_n, reply_to=reply_to
        )
        self.waiting.append(message)
        return message

    def will_send(self, n: int | None) -> bool:
        return any(m.n == n and m.producer == self.producer for m in self.waiting)

    def renew(self) -> None:
        self._generation += 1
        self.producer = f"{self._first_producer}.{self._generation}"
        self._last_n = 0

    def move(self, message: Message) -> None:
        """Give a message the next n of the present producer, and its place behind that producer's others."""
        self._last_n += 1
        message.producer, message.n = self.producer, self._last_n
        message.failures = message.retry_at_ns = 0
        self.waiting.remove(message)
        self.waiting.append(message)
