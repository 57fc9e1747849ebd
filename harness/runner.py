"""One run, from a plan to a run folder: start, drive, hurt, heal, read, stop. Judging comes after.

The order of things, and why:

1. the folder with scenario, plan and meta is on disk before anything starts;
2. the bots' process starts beside the cluster, and learns where the nodes are when all of them are ready;
3. time zero of the plan is the moment when the bots may begin; what follows, until the load has stopped and
   every fault is healed, is told in `driving.py`;
4. the bots get their last answers, then the nodes are read until two rounds agree, and last the bots catch
   up with what was read; a run that was aborted (`aborts.py`) has none of this;
5. whatever happens, bots and cluster are ended and the folder is complete: a run that was interrupted
   can be judged too, and the verdict will say that it was. The record of one that was not is complete before
   the cluster is ended: whoever wants to judge it may begin (`on_record`).
"""

import contextlib
import importlib
import os
import platform
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from harness import __version__, clock, ending
from harness.aborts import Aborted, check_steady, out_of_time
from harness.backends.base import Backend, Member
from harness.broadcast import Broadcast
from harness.claims import Claim
from harness.display import Display
from harness.driving import Driver
from harness.errors import HarnessError, UsageError
from harness.faults.executor import FaultExecutor
from harness.guard import Guard
from harness.hands import Hands
from harness.interrupts import Interrupts
from harness.leaving import Leaving
from harness.load import Load
from harness.machine import machine
from harness.open_ended import as_it_was
from harness.progress import Progress
from harness.records.bots import BotsConfig, NodeAddress
from harness.records.codec import write_json
from harness.records.folder import RunFolder
from harness.records.history_format import HistoryWriter
from harness.records.journal import Journal
from harness.records.meta import Meta
from harness.records.plan import Plan, Role
from harness.sampling import MetricsSampler
from harness.watch import MemberWatch
from harness.web import Web

GO_AHEAD_S = 0.2  # between telling the bots and time zero, so that everyone has heard it
READY_PATIENCE_S = 15.0  # for nodes that the start of the bots has slowed down


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to run: the plan, the scenario's own text, where to put the folder, on what."""

    plan: Plan
    scenario_text: str
    runs_dir: Path
    backend: Backend
    backend_reason: str
    command: tuple[str, ...]
    timeout_s: float | None = None  # of wall time, until the run is aborted; healing and judging come on top
    web: Web | None = None  # Locust's page; with hands, Ctrl-C is the ordered end, and the run is judged
    hands: Hands | None = None  # with which members are killed from the chat page
    label: str = ""  # which of several runs this is, for the progress line


def run(
    order: Order,
    progress: Progress,
    interrupts: Interrupts,
    on_folder: Callable[[RunFolder], None],
    on_record: Callable[[RunFolder], None],
) -> RunFolder:
    """Make one run and return its folder, complete and not yet judged.

    `on_folder` gets the folder at once, `on_record` when it can be judged while the cluster is ended; that
    is never where the run was cut short.

    Raises:
        HarnessError: the harness could not do its work; `meta.json` in the folder says why.
        KeyboardInterrupt: someone stopped it; everything is ended and the folder kept.
    """
    began = clock.utc_now()
    folder = _new_folder(order, began)
    on_folder(folder)
    progress.say(f"Run folder {folder.path}")
    return _Run(order, folder, progress, interrupts, on_record, began).make()


def _new_folder(order: Order, began: datetime) -> RunFolder:
    try:
        return RunFolder.create(
            order.runs_dir, began=began, scenario=order.plan.scenario, seed=order.plan.seed
        )
    except OSError as error:
        raise UsageError(
            f"--runs-dir {order.runs_dir}: no run folder can be made there: {error.strerror or error}"
        ) from error


