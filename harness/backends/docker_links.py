"""Links between containers, cut, slowed and thinned by rules in the members' network namespaces.

What an impairment needs is put in force at one member, by its helper (docker_helper.py): rules that act
themselves (docker_rules.py), and for delays and rates a program that decides when packets pass
(netns/shaper.py). A member that starts again has a new namespace without rules: it is started without a
network, and gets that when they are there.

When a helper dies, rules stay, since they are the namespace's; what its shaper delayed passes at once.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.backends.abilities import GONE, Evidence, Impairment
from harness.backends.docker_container import Slot
from harness.backends.docker_helper import Helper
from harness.backends.docker_iptables import apply_rules, iptables_kind
from harness.backends.docker_rules import GETS, SENDS, Ruling, check, counted, sockets
from harness.backends.netns import probe
from harness.backends.readiness import LOOPBACK
from harness.errors import HarnessError
from harness.records.plan import CLIENTS

_MARK_BITS = 32

# Prints the rules with what they hit; removes them, if they are there, and looks again; ends their shaper, if
# it runs.
_END = """
saved=$(iptables-{kind}-save --counters --table {table}) || exit
printf '%s\\n' "$saved"
there() {{ case $1 in *:{handle}-*) true ;; *) false ;; esac; }}
if there "$saved"; then
    printf %s "$1" | iptables-{kind}-restore --noflush --wait || exit
    left=$(iptables-{kind}-save --table {table}) || exit
    if there "$left"; then echo "the rules of {handle} are still there" >&2; exit 1; fi
fi
life=/run/shaper-{handle}
[ ! -e $life ] || flock --nonblock $life true || {{ kill "$(cat $life)" && flock --timeout 5 $life true; }}
"""


@dataclass(kw_only=True, slots=True, eq=False)
class _InForce:
    """An impairment, from its beginning on; `before` are the hits in namespaces that are gone."""

    ruling: Ruling
    ended: bool = False
    placed: bool = False  # in the namespace that the member has now
    before: dict[str, tuple[int, int]] = field(default_factory=dict)
    last: dict[str, tuple[int, int]] = field(default_factory=dict)

    def total(self, side: str) -> tuple[int, int]:
        """Return packets and bytes that were hit so far."""
        zero = (0, 0)
        before, last = self.before.get(side, zero), self.last.get(side, zero)
        return before[0] + last[0], before[1] + last[1]


class Cable(Protocol):
    """How the backend starts a member, and connects it with the run's network."""

    def start(self) -> None:
        """Start the container, with or without the network."""

    def unplug(self) -> None:
        """Take the container, which is down, off the network."""

    def plug(self) -> None:
        """Connect it again: same address, same names, same published port."""


