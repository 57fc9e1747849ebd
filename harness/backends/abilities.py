"""What a backend can do to its members beside starting, ending and pausing them.

Each ability is one small interface. A backend has it as an attribute of the ability's name, prepared where
the plan `needs` it (`ClusterPlan.needs`) and costing nothing otherwise. Faults use these; nothing else does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Evidence = Mapping[str, str]  # what was seen, for people and for the receipt

Effect = Literal["drop", "reject", "delay", "loss", "rate"]
Direction = Literal["both", "to", "from"]

# What the evidence of an impairment says that is in force by its rules, and does nothing any more.
GONE = "gone: packets pass at once"


@dataclass(frozen=True, kw_only=True, slots=True)
class Impairment:
    """What is wrong with the links between one member and each of its peers.

    `direction` is seen from the member: `to` is what it sends to the peers, `from` what it gets from them.
    `drop` lets bytes vanish, `reject` refuses and resets; `delay` is one way, `delay_s` ± `jitter_s`; `loss`
    is the share of packets that vanish; `rate` is what passes, in bytes a second.
    Jitter is drawn from `seed`.
    """

    member: str
    peers: tuple[str, ...]  # member names, or `CLIENTS`
    effect: Effect
    direction: Direction = "both"
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    bytes_per_s: int = 0
    seed: int = 0

    def touches(self, one: str, other: str) -> bool:
        """Tell whether it is about the link between these two ends, in whatever direction."""
        return (self.member == one and other in self.peers) or (self.member == other and one in self.peers)


class Links(Protocol):
    """Cuts, slows and thins the links between members, and between members and clients. Thread-safe.

    Several impairments of one link hold together; each is ended by its own handle.
    """

    def impair(self, impairment: Impairment) -> str:
        """Put it in force, for what is connected already, too; return its handle.

        Raises:
            HarnessError: the effect cannot be had here, or putting it in force failed.
        """

    def evidence(self, handle: str) -> Evidence:
        """Return what it has done so far: packets or bytes that it hit, connections that it refused.

        `GONE` is among it when it does nothing any more although nobody ended it.
        """

    def restore(self, handle: str) -> None:
        """End it. Idempotent, also after the member was restarted or has died."""

    def in_force(self) -> Mapping[str, Impairment]:
        """Return all that holds now, of whoever, by its handle."""

    def reset(self, member: str, peers: tuple[str, ...]) -> int:
        """Cut the established connections between the member and its peers; return how many."""

    def round_trip(self, member: str, peer: str, *, timeout_s: float) -> float | None:
        """Return the seconds of a small exchange over the link as it is now; `None`: no answer in time.

        The member asks the peer (a node: HTTP, Redis: PING); with `CLIENTS` a client asks the member.
        """


class Clock(Protocol):
    """Shifts the wall clock that a member sees; its monotonic clock runs on."""

    def shift(self, member: str, offset_s: float) -> None:
        """Shift it to `offset_s` from the machine's; 0 ends the shift. Lasts over restarts of the member."""

    def offset(self, member: str) -> float:
        """Return how far a clock that is read in the member's place is from the machine's, in seconds."""

    def holders(self, member: str) -> Mapping[str, bool]:
        """Return of each living process of the member whether it has what shifts its clock; none: it is down.

        A program that is linked statically is given it like any other, and goes by the machine's clock.
        """


class Disk(Protocol):
    """The disk that Redis writes its log to, which is its own and small."""

    def fill(self) -> Evidence:
        """Take all space that is left."""

    def free(self) -> None:
        """Give it back. Idempotent."""

    def truncate_log(self, *, keep: float) -> Evidence:
        """While Redis is down: keep that share of its log (0: nothing of it), as a broken disk would."""


class Resources(Protocol):
    """Limits what a member may use of the machine. All of it is idempotent, and ended by `None`."""

    def limit_cpu(self, member: str, cores: float | None) -> Evidence:
        """Let it have that many cores' time at most."""

    def limit_memory(self, member: str, bytes_: int | None) -> Evidence:
        """Let it have that much memory at most; who wants more is ended by the kernel."""

    def ended_for_memory(self, member: str) -> str | None:
        """Return who ended the member, which is down, for what it held; `None`: nothing says that."""

    def held_back(self, member: str) -> int:
        """Return how often its limit of CPU made the member wait so far; only differences mean something."""

    def usage(self, member: str) -> tuple[float, int]:
        """Return the CPU seconds that it has used and the bytes that it holds."""