class _Run:
    def __init__(
        self,
        order: Order,
        folder: RunFolder,
        progress: Progress,
        interrupts: Interrupts,
        on_record: Callable[[RunFolder], None],
        began: datetime,
    ) -> None:
        self._order = order
        self._plan = order.plan
        self._backend = order.backend
        self._folder = folder
        self._screen = progress
        self._progress = Broadcast(progress, folder.live)
        self._interrupts = interrupts
        self._on_record = on_record
        self._display = Display(order.plan, self._progress, order.label)
        self._web_port: int | None = None
        self._done = False  # with the cluster: nobody is connected, all that it knows was read
        self._clean = False  # whether bots and cluster were ended in order
        self._unhealed: tuple[str, ...] = ()  # faults in force that do not go away with the cluster
        self._meta = Meta(
            run_id=os.urandom(4).hex(),
            backend=order.backend.name,
            backend_reason=order.backend_reason,
            command=shlex.join(order.command),
            began=began,
            began_ns=clock.now_ns(),
            versions={"wordaround": __version__, "python": platform.python_version()},
            machine=machine(),
        )

    def make(self) -> RunFolder:
        self._folder.scenario.write_text(self._order.scenario_text, encoding="utf-8")
        write_json(self._folder.plan, self._plan)
        self._save()
        try:
            self._through()
        except Aborted as reason:  # It is judged like any other: the verdict will say that it was.
            self._save(aborted=str(reason))
        except KeyboardInterrupt:
            self._save(aborted="interrupted by the user")
            raise
        except HarnessError as error:
            self._save(aborted=str(error))
            raise
        except Exception as error:
            self._save(aborted=f"a bug of the harness: {type(error).__name__}: {error}")
            raise
        finally:
            if self._meta.ended_ns is None:
                self._save(ended_ns=clock.now_ns())
            self._progress.close()
        return self._folder

    def _save(self, **changes: object) -> None:
        self._meta = replace(self._meta, **changes)  # type: ignore[arg-type]
        write_json(self._folder.meta, self._meta)

    def _through(self) -> None:
        """Claim what will be started; start it, use it, and end it whatever happens."""
        with self._interrupts.shield(), self._interrupts.within(self._order.timeout_s, out_of_time):
            guard = Guard(
                Claim(
                    run_id=self._meta.run_id,
                    backend=self._backend.name,
                    folder=str(self._folder.path.resolve()),
                    command=self._meta.command,
                )
            )
            leaving = Leaving(
                run_id=self._meta.run_id, folder=self._folder, guard=guard, progress=self._screen
            )
            with self._interrupts.giving_up(leaving.give_up):
                try:
                    self._started_and_ended()
                finally:
                    leaving.leave(clean=self._clean, unhealed=self._unhealed)

    def _started_and_ended(self) -> None:
        load = Load(self._bots_config, run_id=self._meta.run_id, log=self._folder.logs / "bots.log")
        try:
            with self._interrupts.exposed():
                self._start(load)
                with Journal(self._folder.members) as members, Journal(self._folder.faults) as faults:
                    self._watched(load, members, faults)
            self._save(ended_ns=clock.now_ns())
            self._on_record(self._folder)
        finally:
            try:
                load.close()
            finally:
                # A program of the user's own has its farewell: it may have to write something down.
                self._backend.close(at_once=self._done and self._plan.cluster.command is None)
            self._clean = True

    def _start(self, load: Load) -> None:
        plan = self._plan
        what = "Attaching to" if plan.cluster.attach else "Starting Redis and"
        self._progress.say(
            f"{what} {len(plan.cluster.nodes)} nodes ({self._backend.name}: {self._order.backend_reason})"
        )
        if self._order.web is not None:
            self._web_port = self._order.web.choose_port()
        load.start()
        self._backend.start(plan.cluster, run_id=self._meta.run_id, logs=self._folder.logs)
        self._save(versions={**self._meta.versions, **self._backend.versions()})

    def _watched(self, load: Load, members: Journal, faults: Journal) -> None:
        watch = MemberWatch(self._backend, members)
        sampler = MetricsSampler(self._backend, self._folder.metrics)
        watch.start()
        try:
            sampler.start()
            if self._order.hands is not None:
                self._order.hands.take(self._backend, watch)
            reader = HistoryWriter(self._folder.history, "reader")
            try:
                self._drive_and_end(load, watch, faults, reader, sampler)
            finally:
                reader.close()
        finally:
            try:
                for sentence in sampler.stop():
                    self._progress.say(sentence)
            finally:
                watch.stop()

    def _drive_and_end(
        self, load: Load, watch: MemberWatch, faults: Journal, reader: HistoryWriter, sampler: MetricsSampler
    ) -> None:
        try:
            self._drive(load, watch, faults)
            sampler.end()  # A last question to an engine may take a second: it need not be waited for later.
            self._end(load, reader)
        except Aborted:
            if self._meta.load_began_ns is not None:
                load.quit()  # What the bots have seen is complete on disk then.
            raise
        finally:
            self._tell_what_it_came_to(load)

    @property
    def _has_hands(self) -> bool:
        return self._order.web is not None and self._order.web.hands

    def _tell_what_it_came_to(self, load: Load) -> None:
        """Where the user had the load in hand, say in the plan what became of it."""
        began, ended = self._meta.load_began_ns, self._meta.load_ended_ns
        if self._has_hands and began is not None and ended is not None:
            self._plan = as_it_was(
                self._plan, load_s=(ended - began) / clock.NS, bots=load.live.get("bots", 0)
            )
            write_json(self._folder.plan, self._plan)

    def _drive(self, load: Load, watch: MemberWatch, faults: Journal) -> None:
        """Load and faults, until the load has stopped and every fault is healed."""
        load.greet()
        watch.wait_ready(READY_PATIENCE_S)
        load_began = clock.now_ns() + int(GO_AHEAD_S * clock.NS)
        load.go(load_began, self._addresses())
        self._save(load_began_ns=load_began)
        _import_early("harness.judging")
        executor = FaultExecutor(
            self._plan.faults,
            self._backend,
            faults,
            load_began_ns=load_began,
            on_event=self._display.on_fault,
        )
        driver = Driver(
            plan=self._plan,
            load=load,
            watch=watch,
            executor=executor,
            display=self._display,
            interrupts=self._interrupts,
            note=self._save,
            check_steady=partial(self._check_steady, load),
            load_began_ns=load_began,
            ends_by_hand=self._has_hands,
        )
        if self._order.web is not None and self._web_port is not None:
            self._progress.say(self._order.web.sentence(self._web_port))
        if self._order.hands is not None:
            self._progress.say(f"The chat, where nodes can be killed: {self._nodes()[0].url}/#/cluster")
        try:
            driver.drive()
        finally:
            self._unhealed = executor.outlasting

    def _check_steady(self, load: Load) -> None:
        """Look at what the bots recorded so far.

        Raises:
            Aborted: the steady state did not hold; says which probe had which value.
        """
        from harness.judge.folder import steady_before

        load.flush()
        measured = steady_before(self._folder, self._plan, self._meta)
        check_steady(measured)
        held = ", ".join(bound.spoken(value) for bound, value in measured)
        self._progress.say(f"The steady state holds: {held}")

    def _bots_config(self, control_socket: Path) -> BotsConfig:
        plan = self._plan
        return BotsConfig(
            run_id=self._meta.run_id,
            bots=plan.bots,
            delivery=plan.cluster.delivery,
            history=str(self._folder.history.resolve()),
            metrics=str(self._folder.metrics.resolve()),
            control_socket=str(control_socket),
            web_port=self._web_port,
            hands=self._has_hands,
        )

    def _addresses(self) -> tuple[NodeAddress, ...]:
        return tuple(NodeAddress(name=m.name, url=m.url or "", called=m.called) for m in self._nodes())

    def _nodes(self) -> tuple[Member, ...]:
        return tuple(member for member in self._backend.members() if member.role is Role.NODE)

    def _end(self, load: Load, reader: HistoryWriter) -> None:
        ending.end_in_order(
            load,
            reader,
            plan=self._plan,
            nodes=self._nodes(),
            run_id=self._meta.run_id,
            say=self._progress.say,
        )
        self._done = True


def _import_early(name: str) -> None:
    """Import what is needed at the end only, while the load goes on and this process has nothing to do.

    Whoever needs it sooner waits for the rest of it, and gets whatever error there is.
    """
    threading.Thread(target=_imported, args=(name,), name=f"import-{name}", daemon=True).start()


def _imported(name: str) -> None:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
