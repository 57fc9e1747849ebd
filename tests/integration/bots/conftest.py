"""The bots' process as the runner sees it, against a cluster that does as it is told (`fake_cluster.py`)."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import clock
from harness.control import Link, Listener
from harness.records.bots import TOKEN_VARIABLE, BotsConfig, NodeAddress
from harness.records.codec import write_json
from harness.records.history import HistoryFile, Op, Row, read_history_file
from harness.records.plan import BotPlan

RUN_ID = "0a1b2c3d"
NODES = ("node-1", "node-2", "node-3")
PATIENCE_S = 20.0


class FakeCluster:
    """The cluster's process and its orders."""

    def __init__(self, delivery: str, ping_s: float = 5.0) -> None:
        self.delivery = delivery
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fake_cluster.py")), delivery, str(ping_s), *NODES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        ports = self._answer()["ports"]
        self.nodes = tuple(NodeAddress(name=n, url=f"http://127.0.0.1:{ports[n]}") for n in NODES)

    def do(self, what: str, **fields: Any) -> Any:
        """Give an order and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **fields}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def log(self) -> dict[str, list[dict[str, Any]]]:
        """Return every room's messages."""
        return dict(self.do("log"))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fake cluster has died"
        return json.loads(line)


class Bots:
    """The bots' process; `told` are the messages that came from it."""

    def __init__(self, config: BotsConfig, listener: Listener, folder: Path) -> None:
        self.config = config
        write_json(folder / "bots.json", config)
        self._log = (folder / "bots.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.bots", str(folder / "bots.json")],
            env={**os.environ, TOKEN_VARIABLE: listener.token},
            stdout=self._log,
            stderr=self._log,
        )
        self.link: Link = listener.accept(timeout_s=PATIENCE_S)
        self.live: dict[str, Any] = {}
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def go(self) -> None:
        """Let them begin."""
        nodes = [[node.name, node.url, node.called] for node in self.config.nodes]
        self.link.send("go", load_began_ns=clock.now_ns(), nodes=nodes)

    def wait_live(self, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the live figures are as wanted."""
        deadline = clock.deadline_ns(PATIENCE_S)
        while clock.left_s(deadline):
            if self.live and met(self.live):
                return self.live
            assert self.process.poll() is None, self.log_text()
            threading.Event().wait(0.05)
        raise AssertionError(f"waited in vain; last: {self.live}\n{self.log_text()}")

    def wait_told(self, kind: str) -> dict[str, Any]:
        """Wait for an answer."""
        while True:
            message = self._told.get(timeout=PATIENCE_S)
            if message["type"] == kind:
                return message

    def finish(self) -> HistoryFile:
        """Stop the load, wait until all is resolved, let them quit; returns their history."""
        self.link.send("stop_load")
        self.wait_told("resolved")
        self.link.send("quit")
        assert self.process.wait(PATIENCE_S) == 0, self.log_text()
        return self.history()

    def catch_up(self, heads: dict[str, Any]) -> dict[str, str]:
        """Wait for the cursors; returns who is behind."""
        self.link.send("catch_up", heads=heads, deadline_ns=clock.deadline_ns(2))
        return dict(self.wait_told("caught_up")["behind"])

    def history(self) -> HistoryFile:
        """Read what they recorded."""
        return read_history_file(Path(self.config.history) / f"{self.config.worker}.events")

    def log_text(self) -> str:
        """Return what the process printed."""
        return Path(self._log.name).read_text()

    def close(self) -> None:
        """End the process, whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.link.close()
        self._listener.join(5)
        self._log.close()

    def _listen(self) -> None:
        try:
            for message in self.link.messages():
                if message["type"] == "live":
                    self.live = message
                else:
                    self._told.put(message)
        except (OSError, ValueError):  # The test closed the link.
            return


class Seen:
    """A history, by operation."""

    def __init__(self, file: HistoryFile) -> None:
        self.file = file
        self.rows = file.rows

    def of(self, op: Op, bot: int | None = None) -> list[Row]:
        """Return the rows of one operation."""
        return [row for row in self.rows if row.op is op and bot in (None, row.bot)]

    def text(self, string_id: int) -> str:
        """Return a string."""
        return self.file.text(string_id)

    def content(self, row: Row) -> Any:
        """Return the JSON of a SEND or DELIVERY."""
        return json.loads(self.file.text(row.a))


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[FakeCluster]:
    """A durable cluster; parametrize indirectly with other arguments for another one."""
    fake = FakeCluster(**getattr(request, "param", {"delivery": "durable"}))
    yield fake
    fake.close()


@pytest.fixture
def start_bots(cluster: FakeCluster, tmp_path: Path) -> Iterator[Callable[..., Bots]]:
    """Start the bots' process: `start_bots(count, rate=…, **config)`; all in one room."""
    started: list[Bots] = []

    def start(count: int, *, rate: float = 10.0, **config: Any) -> Bots:
        for name in ("history", "metrics"):
            (tmp_path / name).mkdir()
        listener = Listener(tmp_path / "control")
        try:
            bots = Bots(_config(cluster, tmp_path, count, rate, config), listener, tmp_path)
        finally:
            listener.close()
        started.append(bots)
        return bots

    yield start
    for bots in started:
        bots.close()


def _config(
    cluster: FakeCluster, folder: Path, count: int, rate: float, config: dict[str, Any]
) -> BotsConfig:
    return BotsConfig(
        run_id=RUN_ID,
        bots=tuple(
            BotPlan(
                ordinal=number,
                name=f"bot-{number:02}",
                rooms=("room-1",),
                first_node=NODES[(number - 1) % len(NODES)],
                start_at_s=0.02 * number,
                messages_per_second=rate,
                seed=1000 + number,
            )
            for number in range(1, count + 1)
        ),
        delivery="pubsub" if cluster.delivery == "pubsub" else "durable",
        nodes=cluster.nodes,
        history=str(folder / "history"),
        metrics=str(folder / "metrics"),
        control_socket=str(folder / "control"),
        **config,
    )


@pytest.fixture
def seen() -> type[Seen]:
    """Sorts a history by operation."""
    return Seen
