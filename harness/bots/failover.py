"""Where a bot goes when it is cut off, and how long it pauses between tries.

Pure, from the bot's own random stream.

The first try goes to any node but the one that was lost; the others come in random order, the lost one
last, and so round and round. Nodes that `server_info` last called neither alive nor unknown (`suspect`,
`dead`, `draining`) come after the others of a round.

Whoever was cut off pauses for a random 50 to 350 ms before the first try: all clients of a dead node lose it
in the same millisecond, and the nodes that are left must not get them in one. Before each further try the
pause is a random one of 20 to 200 ms, growing by half with each try and never above a second.
"""

import random
from collections.abc import Iterable

from harness.bots.wire import Peer
from harness.records.bots import NodeAddress

SPREAD_S = (0.05, 0.35)
AGAIN_S = (0.02, 0.2)
LONGEST_S = 1.0
GROWTH = 1.5


class Failover:
    """The order of nodes to try. `next` gives one; `settled` says that the bot has a home again."""

    def __init__(self, nodes: Iterable[NodeAddress], first: str, rng: random.Random) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._names = {node.called or node.name: node.name for node in self._nodes.values()}
        self._states: dict[str, str] = {}
        self._rng = rng
        self._last = first
        self._round: list[str] = [first]
        self._tries = 0
        self._had_a_home = False

    def learn(self, peers: Iterable[Peer]) -> None:
        """Take in what a node says of the states of the others.

        Addresses are the plan's own: a node of an attached cluster may tell of others that nobody allowed
        to be tested.
        """
        for peer in peers:
            if peer.name in self._names:
                self._states[self._names[peer.name]] = peer.state

    def next(self) -> tuple[NodeAddress, float]:
        """Return the node to try next and the seconds to pause before."""
        if not self._round:
            self._round = self._order()
        self._last = self._round.pop(0)
        self._tries += 1
        return self._nodes[self._last], self._pause_s()

    def settled(self) -> None:
        """The bot is joined to its rooms: whatever comes next begins anew, away from this node."""
        self._tries = 0
        self._had_a_home = True
        self._round = []

    def _order(self) -> list[str]:
        others = [name for name in self._nodes if name != self._last]
        self._rng.shuffle(others)
        others.sort(key=lambda name: self._states.get(name, "alive") != "alive")
        return [*others, self._last]

    def _pause_s(self) -> float:
        if self._tries == 1:
            return self._rng.uniform(*SPREAD_S) if self._had_a_home else 0.0
        growth = GROWTH ** min(self._tries - 2, 16)
        return min(LONGEST_S, self._rng.uniform(*AGAIN_S) * growth)