class DockerLinks:
    """See `harness.backends.abilities.Links`."""

    def __init__(
        self, slots: Mapping[str, Slot], helpers: Mapping[str, Helper], alive: Callable[[str], bool]
    ) -> None:
        """Take the members and their helpers; `alive` says whether a member's container runs."""
        self._slots = slots
        self._helpers = helpers
        self._alive = alive
        self._addresses = {name: slot.address for name, slot in slots.items()}
        self._locks = {name: threading.RLock() for name in slots}
        self._handles = threading.Lock()
        self._known: dict[str, _InForce] = {}
        self._kind = ""

    # --- what faults do ----------------------------------------------------------------------------------

    def impair(self, impairment: Impairment) -> str:
        """Put it in force; return its handle. Where the member is down it holds as soon as it starts.

        Raises:
            HarnessError: no such member, or the kernel or the engine refuses.
        """
        check(impairment, self._addresses)
        with self._locks[impairment.member]:
            new = self._note(impairment)
            if self._alive(impairment.member):
                try:
                    self._place(new)
                except HarnessError:
                    self.restore(new.ruling.handle)
                    raise
            return new.ruling.handle

    def _note(self, impairment: Impairment) -> _InForce:
        with self._handles:
            number = len(self._known) + 1
            used = {known.ruling.bit for known in self._of(impairment.member)}
            ruling = Ruling(number=number, impairment=impairment, addresses=self._addresses)
            if ruling.shaped:
                free = [1 << bit for bit in range(_MARK_BITS) if 1 << bit not in used]
                if not free:
                    raise HarnessError(
                        f"{impairment.member} has {_MARK_BITS} delays and rates at once already"
                    )
                ruling = Ruling(number=number, impairment=impairment, addresses=self._addresses, bit=free[0])
            self._known[ruling.handle] = new = _InForce(ruling=ruling)
            return new

    def evidence(self, handle: str) -> Evidence:
        """Return how many packets and bytes its rules have hit so far, by direction.

        Raises:
            HarnessError: there is no such handle, or the engine does not answer.
        """
        known = self._find(handle)
        with self._locks[known.ruling.impairment.member]:
            if known.placed:
                self._count(known)
            found = {}
            for side, word in ((SENDS, "sent"), (GETS, "received")):
                if side in known.ruling.sides:
                    packets, size = known.total(side.name)
                    found[f"packets {word}"] = f"{packets} ({size} bytes)"
            if known.placed and known.ruling.shaped:
                found["shaper"] = "runs" if self._shaper_runs(known.ruling) else GONE
            return {"rules": f"chains {handle}-* at {known.ruling.impairment.member}", **found}

    def _shaper_runs(self, ruling: Ruling) -> bool:
        life = f"/run/shaper-{ruling.handle}"  # Locked as long as the shaper lives.
        held = f"[ -e {life} ] && ! flock --nonblock {life} true && echo held; true"
        return bool(self._helper(ruling).run("sh", "-c", held))

    def restore(self, handle: str) -> None:
        """End it. Idempotent; nothing to do where the namespace that had it is gone.

        Raises:
            HarnessError: there is no such handle, or its rules are still in force.
        """
        known = self._find(handle)
        with self._locks[known.ruling.impairment.member]:
            known.ended = True  # From now on no restart brings it back.
            if known.placed:
                self._remove(known)

    def in_force(self) -> dict[str, Impairment]:
        """Return all that holds now, or as soon as its member starts, and what could not be removed."""
        with self._handles:
            found = tuple(self._known.items())
        return {handle: it.ruling.impairment for handle, it in found if it.placed or not it.ended}

    def reset(self, member: str, peers: tuple[str, ...]) -> int:
        """Cut the member's established connections with these peers, whoever opened them; return how many."""
        check(Impairment(member=member, peers=peers, effect="reject"), self._addresses)
        if not self._alive(member):
            return 0
        which = sockets(peers, self._addresses)
        killed = self._helpers[member].run("ss", "-HntK", "state", "connected", "exclude", "time-wait", which)
        return sum(bool(line.strip()) for line in killed.splitlines())

    def round_trip(self, member: str, peer: str, *, timeout_s: float) -> float | None:
        """Return the seconds from a question to its answer, on a connection just made; `None`: none in time.

        Asked beside the member, by its helper; with `CLIENTS` here, at the member's published port.
        """
        if peer == CLIENTS:
            slot = self._slots[member]
            return probe.exchange(slot.member.role, LOOPBACK, slot.port, timeout_s=timeout_s)
        if not self._alive(member):
            return None
        slot = self._slots[peer]
        question = ("python3", "-m", "netns.probe", slot.member.role, slot.address)
        said = self._helpers[member].run(*question, str(slot.inner_port), str(timeout_s))
        return float(said) if said else None

    # --- what the backend does ---------------------------------------------------------------------------

    def start(self, member: str, cable: Cable) -> None:
        """Start the member; what is in force for it holds before anything can reach it.

        Raises:
            HarnessError: the engine refuses.
        """
        with self._locks[member]:
            self._leave(member)
            if not self._of(member):
                cable.start()
                self._enter(member)
                return
            cable.unplug()
            try:
                cable.start()
                self._enter(member)
            finally:
                cable.plug()

    def _enter(self, member: str) -> None:
        """Have what is in force hold in the member's new namespace."""
        try:
            self._helpers[member].join()
            self._choose_kind(member)
            for known in self._of(member):
                self._place(known)
        except HarnessError:
            if self._alive(member):
                raise
            # It has died meanwhile, which whoever waits for it will say better.

    def _leave(self, member: str) -> None:
        """Note what rules have hit in a namespace that is about to go."""
        for known in self._of(member):
            if known.placed:
                self._count(known)
                known.before = {side.name: known.total(side.name) for side in (SENDS, GETS)}
                known.last, known.placed = {}, False

    def _of(self, member: str) -> list[_InForce]:
        return [
            known
            for known in self._known.values()
            if known.ruling.impairment.member == member and not known.ended
        ]

    def _find(self, handle: str) -> _InForce:
        known = self._known.get(handle)
        if known is None:
            raise HarnessError(f"no link was impaired by the handle {handle!r}")
        return known

    # --- in the namespace --------------------------------------------------------------------------------

    def _choose_kind(self, member: str) -> None:
        if not self._kind:
            self._kind = iptables_kind(self._helpers[member])

    def _place(self, known: _InForce) -> None:
        ruling = known.ruling
        helper = self._helper(ruling)
        known.placed = True  # Also when it fails half-way: what is there must be removed.
        if ruling.shaped:
            helper.run(*shaper(ruling))
        apply_rules(helper, self._kind, ruling.added())
        if ruling.impairment.effect == "reject":
            # What stands idle would not notice; it is refused now as well.
            which = sockets(ruling.impairment.peers, self._addresses)
            helper.run("ss", "-HntK", "state", "connected", which)

    def _remove(self, known: _InForce) -> None:
        ruling = known.ruling
        end = _END.format(kind=self._kind, table=ruling.table, handle=ruling.handle)
        try:
            saved = self._helper(ruling).run("sh", "-c", end, "sh", ruling.removed())
        except HarnessError:
            if self._alive(ruling.impairment.member):
                raise
        else:
            known.last = counted(saved, ruling.handle)
        known.placed = False

    def _count(self, known: _InForce) -> None:
        ruling = known.ruling
        saved = self._helper(ruling).run(f"iptables-{self._kind}-save", "--counters", "--table", ruling.table)
        known.last = counted(saved, ruling.handle)

    def _helper(self, ruling: Ruling) -> Helper:
        return self._helpers[ruling.impairment.member]


def shaper(ruling: Ruling) -> tuple[str, ...]:
    """Return the command that begins the shaper of an impairment."""
    wanted = ruling.impairment
    queues = (f"--{side.name}={ruling.queue(side)}" for side in ruling.sides)
    return (
        *("python3", "-m", "netns.shaper", f"--name={ruling.handle}", f"--bit={ruling.bit}", *queues),
        *(f"--delay={wanted.delay_s}", f"--jitter={wanted.jitter_s}", f"--rate={wanted.bytes_per_s}"),
        f"--seed={wanted.seed}",
    )
