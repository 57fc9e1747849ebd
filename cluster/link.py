"""Connections to Redis that know whether a command was sent.

A client library's retries and timeouts hide the one thing that a node must know when a connection
breaks: can the command have had an effect? So we use redis-py's connections (protocol, sockets, TLS)
and none of its clients. `NotSent`: it cannot. `AnswerLost`: nobody knows.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any

from gevent.lock import BoundedSemaphore
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from cluster import log

CONNECT_TIMEOUT_S = 0.5

Command = Sequence[bytes | str | int]
Reply = Any  # bytes, int, None, a list of these, or a ResponseError
SCRIPTS = (
    "beat", "bootstrap", "commit", "presence", "reap", "renew_epoch", "retire", "room_head", "user_list",
)  # fmt: skip


class RedisDown(Exception):
    """Redis did not answer; the message says why."""


class NotSent(RedisDown):
    """The connection could not be made: the commands had and will have no effect."""


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

    def answered(self) -> None:
        """Redis has answered."""
        self.answered_s = time.monotonic()
        if not self.up:
            self.up, self.reason = True, ""
            self.up_since_s = self.answered_s
            log.info("redis_up")

    def failed(self, reason: str) -> None:
        """Redis could not be reached, or did not answer in time."""
        if self.up:
            log.warning("redis_down", reason=reason)
        elif self.reason != reason:
            log.warning("redis_unreachable", reason=reason)
        self.up, self.reason = False, reason


class Script:
    """A Lua script of `cluster/scripts`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (resources.files("cluster") / "scripts" / f"{name}.lua").read_bytes()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[bytes], *args: bytes | str | int) -> Command:
        """Return the command that runs the script by its hash."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


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
        self._by_sha = {script.sha: script for script in self.scripts.values()}

    def call(self, *command: bytes | str | int) -> Reply:
        """Send one command and return its reply.

        Raises:
            RedisDown: there was no answer.
            ResponseError: Redis refused it.
        """
        return self.replies([command])[0]

    def script(self, name: str, keys: Sequence[bytes], *args: bytes | str | int) -> Reply:
        """Run a script and return its reply; raises as `call` does."""
        return self.replies([self.scripts[name].command(keys, *args)])[0]

    def replies(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in one go; the first refusal is raised once all replies are there."""
        replies = self.run(commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    def run(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands in one go and return a reply for each; a refusal is a reply, too.

        A script that Redis does not know (yet, or since its restart) is loaded and run again.

        Raises:
            NotSent, AnswerLost: as their names say.
        """
        with self._connection() as connection:
            replies = self._exchange(connection, commands)
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                self._load(connection, {str(commands[i][1]) for i in unknown})
                again = self._exchange(connection, [commands[i] for i in unknown])
                for i, reply in zip(unknown, again, strict=True):
                    replies[i] = reply
        self._health.answered()
        return replies

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._free:
            self._free.pop().disconnect()

    def _load(self, connection: Any, shas: set[str]) -> None:
        loads: list[Command] = [("SCRIPT", "LOAD", self._by_sha[sha].text) for sha in sorted(shas)]
        for reply in self._exchange(connection, loads):
            if isinstance(reply, ResponseError):
                raise reply

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        if not self._slots.acquire(timeout=self._timeout_s):
            raise NotSent(f"all connections to Redis were in use for {self._timeout_s} s")
        connection = self._free.pop() if self._free else self._connection_class(**self._options)
        try:
            self._ensure_fresh(connection)
            yield connection
        except BaseException:
            connection.disconnect()  # Replies may still be on their way: nobody else may read them.
            raise
        finally:
            self._free.append(connection)
            self._slots.release()

    def _ensure_fresh(self, connection: Any) -> None:
        """Connect, also where an idle connection was closed by Redis meanwhile."""
        try:
            if connection.is_connected and self._stale(connection):
                connection.disconnect()
            connection.connect()
        except (RedisError, OSError) as error:
            self._health.failed(str(error))
            raise NotSent(str(error)) from error

    @staticmethod
    def _stale(connection: Any) -> bool:
        try:
            return bool(connection.can_read(timeout=0))
        except (RedisError, OSError):
            return True

    def _exchange(self, connection: Any, commands: Sequence[Command]) -> list[Reply]:
        replies: list[Reply] = []
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as refusal:
                    replies.append(refusal)
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._health.failed(str(error))
            raise AnswerLost(str(error), replies) from error
        return replies
