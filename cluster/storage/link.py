"""Connections to Redis that know whether a command was sent, and to which run of Redis they speak.

A client library's retries and timeouts hide the one thing that a node must know when a connection
breaks: can the command have had an effect? So we use redis-py's connections (protocol, sockets, TLS)
and none of its clients. `NotSent`: it cannot. `AnswerLost`: nobody knows.

Each connection asks for Redis' `run_id` as soon as it is made. A command that carries a `Guard` (see
`resp.py`), or a call that names a run, never goes to another run: it is `NotSent` then.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from cluster import counters, log
from cluster.storage.resp import Argument, Command, Packed, WrongRun, pack, packed

CONNECT_TIMEOUT_S = 0.5

Reply = Any  # bytes, int, None, a list of these, or a ResponseError
SCRIPTS = ("beat", "commit", "presence", "read_marks", "reap", "retire", "room_head", "stand", "user_list")


class RedisDown(Exception):
    """Redis did not answer; the message says why."""


class NotSent(RedisDown):
    """The connection could not be made: the commands had and will have no effect."""


class OtherRun(NotSent):
    """The connection speaks to another run of Redis than the commands are for."""


class AnswerLost(RedisDown):
    """The connection broke or timed out after sending; `replies` came before it did."""

    def __init__(self, reason: str, replies: list[Reply]) -> None:
        self.replies = replies
        super().__init__(reason)


class Health:
    """Whether Redis is known to be up. Only an answer makes it up; any failure makes it down.

    `answered_s` and `up_since_s` are monotonic seconds: the last answer, and the first one after the last
    failure.
    """

    def __init__(self) -> None:
        self.up = False
        self.reason = "Redis was not reached yet"
        self.answered_s = self.up_since_s = time.monotonic()
        self._told: set[str] = set()  # why it does not answer, since it last did

    def answered(self) -> None:
        """Redis has answered."""
        self.answered_s = time.monotonic()
        if not self.up:
            self.up, self.reason = True, ""
            self.up_since_s = self.answered_s
            self._told.clear()
            log.info("redis_up")

    def failed(self, reason: str) -> None:
        """Redis could not be reached, or did not answer in time."""
        if self.up:
            counters.redis.outages += 1
            log.warning("redis_down", reason=reason)
        elif reason not in self._told:
            log.warning("redis_unreachable", reason=reason)
        self._told.add(reason)
        self.up, self.reason = False, reason


class Script:
    """A Lua script of `cluster/storage/scripts`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (resources.files("cluster.storage") / "scripts" / f"{name}.lua").read_bytes()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[bytes], *args: Argument) -> Command:
        """Return the command that runs the script by its hash."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)

    def packed(self, keys: Sequence[bytes], *, more_keys: int) -> Packed:
        """Return the command's beginning: all but the last `more_keys` keys, and the arguments."""
        return packed(("EVALSHA", self.sha, len(keys) + more_keys, *keys))


class _Channel:
    """One connection. `run_id` is of the run of Redis that it speaks to."""

    def __init__(self, connection: Any, scripts: Sequence[Script]) -> None:
        self._connection = connection
        self._scripts = scripts
        self.run_id = ""

    @property
    def fresh(self) -> bool:
        """Tell whether it can be used: connected, and not closed by Redis while it was idle."""
        try:
            return self._connection.is_connected and not self._connection.can_read(timeout=0)
        except (RedisError, OSError):
            return False

    def connect(self) -> None:
        """Connect anew."""
        self._connection.disconnect()
        self._connection.connect()
        self._introduce()

    def send(self, commands: bytes) -> None:
        """Write packed commands."""
        self._connection.send_packed_command((commands,))

    def read(self) -> Reply:
        """Return the next reply; a refusal is returned, too."""
        try:
            return self._connection.read_response()
        except ResponseError as refusal:
            return refusal

    def close(self) -> None:
        """End the connection; it is not fresh then."""
        self._connection.disconnect()

    def _introduce(self) -> None:
        """Learn the run, and load all scripts, so that none is unknown in the midst of a batch."""
        loads = _loads(self._scripts)
        self.send(b"".join(pack(command, "") for command in (("INFO", "server"), *loads)))
        info, *loaded = [self.read() for _ in range(1 + len(loads))]
        for reply in (info, *loaded):
            if isinstance(reply, ResponseError):
                raise reply
        lines = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
        self.run_id = lines[b"run_id"].decode()


