"""Every fault by the name that scenarios use."""

from harness.faults.bandwidth import Bandwidth
from harness.faults.base import Fault
from harness.faults.clock_skew import ClockSkew
from harness.faults.command import Command
from harness.faults.cpu import Cpu
from harness.faults.disk_full import DiskFull
from harness.faults.kill import Kill
from harness.faults.latency import Latency
from harness.faults.loss import Loss
from harness.faults.memory import Memory
from harness.faults.partition import Partition
from harness.faults.pause import Pause
from harness.faults.reconnect_storm import ReconnectStorm
from harness.faults.redis_clients_kill import RedisClientsKill
from harness.faults.redis_data_loss import RedisDataLoss
from harness.faults.redis_pause import RedisPause
from harness.faults.reset import Reset
from harness.faults.restart import Restart
from harness.faults.stop import Stop

KINDS: tuple[type[Fault], ...] = (
    Kill,
    Stop,
    Restart,
    Pause,
    Partition,
    Latency,
    Loss,
    Bandwidth,
    Reset,
    RedisClientsKill,
    RedisPause,
    RedisDataLoss,
    ReconnectStorm,
    ClockSkew,
    Cpu,
    Memory,
    DiskFull,
    Command,
)

FAULTS: dict[str, type[Fault]] = {kind.spec.name: kind for kind in KINDS}
