"""Carries out a plan's faults at their times, keeps the journal, and guarantees the heals.

Each fault has a lane: a thread that waits for its times and calls the fault's verbs. So faults overlap
freely, and a heal that takes long delays no other one. Lanes meet in one place only: they take turns on a
member (`turns.py`). A second fault on a member therefore waits until a heal under way is over (its stamps
say so), instead of hitting something that is half started.

The life of a fault in the journal:

    undo ─▶ injected ─▶ proved ─▶ (its time is over) ─▶ healed ─▶ heal_proved
      └────────┴──────────┴──────────── failed ───────────┘

A fault is *open* from its undo entry until its heal was seen, or there proved to be nothing to heal.
`stop` heals what is open, the youngest first; also what failed, since a fault that broke half-way may
well have bitten.

A fault may wait for another one's event instead of a time (`FaultPlan.after`): until its inject was
proven, or until it is over. Where the other one fails before that, this one is not injected: its journal
says so, and coverage will.
"""

import threading
from collections.abc import Callable
from typing import Literal

from harness.backends.base import Backend
from harness.clock import NS, deadline_ns, left_s, now_ns
from harness.errors import HarnessError
from harness.faults.base import Cancellable, Evidence, Fault
from harness.faults.registry import FAULTS
from harness.faults.turns import Turns
from harness.records.journal import FaultEntry, Journal
from harness.records.plan import FaultPlan

STOP_TIMEOUT_S = 60.0
EVENT_POLL_S = 0.2  # How often who waits for another fault looks whether all is being stopped.
ABORT_TIMEOUT_S = 20.0  # What the heals have when the run is over before its time.
ABANDON_S = 2.0  # What a verb under way gets then, to end by itself.

Step = Literal["undo", "injected", "proved", "healed", "heal_proved", "failed"]


class FaultExecutor:
    """Runs the faults of one plan once: `start`, then `stop`."""

    def __init__(
        self,
        faults: tuple[FaultPlan, ...],
        backend: Backend,
        journal: Journal,
        load_began_ns: int,
        on_event: Callable[[FaultEntry], None],
    ) -> None:
        """Prepare; `on_event` gets every journaled entry, on the thread that made it.

        Raises:
            HarnessError: a fault is unknown, or does not work on this backend.
        """
        self._stopping = threading.Event()
        self._stop_lock = threading.Lock()
        self._ledger = _Ledger(journal, on_event)
        turns = Turns()
        events = {plan.id: _Events() for plan in faults}
        self._lanes = tuple(
            _Lane(
                plan=plan,
                fault=_made(plan, backend),
                turns=turns,
                ledger=self._ledger,
                began_ns=load_began_ns,
                stopping=self._stopping,
                events=events[plan.id],
                awaited=events[plan.after.id] if plan.after is not None else None,
            )
            for plan in faults
        )

    @property
    def last_step_ns(self) -> int:
        """When the newest step of any fault was journaled; 0: none was yet."""
        return self._ledger.last_ns

    def start(self) -> None:
        """Begin to wait for the faults' times; returns at once."""
        for lane in self._lanes:
            lane.thread.start()

    def wait(self, *, timeout_s: float) -> bool:
        """Wait until every fault has had all its planned steps; return whether that is so."""
        return self._join(deadline_ns(timeout_s))

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> tuple[str, ...]:
        """Inject nothing new, heal what is open, youngest first; return the ids of what stays open.

        Idempotent. After the call nothing is journaled any more, unless Ctrl-C cut it short: `abort` follows.

        Raises:
            HarnessError: the journal could not be written, or `on_event` failed, at any time before;
                raised after everything was healed.
        """
        self._stopping.set()
        deadline = deadline_ns(timeout_s)
        with self._stop_lock:
            self._join(deadline)
            self._heal_open(deadline)
            self._ledger.close()
        if self._ledger.failure is not None:
            failure = self._ledger.failure
            raise HarnessError(f"a step of a fault could not be journaled: {failure}") from failure
        return tuple(lane.plan.id for lane in self._ledger.open)

    def abort(self, *, timeout_s: float = ABORT_TIMEOUT_S) -> tuple[str, ...]:
        """As `stop`, for a run that is over before its time: heal only what outlasts the cluster.

        That is whatever has a command in its undo. Returns the ids of what of it stays open. Idempotent.
        """
        self._stopping.set()
        deadline = deadline_ns(timeout_s)
        with self._stop_lock:
            if not self._join(min(deadline, deadline_ns(ABANDON_S))):
                self._cut_short(min(deadline, deadline_ns(ABANDON_S)))
            if self.outlasting:
                self._heal_open(deadline, lambda lane: lane.outlasts_the_cluster)
            self._ledger.close()
        return self.outlasting

    @property
    def outlasting(self) -> tuple[str, ...]:
        """The ids of open faults that do not end with the cluster."""
        return tuple(lane.plan.id for lane in self._ledger.open if lane.outlasts_the_cluster)

    def _cut_short(self, deadline: int) -> None:
        """End the verbs that can be ended, and let their lanes journal it."""
        for lane in [lane for lane in self._lanes if lane.cancel()]:
            lane.thread.join(left_s(deadline))

    def _join(self, deadline: int) -> bool:
        for lane in self._lanes:
            if lane.thread.ident is not None:
                lane.thread.join(left_s(deadline))
        return not any(lane.thread.is_alive() for lane in self._lanes)

    def _heal_open(self, deadline: int, which: Callable[["_Lane"], bool] = lambda lane: True) -> None:
        """Heal on a thread of its own, so that a heal that hangs cannot hold the deadline up."""
        healing = threading.Thread(target=self._heal_youngest_first, args=(which,), name="heal", daemon=True)
        healing.start()
        healing.join(left_s(deadline))
        if healing.is_alive():
            for lane in filter(which, self._ledger.open):
                lane.fail("heal", HarnessError("the heal was not over when the faults had to be over"))

    def _heal_youngest_first(self, which: Callable[["_Lane"], bool]) -> None:
        for lane in reversed(self._ledger.open):
            if which(lane) and not self._ledger.closed:
                lane.heal()


