"""Load and faults of one run: from time zero until the load has stopped and every fault is healed.

Phases and faults count from time zero, but the recovery phase waits until every planned heal was seen, since
there is nothing to recover before. Where the scenario names a steady state, the faults begin to run only
after it was seen to hold. A run that is aborted heals first what is open, then stops the load.
"""

import time
from collections.abc import Callable
from typing import Protocol

from harness import clock
from harness.aborts import Aborted, check_available
from harness.display import Display
from harness.faults.executor import FaultExecutor
from harness.interrupts import Interrupts
from harness.load import Load
from harness.records.plan import PhasePlan, Plan
from harness.watch import MemberWatch

TICK_S = 0.1
HEAL_PATIENCE_S = 40.0  # for faults that are not over when the chaos phase is; above what one step takes


class Note(Protocol):
    """Where stamps of the run are kept (`meta.json`)."""

    def __call__(self, **stamps: int) -> None: ...


class Driver:
    """Drives one run; `drive` is called once."""

    def __init__(
        self,
        *,
        plan: Plan,
        load: Load,
        watch: MemberWatch,
        executor: FaultExecutor,
        display: Display,
        interrupts: Interrupts,
        note: Note,
        check_steady: Callable[[], None],
        load_began_ns: int,
        ends_by_hand: bool,
    ) -> None:
        """`ends_by_hand`: the first Ctrl-C is the ordered end of the load, as the end of the phases is.

        `check_steady` raises `Aborted` where the steady state did not hold in the steady phase.
        """
        self._plan = plan
        self._load = load
        self._watch = watch
        self._executor = executor
        self._display = display
        self._interrupts = interrupts
        self._note = note
        self._check_steady = check_steady
        self._began_ns = load_began_ns
        self._ends_by_hand = ends_by_hand

    def drive(self) -> None:
        """Go through the phases, stop the load, heal what is open.

        Raises:
            Aborted: a rule stopped the run; everything is healed, and the load has stopped.
            HarnessError: bots, watch or journal broke; what does not end with the cluster is healed.
        """
        try:
            self._phases_or_hand()
            self._load.stop_load()
            self._note(load_ended_ns=clock.now_ns())
            self._tick("healing")
            with self._interrupts.timeless():
                self._executor.stop()
        except Aborted as reason:
            self._heal_first(reason)
            raise
        except BaseException:
            with self._interrupts.shield():  # Heal first, then say what happened.
                self._executor.abort()
            raise
        self._watch.sample()

    def _phases_or_hand(self) -> None:
        try:
            self._phases()
        except KeyboardInterrupt:
            if not self._ends_by_hand:
                raise
            self._interrupts.taken()
            self._display.say("The load ends; then it is read and judged (Ctrl-C once more interrupts that)")

    def _phases(self) -> None:
        late_ns = 0
        if not self._plan.steady_state:
            self._executor.start()
        for phase in self._plan.phases:
            start, end = (self._began_ns + late_ns + int(s * clock.NS) for s in (phase.start_s, phase.end_s))
            if phase.name == "recovery":
                self._wait_for_heals()
                late_ns = clock.now_ns() - start
                self._note(recovery_began_ns=clock.now_ns())
                end += late_ns
            self._stay_in(phase, end)
            if phase.name == "steady" and self._plan.steady_state:
                self._check_steady()
                self._executor.start()

    def _stay_in(self, phase: PhasePlan, end_ns: int) -> None:
        while (left := clock.left_s(end_ns)) > 0:
            self._tick(phase.name)
            time.sleep(min(TICK_S, left))  # the phases are lengths of time

    def _wait_for_heals(self) -> None:
        """Wait while faults go on. Those that wait for each other have patience one after the other."""
        began_ns = clock.now_ns()
        while not self._executor.wait(timeout_s=TICK_S):
            if clock.now_ns() > max(began_ns, self._executor.last_step_ns) + int(HEAL_PATIENCE_S * clock.NS):
                return
            self._tick("chaos")

    def _tick(self, phase: str) -> None:
        self._load.check()
        self._watch.check()
        check_available(self._watch.states, self._plan.limits.max_unavailable)
        at_s = (clock.now_ns() - self._began_ns) / clock.NS
        self._display.show(phase, at_s, self._load.live, self._watch.states)

    def _heal_first(self, reason: Aborted) -> None:
        self._display.say(f"Stopping: {reason}" + ("; healing first" if self._display.active else ""))
        with self._interrupts.timeless():
            if left := self._executor.stop():
                self._display.say(f"Not healed: {', '.join(left)}")
        self._load.stop_load()
        self._note(load_ended_ns=clock.now_ns())
        self._watch.sample()
