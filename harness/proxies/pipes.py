"""What is wrong with which direction of which link. Pure: time is given.

A `Rule` is one impairment in force. A `Pipe` is one direction between two ends, named as members are (and
`clients`), with the rules that hold for it. `Pipes` makes them and keeps them in step with the rules.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from harness.backends.abilities import Impairment
from harness.clock import NS

CHUNK = 64 * 1024  # what is read at once
HELD_MOST = 1 << 20  # bytes that a flow keeps back while they are delayed; then its source is not read
PIECES_A_SECOND = (
    50  # where a rate holds, reads are small: a large one would arrive as one lump after seconds
)
SMALLEST_PIECE = 256
PIECES_HELD = 4


@dataclass(kw_only=True, slots=True, eq=False)
class Rule:
    """An impairment in force, and what it has done."""

    impairment: Impairment
    bytes: int = 0  # that it delayed or slowed
    refused: int = 0  # connections that were reset as they came
    reset: int = 0  # connections that it found established and reset

    def holds(self, source: str, sink: str) -> bool:
        """Tell whether it is about what `source` says to `sink`."""
        it = self.impairment
        to = it.direction != "from" and source == it.member and sink in it.peers
        return to or (it.direction != "to" and sink == it.member and source in it.peers)

    def lag_ns(self, rng: random.Random) -> int:
        """Return one draw of its delay; 0 where it has none."""
        it = self.impairment
        if it.effect != "delay":
            return 0
        return max(0, int((it.delay_s + it.jitter_s * (2 * rng.random() - 1)) * NS))


class Pipe:
    """One direction between two ends."""

    __slots__ = ("_free_ns", "_rngs", "cut", "most", "piece", "refused", "rules", "sink", "source")

    def __init__(self, source: str, sink: str) -> None:
        self.source, self.sink = source, sink
        self._rngs: dict[Rule, random.Random] = {}  # whose draws go on where they were
        self._free_ns: dict[Rule, int] = {}  # when the narrow place of a rate is free again
        self.rules: tuple[Rule, ...] = ()
        self.cut = self.refused = False
        self.piece, self.most = CHUNK, HELD_MOST

    def put(self, rules: Iterable[Rule]) -> None:
        """Let these rules hold, and no others; `rules` stays the same object where nothing changes."""
        # The narrow place first: what is delayed behind it comes out as it went in.
        wanted = tuple(sorted(rules, key=lambda rule: rule.impairment.effect != "rate"))
        if wanted == self.rules:
            return
        self.rules = wanted
        self._rngs = {rule: self._rngs.get(rule) or self._rng(rule) for rule in wanted}
        effects = {rule.impairment.effect for rule in self.rules}
        self.cut = "drop" in effects
        self.refused = "reject" in effects and not self.cut  # Nobody hears a refusal over a link that is cut.
        self._free_ns = dict.fromkeys(self.rules, 0)  # All flows ask anew for what waits.
        rates = [rule.impairment.bytes_per_s for rule in self.rules if rule.impairment.effect == "rate"]
        self.piece = min(CHUNK, max(SMALLEST_PIECE, min(rates) // PIECES_A_SECOND)) if rates else CHUNK
        self.most = PIECES_HELD * self.piece if rates else HELD_MOST

    def due_ns(self, size: int, now_ns: int) -> int:
        """Return when that many bytes may go on."""
        at = now_ns
        for rule in self.rules:
            if rate := rule.impairment.bytes_per_s:
                at = self._free_ns[rule] = max(at, self._free_ns[rule]) + size * NS // rate
            at += rule.lag_ns(self._rngs[rule])
        return at

    def _rng(self, rule: Rule) -> random.Random:
        return random.Random(f"{rule.impairment.seed}:{self.source}:{self.sink}")

    def passed(self, size: int) -> None:
        """Count bytes that came to be slowed or delayed."""
        for rule in self.rules:
            rule.bytes += size

    def lag_ns(self) -> int:
        """Return one draw of the delay of a packet of no size."""
        return sum(rule.lag_ns(self._rngs[rule]) for rule in self.rules)


class Pipes:
    """All pipes by their ends, and all rules by their handles."""

    def __init__(self) -> None:
        self._pipes: dict[tuple[str, str], Pipe] = {}
        self.rules: dict[str, Rule] = {}

    def between(self, source: str, sink: str) -> Pipe:
        """Return the pipe from `source` to `sink`."""
        pipe = self._pipes.get((source, sink))
        if pipe is None:
            pipe = self._pipes[source, sink] = Pipe(source, sink)
            self._fit(pipe)
        return pipe

    def add(self, handle: str, impairment: Impairment) -> Rule:
        """Put an impairment in force."""
        rule = self.rules[handle] = Rule(impairment=impairment)
        self._fit_all()
        return rule

    def remove(self, handle: str) -> None:
        """End one."""
        del self.rules[handle]
        self._fit_all()

    def _fit_all(self) -> None:
        for pipe in self._pipes.values():
            self._fit(pipe)

    def _fit(self, pipe: Pipe) -> None:
        pipe.put(rule for rule in self.rules.values() if rule.holds(pipe.source, pipe.sink))
