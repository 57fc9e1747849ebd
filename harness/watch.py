"""Watches the members of a running cluster and journals every change of state or identity."""

import threading
from collections.abc import Mapping

from harness import clock
from harness.backends.base import Backend, Identity, Member
from harness.http_get import get
from harness.records.journal import Journal, MemberEntry, MemberState
from harness.records.plan import Role

INTERVAL_S = 0.25
PROBE_TIMEOUT_S = 1.0
WAIT_S = 0.05


class MemberWatch:
    """Samples every member at an interval, by default four times a second, in a thread of its own."""

    def __init__(self, backend: Backend, journal: Journal, *, interval_s: float = INTERVAL_S) -> None:
        self._backend = backend
        self._journal = journal
        self._interval_s = interval_s
        self._newest: dict[str, MemberEntry] = {}
        self._sampling = threading.Lock()
        self._seen: dict[str, tuple[MemberState, str]] = {}
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="member-watch", daemon=True)

    @property
    def states(self) -> Mapping[str, MemberState]:
        """The newest known state of each member, for progress lines."""
        return {member: state for member, (state, _) in self._seen.items()}

    @property
    def newest(self) -> Mapping[str, MemberEntry]:
        """The newest entry of each member: what it is, and since when."""
        return dict(self._newest)

    def sample(self) -> None:
        """Look at every member once, now."""
        with self._sampling:
            for member in self._backend.members():
                self._note(member, self._backend.identity(member.name))

    def start(self) -> None:
        """Take a first sample, then go on in the background."""
        self.sample()
        self._thread.start()

    def wait_ready(self, patience_s: float) -> None:
        """Wait until all are ready, or the patience is over: on a busy machine the start of the bots may have
        kept a node from answering."""
        deadline = clock.deadline_ns(patience_s)
        while clock.left_s(deadline) and any(s is not MemberState.READY for s in self.states.values()):
            self.check()
            self._stop.wait(WAIT_S)  # the sampling goes on in its own time

    def stop(self) -> None:
        """Stop sampling; raises as `check` does."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.check()

    def check(self) -> None:
        """Raise the error that ended the sampling, if any."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._interval_s):
                self.sample()
        except BaseException as failure:  # noqa: BLE001 - raised again by `check`, in the runner's thread
            self._failure = failure

    def _note(self, member: Member, identity: Identity | None) -> None:
        state = self._state(member, identity)
        seen = (state, str(identity) if identity else "")
        if self._seen.get(member.name) == seen:
            return
        self._seen[member.name] = seen
        entry = MemberEntry(
            t_ns=clock.now_ns(), member=member.name, role=member.role.value, state=state, identity=seen[1]
        )
        self._newest[member.name] = entry
        self._journal.append(entry)

    def _state(self, member: Member, identity: Identity | None) -> MemberState:
        if identity is None:
            return MemberState.DOWN
        before = self._seen.get(member.name)
        # A node that answers does not stand still, so that the backend need not be asked; one that stood
        # still a moment ago is not asked itself, since it would keep us waiting.
        stood = before is not None and before[0] is MemberState.PAUSED
        if (member.role is Role.REDIS or stood) and self._backend.paused(member.name):
            return MemberState.PAUSED
        if member.role is Role.REDIS or (member.own_url is not None and _answers(member.ready_url)):
            return MemberState.READY
        if self._backend.paused(member.name):
            return MemberState.PAUSED
        newly_started = before is None or before[1] != str(identity) or before[0] is MemberState.STARTING
        return MemberState.STARTING if newly_started else MemberState.NOT_READY


def _answers(url: str) -> bool:
    try:
        return get(url, timeout_s=PROBE_TIMEOUT_S)[0] == 200
    except OSError:
        return False