class _Ledger:
    """The journal, and which faults are open. Safe to use from several threads."""

    def __init__(self, journal: Journal, on_event: Callable[[FaultEntry], None]) -> None:
        self.failure: Exception | None = None  # the first thing that went wrong in here
        self.closed = False
        self.last_ns = 0  # when something was journaled
        self._journal = journal
        self._on_event = on_event
        self._lock = threading.Lock()
        self._open: list[_Lane] = []

    @property
    def open(self) -> tuple["_Lane", ...]:
        """The open faults, oldest first."""
        with self._lock:
            return tuple(self._open)

    def opened(self, lane: "_Lane") -> None:
        with self._lock:
            self._open.append(lane)

    def over(self, lane: "_Lane") -> None:
        with self._lock:
            self._open.remove(lane)

    def close(self) -> None:
        """Write nothing from now on; returns when nobody is writing."""
        with self._lock:
            self.closed = True

    def write(self, entry: FaultEntry) -> bool:
        """Journal the entry and tell the listener; return whether that worked.

        It never raises, since a full disk must not keep anybody from healing; `failure` keeps why.
        """
        try:
            with self._lock:
                if self.closed:
                    return False
                self._journal.append(entry)
                self.last_ns = entry.done_ns
            self._on_event(entry)
        except Exception as error:  # noqa: BLE001 - It is raised by `FaultExecutor.stop`.
            self.failure = self.failure or error
            return False
        return True


