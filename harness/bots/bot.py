"""One bot: from its start to the end of the run, over as many connections as it takes.

It connects to its first node, joins its rooms, and from then on sends at its own rate. When the connection
is lost it goes to another node at once, resumes from its cursors and resends what is not resolved.
"""

import itertools
import random
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from harness import clock, rest_pages
from harness.bots.chatter import Chatter
from harness.bots.client import ConnectFailed, ReadingClient
from harness.bots.conversation import Conversation, Self
from harness.bots.cursor import Cursor
from harness.bots.failover import Failover
from harness.bots.outbox import Outbox
from harness.bots.recorder import BotRecorder
from harness.bots.roaming import Roaming, Step
from harness.bots.wire import Reader
from harness.records.bots import CLIENT_QUIT, BotsConfig, NodeAddress
from harness.records.history_format import HistoryWriter
from harness.records.plan import BotPlan, wire_name
from harness.records.token import Token, make_text
from harness.rest_pages import BadPage

SHORTEST_WAIT_S = 0.005  # A step that finds nothing to do must not spin.
PAGING_DEADLINE_S = 10.0
PAGING_PAUSE_S = 0.2
RETIRE_POLL_S = 0.05


class Surroundings(Protocol):
    """What all bots of a worker share."""

    config: BotsConfig
    writer: HistoryWriter
    reader: Reader
    load_is_on: bool
    load_began_ns: int

    def report(self, name: str, latency_ns: int, error: str | None) -> None:
        """Tell the statistics of a request; `error` is `None` for a success."""

    def spawn(self, target: Callable[..., None], *args: Any) -> Any:
        """Run something beside; its failure ends the worker."""


