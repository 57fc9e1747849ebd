"""All bots of this process, under the orders of the runner.

Orders come over the control socket (see `harness/control.py`) and are carried out one after the other in
the main greenlet. Everything that could keep the process from telling the truth ends it at once: the end of
the control link (then the runner is gone), SIGTERM, and the failure of any greenlet. The history is
flushed in each case. SIGINT is ignored: Ctrl-C goes to the whole group, and the runner says what follows.
"""

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
from gevent.queue import Queue
from locust.env import Environment

from harness import clock
from harness.bots import statistics
from harness.bots.bot import Bot
from harness.bots.client import ReadingClient
from harness.bots.lag import Lag
from harness.bots.spent import Spent
from harness.bots.user import ChatUser
from harness.bots.web_ui import WebPage
from harness.bots.wire import Reader
from harness.control import Link
from harness.errors import HarnessError
from harness.open_ended import nth_bot
from harness.records.bots import BotsConfig, BotsMetrics, NodeAddress
from harness.records.codec import write_json
from harness.records.history_format import HistoryWriter

FLUSH_S = 0.25
LIVE_S = 0.5
LAG_S = 0.05
SILENCE_S = 0.1  # how often silent connections are looked for: what a frozen node costs beyond its pings
POLL_S = 0.02  # how often a condition over all bots is looked at
GOODBYE_S = 3.0
RETIRE_S = 30.0  # for a bot that is stopped by hand to get its last answers and leave its rooms
MOST_BOTS = 2**16 - 1  # the history keeps a bot's ordinal in 16 bits

EXIT_DONE, EXIT_LEFT_ALONE, EXIT_FAILED, EXIT_TERMINATED = 0, 1, 4, 143


