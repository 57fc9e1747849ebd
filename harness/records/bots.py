"""What the bots' process is told before it starts, and what it leaves behind beside the history.

The runner writes a `BotsConfig` as JSON and starts `python -m harness.bots CONFIG.json`; the token for the
control socket comes in the environment (`TOKEN_VARIABLE`), so that it lies in no file.
"""

from dataclasses import dataclass
from typing import Literal

from harness.records.plan import BotPlan

TOKEN_VARIABLE = "WORDAROUND_BOTS_TOKEN"
CLIENT_QUIT = "client quit"  # the reason of a DISCONNECT that the bot itself wished: the end of the run


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAddress:
    """Where a node of the plan is reached by clients: `http://127.0.0.1:5001`.

    `called` is its name among its peers, where that is another one.
    """

    name: str
    url: str
    called: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BotsConfig:
    """Everything that one worker of bots needs; paths are absolute."""

    run_id: str
    bots: tuple[BotPlan, ...]
    delivery: Literal["durable", "pubsub"]
    history: str  # the folder of the history files
    metrics: str  # the folder for `bots.json` and `locust.json`
    control_socket: str
    nodes: tuple[NodeAddress, ...] = ()  # told with `go`: the process starts beside the cluster
    web_port: int | None = None  # where Locust's page is served, on 127.0.0.1
    hands: bool = False  # whether it may start, stop and change the load
    worker: str = "bots-1"  # the name of its history files
    send_patience_s: float = 5.0  # a send that is not answered for so long is sent again
    connect_timeout_s: float = 1.0
    join_timeout_s: float = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BotsMetrics:
    """`metrics/bots.json`: whether the generator itself was the bottleneck.

    Lag is how much later than asked the bots' event loop woke up, sampled 20 times a second while the
    load ran. Below 100 samples the p99 is the maximum. `cpu_s` is the processor time of the process
    while the load ran, `rows` the operations that it recorded meanwhile.
    """

    max_lag_ms: float
    p99_lag_ms: float
    samples: int
    load_s: float
    cpu_s: float
    rows: int
