"""What the loader is told and what it tells: plain records that travel as JSON between the processes."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Travels between processes as JSON."""

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Parse what `to_json` returned."""
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True, slots=True)
class Load(Record):
    """One run of the loader: so many rooms, each with members, the first ones of which send.

    Members of a room are dealt to the servers in turn. `window` makes it a closed loop, `rate` (messages
    per second, all senders together) an open one: exactly one of them is set.
    """

    ports: list[int]
    pids: list[int]  # of the nodes: theirs is the CPU that counts
    other_pids: list[int] = field(default_factory=list)  # Redis: shown beside
    rooms: int = 1
    members: int = 204
    senders: int = 4
    window: int | None = None
    rate: float | None = None
    warmup_s: float = 2.0
    seconds: float = 8.0
    sweep_s: float = 0.004  # how often sockets of pure recipients are read
    contiguous: bool = False  # the system promises a `seq` without holes for each room
    core: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured(Record):
    """What was seen between the two moments of measuring. Shares are of one core, 1.0 is all of it."""

    elapsed_s: float
    deliveries: int
    sends: int  # acknowledged
    refused: int
    node_cpu_s: float
    other_cpu_s: float
    loader_cpu_s: float
    foreign_cpu_s: float  # used on the machine's cores by anybody else
    cores: int
    samples: int
    frame_bytes: int  # of a typical `message` frame, header included
    ack_ms: dict[str, float]
    problems: list[str]  # with one of these nothing must be compared
    remarks: list[str]  # what a system does not promise, and did not do

    @classmethod
    def failed(cls, why: str) -> Self:
        """Return what is known of a run that could not be measured."""
        return cls(
            elapsed_s=1.0, deliveries=0, sends=0, refused=0, node_cpu_s=0.0, other_cpu_s=0.0,
            loader_cpu_s=0.0, foreign_cpu_s=0.0, cores=0, samples=0, frame_bytes=0, ack_ms={},
            problems=[f"failed: {why}"], remarks=[],
        )  # fmt: skip

    @property
    def per_cpu_s(self) -> float:
        """Deliveries per CPU-second of the nodes."""
        return self.deliveries / self.node_cpu_s if self.node_cpu_s else 0.0

    @property
    def loader_share(self) -> float:
        """The loader's use of its core."""
        return self.share(self.loader_cpu_s)

    def share(self, cpu_s: float) -> float:
        """Return a use of CPU as a share of one core."""
        return cpu_s / self.elapsed_s

    def figures(self) -> dict[str, Any]:
        """Return all as a plain dict, the derived ones too."""
        return dataclasses.asdict(self) | {"per_cpu_s": self.per_cpu_s, "loader_share": self.loader_share}
