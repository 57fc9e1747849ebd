"""The probes of the steady state, measured over a window of the record (`records/steady.py` says which).

The runner measures the first window while the run goes on, to decide whether it may go on; the judge measures
both again from the whole record. It is one code and one definition, so the two cannot disagree.

- *Its sends* are the messages whose first invoke lies in the window, at least `GRACE_S` before its end.
- *Acknowledged* is what was by the window's end.
- *Came* is what reached a bot by then, live or from history. Of an acknowledged send it is owed to every bot
  whose stay in the room began before the first invoke and had not ended at the acknowledgement.
- *Connected* and *ready* are as they were at the window's end.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.checkers.receipts import LIVE
from harness.checkers.view import View
from harness.clock import NS
from harness.records.journal import MemberState
from harness.records.steady import GRACE_S, ProbeName, SteadyBound

GRACE_NS = int(GRACE_S * NS)
SAMPLES_FOR_P99 = 100

Value = float | None  # `None`: there was nothing to measure
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A stretch of the run, in stamps of the machine's clock; both ends belong to it."""

    began_ns: int
    ended_ns: int


def before_faults(view: View) -> Window | None:
    """Return the steady phase; `None` where the load never began, or had no such phase."""
    phase = next((phase for phase in view.plan.phases if phase.name == "steady"), None)
    if view.meta.load_began_ns is None or phase is None:
        return None
    began, ended = (view.zero_ns + int(s * NS) for s in (phase.start_s, phase.end_s))
    return Window(began_ns=began, ended_ns=ended)


def after_recovery(view: View) -> Window | None:
    """Return the second half of the recovery phase as it was; `None` where it was not reached."""
    began, ended = view.meta.recovery_began_ns, view.meta.load_ended_ns
    if began is None or ended is None:
        return None
    return Window(began_ns=(began + ended) // 2, ended_ns=ended)


def measured(view: View, window: Window) -> tuple[tuple[SteadyBound, Value], ...]:
    """Return every bound of the plan with what was measured of it."""
    values = _Values(view, window)
    return tuple((bound, values.of(bound.probe)) for bound in view.plan.steady_state)


def broken(view: View, window: Window) -> tuple[str, ...]:
    """Return the bounds that did not hold, a phrase each."""
    return tuple(bound.spoken(value) for bound, value in measured(view, window) if not bound.holds(value))


class _Values:
    """All that the probes are figured from, each part once and only where a probe asks for it."""

    def __init__(self, view: View, window: Window) -> None:
        self._view = view
        self._window = window

    def of(self, probe: ProbeName) -> Value:
        match probe:
            case "ack_ratio":
                return _share(len(self._acked), len(self._sends))
            case "delivery_ratio":
                return _share(*self._deliveries)
            case "ack_latency_p50":
                return _p50(self._ack_latencies)
            case "ack_latency_p99":
                return _p99(self._ack_latencies)
            case "delivery_latency_p50":
                return _p50(self._delivery_latencies)
            case "delivery_latency_p99":
                return _p99(self._delivery_latencies)
            case "ack_rate":
                return len(self._acked) / self._sending_s if self._sending_s > 0 else None
            case "connected_ratio":
                return _share(self._connected, len(self._view.bots))
            case "ready_nodes":
                return float(self._ready)

    @cached_property
    def _last_send_ns(self) -> int:
        return self._window.ended_ns - GRACE_NS

    @property
    def _sending_s(self) -> float:
        return (self._last_send_ns - self._window.began_ns) / NS

    @cached_property
    def _is_send(self) -> Bools:
        invoked = self._view.messages.invoked_ns
        return (invoked >= self._window.began_ns) & (invoked <= self._last_send_ns)

    @cached_property
    def _is_acked(self) -> Bools:
        acked = self._view.messages.acked_ns
        return self._is_send & (acked >= 0) & (acked <= self._window.ended_ns)

    @property
    def _sends(self) -> Ints:
        return np.flatnonzero(self._is_send)

    @cached_property
    def _acked(self) -> Ints:
        return np.flatnonzero(self._is_acked)

    @cached_property
    def _ack_latencies(self) -> NDArray[np.float64]:
        messages = self._view.messages
        return np.sort((messages.acked_ns[self._acked] - messages.invoked_ns[self._acked]) / NS)

    @cached_property
    def _deliveries(self) -> tuple[int, int]:
        """How many came, and how many were owed."""
        came = owed = 0
        for room, by_bot in self._view.members_of_rooms.items():
            messages = self._view.messages_of(room)
            messages = messages[self._is_acked[messages]]
            for bot in by_bot:
                must = self._owed(room, bot, messages)
                owed += int(np.count_nonzero(must))
                came += int(np.count_nonzero(must & self._came(room, bot)[messages]))
        return came, owed

    def _owed(self, room: int, bot: int, messages: Ints) -> Bools:
        of_all = self._view.messages
        must = np.zeros(len(messages), np.bool_)
        for member in self._view.members_of_rooms[room][bot]:
            there = of_all.invoked_ns[messages] > member.joined_ns
            if member.left_ns is not None:
                there &= of_all.acked_ns[messages] < member.left_ns
            must |= there
        return must

    def _came(self, room: int, bot: int) -> Bools:
        """Mark the messages that a bot received in a room by the window's end."""
        table = self._view.receipts
        stay = table.stay(bot, room)
        in_time = self._times(stay) <= self._window.ended_ns
        came = np.zeros(len(self._view.messages) + 1, np.bool_)  # the last place is for what nobody sent
        came[self._view.contents.owner[table.content[stay][in_time]]] = True
        return came

    def _times(self, rows: slice) -> Ints:
        return self._view.recorded.t_ns(self._view.receipts.row[rows].astype(np.int64))

    @cached_property
    def _delivery_latencies(self) -> NDArray[np.float64]:
        table, found = self._view.receipts, [np.empty(0, np.float64)]
        for piece in table.pieces():
            owner = self._view.contents.owner[table.content[piece]]
            came_ns = self._times(piece)
            own = (table.via[piece] == LIVE) & (owner >= 0) & (came_ns <= self._window.ended_ns)
            own[own] = self._is_send[owner[own]]
            found.append((came_ns[own] - self._view.messages.invoked_ns[owner[own]]) / NS)
        return np.sort(np.concatenate(found))

    @property
    def _connected(self) -> int:
        end = self._window.ended_ns
        return sum(any(c.open_at(end) for c in bot.connections) for bot in self._view.bots.values())

    @property
    def _ready(self) -> int:
        states: Mapping[str, MemberState] = {
            entry.member: entry.state for entry in self._view.members if entry.t_ns <= self._window.ended_ns
        }
        return sum(states.get(node) is MemberState.READY for node in self._view.plan.cluster.nodes)


def _share(part: int, whole: int) -> Value:
    return part / whole if whole else None


def _p50(ordered: NDArray[np.float64]) -> Value:
    return float(ordered[math.ceil(0.5 * len(ordered)) - 1]) if len(ordered) else None


def _p99(ordered: NDArray[np.float64]) -> Value:
    if not len(ordered):
        return None
    enough = len(ordered) >= SAMPLES_FOR_P99
    return float(ordered[math.ceil(0.99 * len(ordered)) - 1 if enough else -1])
