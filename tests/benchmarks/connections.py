"""Many connections, read by one thread without threads or greenlets of their own."""

import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.benchmarks.chat import Broken, Chat, set_up

BATCH = 16  # connections that are set up together; until they are, nobody answers the pings of the others
BETWEEN_BATCHES_S = 0.01


@dataclass(slots=True)
class Connections:
    """All connections, polled in two groups: those to be read at once, and those that are swept.

    `sweep_s`: how often sockets of pure recipients are read; 0 is at once, too.
    """

    sweep_s: float = 0.0
    refill: bool = False  # a sender's window is filled again as it gets free
    chats: list[Chat] = field(default_factory=list)
    lost: list[str] | None = None  # why connections ended, where that does not end the run
    _by_fd: dict[int, Chat] = field(default_factory=dict)
    _prompt: select.epoll = field(default_factory=select.epoll)
    _swept: select.epoll = field(default_factory=select.epoll)
    _next_sweep_s: float = 0.0

    def add(self, chats: list[Chat], *, join: bool = True) -> None:
        """Set up connections, a batch at a time, and answer the pings of those that are there already."""
        for first in range(0, len(chats), BATCH):
            batch = chats[first : first + BATCH]
            self.chats += batch
            set_up(batch, join=join)
            for chat in batch:
                self._register(chat)
            self.run(time.monotonic() + BETWEEN_BATCHES_S)

    def run(self, until_s: float, *, done: Callable[[], bool] = lambda: False) -> int:
        """Read what comes until a moment, or until there is nothing to wait for; return the deliveries."""
        delivered = 0
        while (now_s := time.monotonic()) < until_s and not done():
            if self.sweep_s and now_s >= self._next_sweep_s:
                delivered += self._read(self._swept)
                self._next_sweep_s = time.monotonic() + self.sweep_s
            wait_until_s = min(until_s, self._next_sweep_s) if self.sweep_s else until_s
            # An epoll can be waited for like a file, in microseconds; its own timeout has milliseconds.
            select.select([self._prompt], [], [], max(0.0, wait_until_s - time.monotonic()))
            delivered += self._read(self._prompt)
        return delivered

    def close(self) -> None:
        """Close all."""
        for chat in self.chats:
            chat.close()

    def _register(self, chat: Chat) -> None:
        group = self._swept if self.sweep_s and chat.window is None else self._prompt
        group.register(chat.sock, select.EPOLLIN)
        self._by_fd[chat.sock.fileno()] = chat

    def _read(self, group: select.epoll) -> int:
        delivered = 0
        for fd, _ in group.poll(0, len(self.chats) or 1):
            chat = self._by_fd[fd]
            try:
                delivered += chat.poll()
            except Broken as reason:
                self._lose(group, chat, reason)
            if self.refill and chat.window is not None and chat.window.free:
                chat.send_messages(time.monotonic(), chat.window.free)
        return delivered

    def _lose(self, group: select.epoll, chat: Chat, reason: Broken) -> None:
        if self.lost is None:
            raise reason
        group.unregister(chat.sock)
        self.lost.append(str(reason))
