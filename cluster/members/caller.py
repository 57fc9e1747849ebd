"""The caller: one greenlet per peer, which sends it a heartbeat every second and notices in between.

Notices (`POST /sync/event`: somebody types, a node joins, drains, leaves) are best effort: a queue that is
full drops them, and so does a line that fails. What gathers during one request goes with the next.
Each exchange is bounded by a second, so a peer that swallows packets delays nobody else.
"""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import gevent
from gevent.event import Event

from cluster import log
from cluster.members.peer_line import PeerFailed, PeerLine, PeerRefused
from cluster.members.peers import HEARTBEAT_S, Word
from cluster.members.signatures import Signatures
from cluster.members.sync_words import Notice, WrongWord, parse_word, word_json

NOTICES_KEPT = 256
NOTICES_AT_ONCE = 64
HEARTBEAT_PATH, EVENT_PATH = "/sync/heartbeat", "/sync/event"


@dataclass(kw_only=True, slots=True)
class Tally:
    """Counts what all callers do."""

    heartbeats: int = 0
    heartbeats_failed: int = 0
    notices_dropped: int = 0


class Host(Protocol):
    """For whom a caller calls."""

    signatures: Signatures
    tally: Tally

    def word(self) -> Word: ...

    def answered(self, word: Word, round_trip_ms: float) -> None: ...

    def refused(self, server_id: str) -> None: ...


class Caller:
    """Calls one URL every second, and passes notices on in between, in a greenlet of its own."""

    def __init__(self, host: Host, url: str, *, first_pause_s: float) -> None:
        self._host = host
        self._line = PeerLine(url)
        self._url = url
        self._notices: deque[Notice] = deque()
        self._wake = Event()
        self._stopped = False
        self._met = False
        self._failing = False
        self._sending = False
        self.server_id: str | None = None
        self.resting = False
        self._greenlet = gevent.spawn_later(first_pause_s, self._run)

    @property
    def busy(self) -> bool:
        """Tell whether a notice is not told yet."""
        return bool(self._notices) or self._sending

    def tell(self, notice: Notice) -> None:
        """Queue a notice, or drop it; does not switch greenlets."""
        if len(self._notices) >= NOTICES_KEPT:
            self._host.tally.notices_dropped += 1
            return
        self._notices.append(notice)
        self._wake.set()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        next_s = time.monotonic()
        while not self._stopped:
            if self._notices:
                self._send_notices()
            elif time.monotonic() >= next_s:
                next_s = time.monotonic() + HEARTBEAT_S
                if not self.resting:
                    self._call()
            self._wake.clear()
            if not self._notices and not self._stopped:
                self._wake.wait(max(0.0, next_s - time.monotonic()))
        self._line.close()

    def _call(self) -> None:
        self._host.tally.heartbeats += 1
        begun_s = time.monotonic()
        word = self._post(HEARTBEAT_PATH, ())
        if word is None:
            self._host.tally.heartbeats_failed += 1
            return
        self.server_id = word.server_id
        self._host.answered(word, round((time.monotonic() - begun_s) * 1000, 2))
        if not self._met:
            self._met = True
            self.tell(Notice(type="joined"))

    def _send_notices(self) -> None:
        some = [self._notices.popleft() for _ in range(min(len(self._notices), NOTICES_AT_ONCE))]
        self._sending = True
        if self._post(EVENT_PATH, some) is None:
            self._host.tally.notices_dropped += len(some)
        self._sending = False

    def _post(self, path: str, notices: Iterable[Notice]) -> Word | None:
        """Return what the peer says of itself, `None` where it does not."""
        body = word_json(self._host.word(), notices)
        headers = self._host.signatures.sign("POST", path, body)
        if headers is None:
            return None
        try:
            word = self._exchange(path, body, headers)
        except (PeerFailed, WrongWord) as error:
            self._failed(error)
            return None
        self._failing = False
        return word

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> Word:
        status, signature, answer = self._line.post(path, body, headers)
        if status != 200:
            raise PeerFailed(f"HTTP status {status}: {answer[:200].decode('utf-8', 'replace')}")
        if not self._host.signatures.check_answer(headers, answer, signature):
            raise PeerFailed("the answer is not signed with the cluster's secret")
        return parse_word(answer)[0]

    def _failed(self, error: Exception) -> None:
        if isinstance(error, PeerRefused) and self.server_id is not None:
            self._host.refused(self.server_id)
        if not self._failing:
            log.info("peer_does_not_answer", url=self._url, peer=self.server_id, reason=str(error))
        self._failing = True
