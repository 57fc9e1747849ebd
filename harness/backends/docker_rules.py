"""The rules of an impairment, as text for `iptables-restore`. Pure.

Each impairment has two chains of its own in a member's network namespace, one for what the member sends and
one for what it gets, and nothing else there is touched. Both come and go in one transaction.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.backends.abilities import Effect, Impairment
from harness.errors import HarnessError
from harness.records.plan import CLIENTS

_COUNTED = re.compile(r"^\[(\d+):(\d+)\] -A (WORDAROUND-\S+) .*-j (?:DROP|REJECT|NFQUEUE)\b", re.MULTILINE)

# Whatever our rules can do, in chains that no packet passes and that are gone at the end of the transaction.
TRIAL = """\
*filter
:WORDAROUND-TRY - [0:0]
-A WORDAROUND-TRY -m statistic --mode random --probability 0.5 -j DROP
-A WORDAROUND-TRY -p tcp -j REJECT --reject-with tcp-reset
-F WORDAROUND-TRY
-X WORDAROUND-TRY
COMMIT
*mangle
:WORDAROUND-TRY - [0:0]
-A WORDAROUND-TRY -m mark --mark 1/1 -j NFQUEUE --queue-num 1 --queue-bypass
-F WORDAROUND-TRY
-X WORDAROUND-TRY
COMMIT
"""

# `reject` is known to the table `filter` only; a packet comes through `mangle` first, so that what is
# delayed can be dropped as well.
_TABLES: Mapping[Effect, str] = {
    "drop": "filter",
    "reject": "filter",
    "loss": "filter",
    "delay": "mangle",
    "rate": "mangle",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One direction: whose chain, where it hangs, and how rules name its loopback and the peer there."""

    name: str
    hook: str
    loopback: str
    peer: str


SENDS = Side(name="out", hook="OUTPUT", loopback="-o lo", peer="-d")
GETS = Side(name="in", hook="INPUT", loopback="-i lo", peer="-s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """An impairment in a namespace: its chains and queues by `number`; `bit` marks what a shaper let go."""

    number: int
    impairment: Impairment
    addresses: Mapping[str, str]  # of all members
    bit: int = 0

    @property
    def handle(self) -> str:
        """What its chains begin with."""
        return f"WORDAROUND-{self.number}"

    @property
    def table(self) -> str:
        """The table that has its chains."""
        return _TABLES[self.impairment.effect]

    @property
    def shaped(self) -> bool:
        """Whether a program decides when packets pass (netns/shaper.py)."""
        return self.impairment.effect in ("delay", "rate")

    @property
    def sides(self) -> tuple[Side, ...]:
        """The directions that it is about."""
        return {"both": (SENDS, GETS), "to": (SENDS,), "from": (GETS,)}[self.impairment.direction]

    def queue(self, side: Side) -> int:
        """Return the number of the queue that this direction's packets wait in."""
        return 2 * self.number + (side is GETS)

    def added(self) -> str:
        """Return what puts it in force."""
        lines = [f"*{self.table}"]
        for side in self.sides:
            chain = f"{self.handle}-{side.name}"
            lines.append(f":{chain} - [0:0]")
            lines += [f"-A {chain} {rule}" for rule in self._rules(side)]
            lines.append(f"-A {side.hook} -j {chain}")
        return "\n".join([*lines, "COMMIT", ""])

    def removed(self) -> str:
        """Return what ends it."""
        lines = [f"*{self.table}"]
        for side in self.sides:
            chain = f"{self.handle}-{side.name}"
            lines += [f"-D {side.hook} -j {chain}", f"-F {chain}", f"-X {chain}"]
        return "\n".join([*lines, "COMMIT", ""])

    def _rules(self, side: Side) -> Iterable[str]:
        yield f"{side.loopback} -j RETURN"
        if self.shaped:
            yield f"-m mark --mark {self.bit:#x}/{self.bit:#x} -j RETURN"  # It has waited already.
        if self.impairment.effect == "reject":
            yield "-p tcp --tcp-flags RST RST -j RETURN"  # Else the refusal would not arrive.
        clients = CLIENTS in self.impairment.peers
        if clients:  # They have no addresses: they are all that is no member.
            others = [name for name in self.addresses if name not in self.impairment.peers]
            yield from (f"{side.peer} {self.addresses[name]} -j RETURN" for name in others)
        which = (
            [""] if clients else [f"{side.peer} {self.addresses[peer]} " for peer in self.impairment.peers]
        )
        for match in which:
            yield from (match + action for action in self._actions(side))

    def _actions(self, side: Side) -> tuple[str, ...]:
        match self.impairment.effect:
            case "drop":
                return ("-j DROP",)
            case "reject":
                return ("-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT")
            case "loss":
                return (f"-m statistic --mode random --probability {self.impairment.loss:.6f} -j DROP",)
            case "delay" | "rate":
                return (f"-j NFQUEUE --queue-num {self.queue(side)} --queue-bypass",)


def counted(saved: str, handle: str) -> dict[str, tuple[int, int]]:
    """Return packets and bytes that an impairment's rules hit, by side, from `iptables-save --counters`."""
    hits = {side.name: (0, 0) for side in (SENDS, GETS)}
    for packets, size, chain in _COUNTED.findall(saved):
        of, _, side = chain.rpartition("-")
        if of == handle:
            before = hits[side]
            hits[side] = before[0] + int(packets), before[1] + int(size)
    return hits


def sockets(impairment_peers: tuple[str, ...], addresses: Mapping[str, str]) -> str:
    """Return the expression by which `ss` finds a member's connections with these peers."""
    terms = [f"dst {addresses[peer]}" for peer in impairment_peers if peer != CLIENTS]
    if CLIENTS in impairment_peers:
        members = " and ".join(f"not dst {address}" for address in addresses.values())
        terms.append(f"( {members} and not dst 127.0.0.0/8 )")
    return f"( {' or '.join(terms)} )"


def check(impairment: Impairment, addresses: Mapping[str, str]) -> None:
    """Raise a `HarnessError` where the impairment makes no sense for these members."""
    unknown = [name for name in (impairment.member, *impairment.peers) if name not in (*addresses, CLIENTS)]
    if unknown or impairment.member == CLIENTS:
        raise HarnessError(
            f"there is no member {(unknown or [CLIENTS])[0]!r} whose links could be impaired; "
            f"there are {', '.join(addresses)}"
        )
    if not impairment.peers or impairment.member in impairment.peers:
        raise HarnessError(
            f"links of {impairment.member} can be impaired towards other members and clients only"
        )
    if impairment.effect == "rate" and impairment.bytes_per_s <= 0:
        raise HarnessError(f"a rate must be above zero bytes a second, not {impairment.bytes_per_s}")