class _Events:
    """What other faults may wait for: when a fault was injected and proven, when it was over, if ever."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_ns: dict[str, int] = {}
        self._failed = False

    def happened(self, event: Literal["injected", "healed"], at_ns: int) -> None:
        with self._changed:
            self._at_ns.setdefault(event, at_ns)
            self._changed.notify_all()

    def fail(self) -> None:
        with self._changed:
            self._failed = True
            self._changed.notify_all()

    def wait(self, event: Literal["injected", "healed"], stopping: threading.Event) -> int | None:
        """Return when it happened; `None`: it never will."""
        with self._changed:
            while event not in self._at_ns:
                if self._failed or stopping.is_set():
                    return None
                self._changed.wait(EVENT_POLL_S)
            return self._at_ns[event]


class _Lane:
    """One fault on its way through the steps."""

    def __init__(
        self,
        *,
        plan: FaultPlan,
        fault: Fault,
        turns: Turns,
        ledger: _Ledger,
        began_ns: int,
        stopping: threading.Event,
        events: _Events,
        awaited: _Events | None,
    ) -> None:
        self.plan = plan
        self.outlasts_the_cluster = False  # Known from its undo on.
        self.thread = threading.Thread(target=self._run, name=f"fault {plan.id}", daemon=True)
        self._fault = fault
        self._turns = turns
        self._heals = threading.Lock()  # Never twice at a time.
        self._ledger = ledger
        self._at_ns = began_ns + int(plan.at_s * NS)
        self._stopping = stopping
        self._events = events
        self._awaited = awaited

    def _run(self) -> None:
        at_ns = self._moment()
        if at_ns is None or self._stopped_before(at_ns):
            return
        with self._turns.hit(self.plan.targets):
            if self._stopping.is_set():
                return
            injected_ns = self._inject()
        after_s = self.plan.heal_after_s
        if after_s is not None and not self._stopped_before(injected_ns + int(after_s * NS)):
            self.heal()

    def _moment(self) -> int | None:
        """Return when it is to be injected; `None`: never, which the journal says where it was planned."""
        after = self.plan.after
        if after is None or self._awaited is None:
            return self._at_ns
        happened_ns = self._awaited.wait(after.event, self._stopping)
        if happened_ns is not None:
            return happened_ns + int(after.delay_s * NS)
        self._events.fail()
        if not self._stopping.is_set():
            self.fail("wait", HarnessError(f"it waited for {after.id} to be {after.event}, which failed"))
        return None

    def _stopped_before(self, moment_ns: int) -> bool:
        return self._stopping.wait(left_s(moment_ns))

    def _inject(self) -> int:
        """Do it and prove it; return when the inject began."""
        verb, injected_ns = "undo", now_ns()
        try:
            undo = self._fault.undo()
            self.outlasts_the_cluster = bool(undo.commands)
            self._ledger.opened(self)  # First: whoever stops us between the two must know of it.
            if not self._note("undo", injected_ns, undo.evidence, undo.commands):
                self._ledger.over(self)
                return injected_ns  # What is not in the journal must not happen.
            verb, injected_ns = "inject", now_ns()
            self._note("injected", injected_ns, self._fault.inject())
            verb, began = "prove", now_ns()
            self._note("proved", began, self._fault.prove())
            self._events.happened("injected", began)
            if self.plan.heal_after_s is None:
                self._events.happened("healed", now_ns())
        except Exception as error:  # noqa: BLE001 - Whatever broke this fault: the journal must say it.
            self.fail(verb, error)
        return injected_ns

    def cancel(self) -> bool:
        """Cut short what its fault is at; return whether there was anything that can be."""
        if not self.thread.is_alive() or not isinstance(self._fault, Cancellable):
            return False
        self._fault.cancel()
        return True

    def heal(self) -> None:
        """End the fault if it is open; it is open no more when its end was seen."""
        with self._heals, self._turns.heal(self.plan.targets):
            if self not in self._ledger.open:
                return
            began = now_ns()
            try:
                evidence = self._fault.heal()
            except Exception as error:  # noqa: BLE001 - The same, and the other heals must have their turn.
                self.fail("heal", error)
                return
            self._ledger.over(self)
            if evidence is not None:
                self._note("healed", began, {})
                self._note("heal_proved", began, evidence)
            self._events.happened("healed", now_ns())

    def fail(self, verb: str, error: Exception) -> None:
        """Journal that a verb of the fault did not work."""
        self._events.fail()
        kind = type(error).__name__
        self._note("failed", now_ns(), {"verb": verb, "kind": kind, "error": str(error) or kind})

    def _note(
        self, step: Step, began_ns: int, evidence: Evidence, undo: tuple[tuple[str, ...], ...] = ()
    ) -> bool:
        return self._ledger.write(
            FaultEntry(
                t_ns=began_ns,
                done_ns=now_ns(),
                fault_id=self.plan.id,
                fault=self.plan.fault,
                step=step,
                targets=self.plan.targets,
                evidence=dict(evidence),
                undo=undo,
            )
        )


def _made(plan: FaultPlan, backend: Backend) -> Fault:
    kind = FAULTS.get(plan.fault)
    if kind is None:
        raise HarnessError(
            f"fault {plan.id}: there is no fault {plan.fault!r}; there are {', '.join(FAULTS)}"
        )
    if backend.name not in kind.spec.mechanisms:
        why = kind.spec.why_not.get(backend.name, "it has no mechanism for it")
        raise HarnessError(f"fault {plan.id}: {plan.fault} cannot be had with {backend.name}: {why}")
    return kind(plan, backend)