class Crew:
    """See the module. `run` returns the process's exit status."""

    def __init__(self, config: BotsConfig, link: Link) -> None:
        self.config = config
        self.writer = HistoryWriter(Path(config.history), config.worker)
        self.reader = Reader(self.writer.intern)
        self.load_is_on = False
        self.load_began_ns = 0
        self._link = link
        self._orders: Any = Queue()
        self._lag = Lag()
        self._bots: list[Bot] = []
        self._load = Spent()
        self._environment = Environment(
            user_classes=[ChatUser], catch_exceptions=False, stop_timeout=RETIRE_S
        )
        self._environment.crew = self
        self._environment.events.user_error.add_listener(self._user_failed)
        self._runner = self._environment.create_local_runner()
        self._page: WebPage | None = None

    def run(self) -> int:
        """Carry out the runner's orders until the last."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gevent.signal_handler(signal.SIGTERM, self._orders.put, {"type": "terminated"})
        for task in (self._listen, self._flush_often, self._mind_silence, self._tell_live_often):
            self.spawn(task)
        try:
            while True:
                status = self._carry_out(self._orders.get())
                if status is not None:
                    return status
        finally:
            self.writer.close()

    def spawn(self, target: Callable[..., None], *args: Any) -> Any:
        """Run something beside; its failure ends the process."""
        greenlet = gevent.spawn(target, *args)
        greenlet.link_exception(self._greenlet_failed)
        return greenlet

    def enlist(self, new_client: Callable[[], ReadingClient]) -> Bot:
        """Give the next bot of the plan, or one beyond it, to the Locust user that asks."""
        ordinal = len(self._bots) + 1
        if ordinal > MOST_BOTS:
            raise HarnessError(f"in one run {MOST_BOTS:,} bots can have lived, and no more")
        bot = Bot(nth_bot(self.config.bots, ordinal), self, new_client)
        self._bots.append(bot)
        return bot

    def report(self, name: str, latency_ns: int, error: str | None) -> None:
        """Tell Locust's statistics of a request."""
        self._environment.events.request.fire(
            request_type="WSC",
            name=name,
            response_time=latency_ns / 1e6,
            response_length=0,
            exception=statistics.RequestFailed(error) if error else None,
            context={},
        )

    def _carry_out(self, order: dict[str, Any]) -> int | None:
        match order["type"]:
            case "go":
                nodes = tuple(
                    NodeAddress(name=name, url=url, called=called) for name, url, called in order["nodes"]
                )
                self.config = replace(self.config, nodes=nodes)
                self._open_page()
                self.spawn(self._go, int(order["load_began_ns"]))
            case "flush":
                self.writer.flush()
                self._tell("flushed")
            case "stop_load":
                self._stop_load()
            case "catch_up":
                self.spawn(self._catch_up, order["heads"], int(order["deadline_ns"]))
            case "quit":
                return self._quit()
            case "link closed":
                return EXIT_LEFT_ALONE
            case "terminated":
                return EXIT_TERMINATED
            case "failed":
                return self._fail(str(order["why"]))
            case kind:
                return self._fail(f"the runner gave an order that bots do not know: {kind!r}")
        return None

    def _listen(self) -> None:
        try:
            for message in self._link.messages():
                self._orders.put(message)
        except OSError as error:
            sys.stderr.write(f"the control link broke: {error}\n")
        self._orders.put({"type": "link closed"})

    def _tell(self, kind: str, **fields: Any) -> None:
        try:
            self._link.send(kind, **fields)
        except OSError as error:  # `_listen` sees the end of the link too, and that ends the process.
            sys.stderr.write(f"the runner could not be told '{kind}': {error}\n")

    def _go(self, load_began_ns: int) -> None:
        self._environment.stats.clear_all()
        _sleep_until(load_began_ns)
        self.load_is_on, self.load_began_ns = True, load_began_ns
        self._load.begin()
        self.spawn(self._watch_lag)
        if self.config.hands:
            self._runner.start(len(self.config.bots), self._spawn_rate)
            return
        for plan in self.config.bots:
            _sleep_until(load_began_ns + int(plan.start_at_s * clock.NS))
            self._runner.spawn_users({ChatUser.__name__: 1})
        self._environment.events.spawning_complete.fire(user_count=len(self._bots))

    @property
    def _spawn_rate(self) -> float:
        """Bots a second, as the plan spaces them."""
        last = self.config.bots[-1]
        return (len(self.config.bots) - 1) / last.start_at_s if last.start_at_s else 1.0

    def _open_page(self) -> None:
        if self.config.web_port is None:
            return
        self._environment.host = ", ".join(node.url for node in self.config.nodes)
        self._page = WebPage(
            self._environment,
            self.config.web_port,
            users=len(self.config.bots),
            rate=self._spawn_rate,
            hands=self.config.hands,
        )

    def _stop_load(self) -> None:
        self.load_is_on = False
        self._load.end()
        if self._page is not None:
            self._page.only_show()
        if self._runner.spawning_greenlet is not None:
            self._runner.spawning_greenlet.kill()  # Nobody comes any more, and nobody is asked to go.
        self.spawn(self._tell_when_resolved)

    def _tell_when_resolved(self) -> None:
        while any(bot.outbox.unresolved for bot in self._bots):
            gevent.sleep(POLL_S)
        self._tell("resolved")

    def _catch_up(self, heads: dict[str, Any], deadline_ns: int) -> None:
        wanted = {room: (head[0], int(head[1])) for room, head in heads.items()}
        while (behind := self._behind(wanted)) and clock.left_s(deadline_ns):
            gevent.sleep(POLL_S)
        self._tell("caught_up", behind=behind)

    def _behind(self, heads: dict[str, tuple[str | None, int]]) -> dict[str, str]:
        if self.config.delivery == "pubsub":
            return {}
        told = {bot.plan.name: bot.behind(heads) for bot in self._bots if not bot.is_retired}
        return {name: how for name, how in told.items() if how is not None}

    def _quit(self) -> int:
        for bot in self._bots:
            bot.quit()
        deadline = clock.deadline_ns(GOODBYE_S)
        while self._runner.user_count and clock.left_s(deadline):
            gevent.sleep(POLL_S)
        self._load.end()
        self._environment.stop_timeout = None  # Who has not gone by now does not go by itself.
        self._runner.quit()
        self._write_metrics()
        self._tell_live()
        return EXIT_DONE

    def _fail(self, why: str) -> int:
        sys.stderr.write(f"the bots cannot go on: {why}\n")
        self._tell("error", text=why)
        return EXIT_FAILED

    def _greenlet_failed(self, greenlet: Any) -> None:
        self._orders.put({"type": "failed", "why": f"{greenlet.name}: {greenlet.exception!r}"})

    def _user_failed(self, user_instance: Any, exception: BaseException, tb: object) -> None:
        self._orders.put({"type": "failed", "why": f"{user_instance.bot.plan.name}: {exception!r}"})

    def _flush_often(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self.writer.flush()

    def _mind_silence(self) -> None:
        while True:
            gevent.sleep(SILENCE_S)
            for bot in self._bots:
                bot.mind_silence()

    def _watch_lag(self) -> None:
        while self.load_is_on:
            due_ns = clock.deadline_ns(LAG_S)
            gevent.sleep(LAG_S)
            self._lag.add(max(0, clock.now_ns() - due_ns) / 1e6)

    def _tell_live_often(self) -> None:
        while True:
            gevent.sleep(LIVE_S)
            self._tell_live()

    def _tell_live(self) -> None:
        outboxes = [bot.outbox for bot in self._bots]
        self._tell(
            "live",
            attempted=sum(outbox.attempted for outbox in outboxes),
            acked=sum(outbox.acked for outbox in outboxes),
            rejected=sum(outbox.rejected for outbox in outboxes),
            unresolved=sum(outbox.unresolved for outbox in outboxes),
            delivered=sum(bot.recorder.deliveries for bot in self._bots),
            connected=sum(bot.is_connected for bot in self._bots),
            joined=sum(bot.is_joined for bot in self._bots),
            bots=len(self._bots),
            users=self._runner.user_count if self.config.hands else len(self.config.bots),
            lag_ms=round(self._lag.take_newest(), 1),
        )

    def _write_metrics(self) -> None:
        folder = Path(self.config.metrics)
        metrics = BotsMetrics(
            max_lag_ms=round(self._lag.max_ms, 3),
            p99_lag_ms=round(self._lag.p99_ms, 3),
            samples=self._lag.count,
            load_s=round(self._load.wall_s, 3),
            cpu_s=round(self._load.cpu_s, 3),
            rows=sum(bot.recorder.rows for bot in self._bots),
        )
        write_json(folder / "bots.json", metrics)
        write_json(folder / "locust.json", statistics.of(self._environment.stats))


def _sleep_until(stamp_ns: int) -> None:
    gevent.sleep(clock.left_s(stamp_ns))