class Bot:
    """See the module. `live` runs until `quit` was called."""

    def __init__(self, plan: BotPlan, shared: Surroundings, new_client: Callable[[], ReadingClient]) -> None:
        config = shared.config
        self.plan = plan
        self.pages_under_way = 0
        self._shared = shared
        self._new_client = new_client
        self._user = wire_name(plan.name, config.run_id)
        self._chatter = Chatter(plan.seed, plan.messages_per_second)
        self._wake = Event()
        self._quitting = False
        self._retiring = False
        self._conversation: Conversation | None = None
        self._post_at_ns: int | None = None
        self._roaming = Roaming(plan.seed, plan.roam_every_s)
        self._me = Self(
            rooms={wire_name(room, config.run_id): Cursor() for room in plan.rooms},
            outbox=Outbox(self._user, patience_ns=int(config.send_patience_s * clock.NS)),
            recorder=BotRecorder(shared.writer, plan.ordinal),
            reader=shared.reader,
            failover=Failover(config.nodes, plan.first_node, random.Random(f"{plan.seed}:failover")),
            with_cursor=config.delivery == "durable",
            report=shared.report,
            wake=self._wake.set,
            page=self._begin_paging,
        )

    @property
    def outbox(self) -> Outbox:
        """What it sent, with the counts."""
        return self._me.outbox

    @property
    def recorder(self) -> BotRecorder:
        """Its pen, with the counts."""
        return self._me.recorder

    @property
    def is_connected(self) -> bool:
        """Whether a node has accepted it."""
        return self._conversation is not None and self._conversation.is_accepted

    @property
    def is_joined(self) -> bool:
        """Whether it is in all its rooms."""
        return self._conversation is not None and self._conversation.is_joined

    def live(self) -> None:
        """Connect, talk, and begin anew when cut off, until `quit`."""
        while not self._quitting:
            node, pause_s = self._me.failover.next()
            if self._pause(pause_s):
                self._connect_and_talk(node)

    def quit(self) -> None:
        """Leave on the bot's own wish; `live` ends soon after."""
        self._quitting = True
        self._wake.set()

    def retire(self) -> None:
        """Leave for good before the run's end: get the last answers, leave every room, then quit.

        A bot that is not in its rooms at the moment goes into them first, so that its stay has an end.
        """
        self._retiring = True
        self._wake.set()

    @property
    def is_retired(self) -> bool:
        """Whether it was asked to leave before the run's end."""
        return self._retiring

    def mind_silence(self) -> None:
        """Give a node up that has been silent for too long; called now and then."""
        if self._conversation is not None:
            self._conversation.mind_silence()

    def behind(self, heads: dict[str, tuple[str | None, int]]) -> str | None:
        """Say how the bot's cursors are behind the rooms' heads; `None`: they are not."""
        for room, cursor in self._me.rooms.items():
            epoch, seq = heads.get(room, (None, 0))
            if not cursor.has_reached(epoch, seq):
                at = "no position" if cursor.position is None else "{}:{}".format(*cursor.position)
                return f"is at {at} in {room}, whose head is {epoch}:{seq}"
        return "is still paging a history" if self.pages_under_way else None

    def _pause(self, seconds: float) -> bool:
        """Wait; `False` when the bot was told to quit meanwhile."""
        deadline = clock.deadline_ns(seconds)
        while not self._quitting and (left := clock.left_s(deadline)) > 0:
            self._wake.clear()
            self._wake.wait(left)
        return not self._quitting

    def _connect_and_talk(self, node: NodeAddress) -> None:
        self._me.recorder.conn += 1
        client = self._new_client()
        talk = Conversation(self._me, client, node.name, join_timeout_s=self._shared.config.join_timeout_s)
        began_ns = clock.now_ns()
        try:
            client.dial(node.url, {"user": self._user}, talk)
        except ConnectFailed as error:
            talk.lost(clock.now_ns(), str(error))
            self._shared.report("connect", clock.now_ns() - began_ns, str(error))
            return
        self._shared.report("connect", clock.now_ns() - began_ns, None)
        self._conversation = talk
        self._roaming.begin(clock.now_ns())
        try:
            self._talk(talk)
        except gevent.GreenletExit:
            talk.leave(CLIENT_QUIT)  # Stopped where it stands; what it does is its own wish all the same.
            raise
        finally:
            self._conversation = None

    def _talk(self, talk: Conversation) -> None:
        settled = False
        while not talk.over:
            if self._quitting:
                talk.leave(CLIENT_QUIT)
                return
            self._wake.clear()
            if talk.is_joined:
                if not settled:
                    self._me.failover.settled()
                    settled = True
                if self._retiring:
                    self._retire_step(talk)
                else:
                    self._roam_when_due(talk)
                    self._post_when_due(talk)
            self._wait_until(talk.step(), *(self._own_times() if talk.is_joined else ()))

    def _own_times(self) -> tuple[int | None, ...]:
        if self._retiring:
            return (clock.deadline_ns(RETIRE_POLL_S),)  # Acknowledgements wake nobody.
        return self._post_at_ns, self._roaming.next_ns

    def _retire_step(self, talk: Conversation) -> None:
        """Leave each room in which nothing is under way any more; quit when out of all."""
        rooms = [room for room in self._me.rooms if talk.is_in(room)]
        for room in rooms:
            if self.outbox.is_quiet_in(room):
                talk.leave_room(room)
        self._quitting = self._quitting or not rooms

    def _wait_until(self, *times_ns: int | None) -> None:
        known = [time for time in times_ns if time is not None]
        self._wake.wait(max(SHORTEST_WAIT_S, clock.left_s(min(known))) if known else None)

    def _roam_when_due(self, talk: Conversation) -> None:
        """Leave a room, or return to it; well before the end everyone is where they belong."""
        now_ns = clock.now_ns()
        until_ns = self._shared.load_began_ns + int(self.plan.roam_until_s * clock.NS)
        match self._roaming.due(now_ns, may_leave=self._shared.load_is_on and now_ns < until_ns):
            case Step.LEAVE:
                room = next(iter(self._me.rooms))
                if self.outbox.is_quiet_in(room) and talk.is_in(room):
                    talk.leave_room(room)
                    self._roaming.left(now_ns)
                else:
                    self._roaming.later(now_ns)
            case Step.RETURN:
                talk.return_to(next(iter(self._me.rooms)))
                self._roaming.begin(now_ns)

    def _post_when_due(self, talk: Conversation) -> None:
        if self._chatter.is_silent or not self._shared.load_is_on:
            self._post_at_ns = None
            return
        now_ns = clock.now_ns()
        if self._post_at_ns is None:
            self._post_at_ns = now_ns + int(self._chatter.first_pause_s() * clock.NS)
        elif now_ns >= self._post_at_ns:
            self._post_at_ns = now_ns + int(self._chatter.pause_s() * clock.NS)
            self._post(talk)

    def _post(self, talk: Conversation) -> None:
        room = self._chatter.room(tuple(self._me.rooms))
        body, answers = self._chatter.body(), self._chatter.answers(self.plan.reply_share)
        if not self._me.outbox.is_full and talk.is_in(room):
            token = Token(self._shared.config.run_id, self.plan.ordinal, self._me.outbox.next_key)
            heard = self._me.heard.get(room) if answers else None
            self._me.outbox.post(room, make_text(token, body), heard)

    def _begin_paging(self, room: str, after: int, before: int) -> None:
        self.pages_under_way += 1
        self._shared.spawn(self._page, room, after, before)

    def _page(self, room: str, after: int, before: int) -> None:
        """Fetch what a snapshot left out, from any node that gives it, and record it as received."""
        deadline = clock.deadline_ns(PAGING_DEADLINE_S)
        for node in itertools.cycle(self._shared.config.nodes):
            try:
                for page in rest_pages.pages(node.url, room, after=after, before=before):
                    after = self._take_page(page.messages, after)
                break
            except (OSError, BadPage) as error:
                if not clock.left_s(deadline):
                    why = f"could not page {room} between {after} and {before}: {error}"
                    self.recorder.error(clock.now_ns(), why)
                    break
            gevent.sleep(PAGING_PAUSE_S)  # Nodes may be down for seconds; asking them hotly helps nobody.
        self.pages_under_way -= 1

    def _take_page(self, messages: Iterable[Any], after: int) -> int:
        now_ns = clock.now_ns()
        for value in messages:
            sighting = self._me.reader.message(value)
            self.recorder.paged(now_ns, sighting)
            after = sighting.seq if sighting.seq is not None else after
        return after