def _loads(scripts: Iterable[Script]) -> list[Command]:
    return [("SCRIPT", "LOAD", script.text) for script in scripts]


class Link:
    """A few connections to Redis with one read timeout, for greenlets that share them."""

    def __init__(self, url: str, health: Health, *, timeout_s: float, connections: int) -> None:
        options = parse_url(url)
        self._connection_class = options.pop("connection_class", Connection)
        self._options = options | {
            "socket_timeout": timeout_s,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "health_check_interval": 0,
        }
        self._health = health
        self._timeout_s = timeout_s
        self._free: list[Any] = []
        self._slots = BoundedSemaphore(connections)
        self.scripts = {name: Script(name) for name in SCRIPTS}

    def call(self, *command: Argument, run_id: str | None = None) -> Reply:
        """Send one command and return its reply; with a `run_id` only to that run of Redis.

        Raises:
            RedisDown: there was no answer.
            ResponseError: Redis refused it.
        """
        return self.replies([command], run_id=run_id)[0]

    def script(self, name: str, keys: Sequence[bytes], *args: Argument) -> Reply:
        """Run a script and return its reply; raises as `call` does."""
        return self.replies([self.scripts[name].command(keys, *args)])[0]

    def replies(self, commands: Sequence[Command], *, run_id: str | None = None) -> list[Reply]:
        """Send commands in one go; the first refusal is raised once all replies are there."""
        replies = self.run(commands, run_id=run_id)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    def run(self, commands: Sequence[Command], *, run_id: str | None = None) -> list[Reply]:
        """Send commands in one go and return a reply for each; a refusal is a reply, too.

        A script that Redis does not know (any more) is loaded and run again.

        Raises:
            NotSent, AnswerLost: as their names say.
        """
        with self._channel() as channel:
            if run_id is not None and channel.run_id != run_id:
                raise OtherRun(f"this is run {channel.run_id} of Redis, not {run_id}")
            replies = self._exchange(channel, commands)
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                try:
                    again = self._load_and_exchange(channel, [commands[i] for i in unknown])
                except AnswerLost as error:  # What it has are replies to other commands than the first ones.
                    raise AnswerLost(str(error), replies[: unknown[0]]) from error
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
        self._health.answered()
        return replies

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._free:
            self._free.pop().close()

    def _load_and_exchange(self, channel: _Channel, commands: Sequence[Command]) -> list[Reply]:
        """Load all scripts before the commands; where Redis refuses that, the commands tell of it."""
        loads = _loads(self.scripts.values())
        return self._exchange(channel, [*loads, *commands])[len(loads) :]

    @contextmanager
    def _channel(self) -> Iterator[_Channel]:
        if not self._slots.acquire(timeout=self._timeout_s):
            raise NotSent(f"all connections to Redis were in use for {self._timeout_s} s")
        channel = self._free.pop() if self._free else self._make_channel()
        try:
            self._ensure_fresh(channel)
            yield channel
        except OtherRun:
            raise  # Nothing was sent: there are no replies on their way.
        except BaseException:
            channel.close()  # Replies may still be on their way: nobody else may read them.
            raise
        finally:
            self._free.append(channel)
            self._slots.release()

    def _make_channel(self) -> _Channel:
        return _Channel(self._connection_class(**self._options), tuple(self.scripts.values()))

    def _ensure_fresh(self, channel: _Channel) -> None:
        if channel.fresh:
            return
        try:
            with self._patience(CONNECT_TIMEOUT_S + self._timeout_s):
                channel.connect()
            counters.redis.connected += 1
        except (RedisError, OSError, KeyError) as error:
            counters.redis.connect_failed += 1
            self._health.failed(str(error))
            raise NotSent(str(error)) from error

    def _exchange(self, channel: _Channel, commands: Sequence[Command]) -> list[Reply]:
        replies: list[Reply] = []
        try:
            raw = b"".join([pack(command, channel.run_id) for command in commands])
        except WrongRun as error:
            raise OtherRun(str(error)) from error
        try:
            with self._patience(self._timeout_s):
                channel.send(raw)
                for _ in commands:
                    replies.append(channel.read())
        except (RedisError, OSError) as error:
            self._health.failed(str(error))
            raise AnswerLost(str(error), replies) from error
        return replies

    def _patience(self, seconds: float) -> "gevent.Timeout":
        """Bound a whole exchange: the socket's own timeout begins anew with every byte."""
        return gevent.Timeout(seconds, RedisTimeoutError(f"no answer within {seconds} s"))
