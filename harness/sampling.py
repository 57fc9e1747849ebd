"""Samples what members use while a run goes on: CPU, memory, and what each node says in `/metrics`.

It must never disturb the run. Every member has a thread of its own, so that one that hangs keeps none of
the others waiting; every question has a short timeout; and a member that is down, cut off or hung is a gap
in its file, not an error. A node is asked past the links that faults cut, where there is another way than
the clients' (in containers there is none), and for no more than what is kept: its whole page of metrics
would take half of a link of 24 KiB/s from the clients. Who answers with no metrics of ours (another
program's node) is asked once an incarnation.
"""

import math
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from harness import clock
from harness.backends.base import Backend, Member
from harness.errors import HarnessError
from harness.http_get import get
from harness.records.metrics import NodeFigures, Sample, SampleWriter
from harness.records.plan import Role

INTERVAL_S = 1.0
PATIENCE_S = 0.5  # of a question to a node
_ENDS_S = 5.0  # for the last look of each; a Docker engine answers a second after it was asked

_FIGURES: Mapping[str, str] = {
    "connections": "wordaround_connections",
    "buffered_bytes": "wordaround_buffered_bytes",
    "tail_lag": "wordaround_tail_lag",
    "tail_silent_s": "wordaround_tail_silent_seconds",
    "commits_waiting": "wordaround_commits_waiting",
}
# Of attached nodes nobody but they themselves can tell.
_CPU, _MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"
_KNOWN = (*_FIGURES.values(), _CPU, _MEMORY)
PAGE = f"/metrics?{urlencode([('name[]', name) for name in _KNOWN])}"


class MetricsSampler:
    """Samples from `start` to `stop` into `<folder>/<member>.jsonl`."""

    def __init__(self, backend: Backend, folder: Path, *, interval_s: float = INTERVAL_S) -> None:
        self._backend = backend
        self._folder = folder
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[str] = []

    def start(self) -> None:
        """Begin with all members that there are."""
        self._threads = [
            threading.Thread(target=self._follow, args=(member,), name=f"metrics-{member.name}", daemon=True)
            for member in self._backend.members()
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Take no further sample; does not wait for those that are under way, and drops them."""
        self._stop.set()

    def stop(self) -> tuple[str, ...]:
        """End and wait; return what went wrong, a sentence for each member whose samples end early."""
        self.end()
        for thread in self._threads:
            thread.join(timeout=_ENDS_S)
        return tuple(self._failures)

    def _follow(self, member: Member) -> None:
        try:
            writer = SampleWriter(self._folder, member.name)
            try:
                self._sample_all(_Looker(self._backend, member), writer)
            finally:
                writer.close()
        except Exception as error:  # noqa: BLE001 - told by `stop`: a run does not fail for its metrics
            self._failures.append(f"The metrics of {member.name} end early: {type(error).__name__}: {error}")

    def _sample_all(self, looker: "_Looker", writer: SampleWriter) -> None:
        next_ns = clock.now_ns()
        while not self._stop.wait(clock.left_s(next_ns)):
            next_ns = max(next_ns, clock.now_ns()) + int(self._interval_s * clock.NS)
            sample = looker.look()
            if sample is not None and not self._stop.is_set():
                writer.append(sample)


class _Looker:
    """Looks at one member; knows what it saw last, since a share of CPU is a difference."""

    def __init__(self, backend: Backend, member: Member) -> None:
        self._backend = backend
        self._member = member
        self._last: tuple[str, int, float] = ("", 0, 0.0)  # identity, when, CPU seconds
        self._mute = ""  # the incarnation that has no metrics to give

    def look(self) -> Sample | None:
        """Return a sample; `None`: it is down, or nobody can tell."""
        try:
            identity = self._backend.identity(self._member.name)
        except HarnessError:  # Whoever watches the members tells of it.
            return None
        if identity is None:
            return None
        t_ns, said = clock.now_ns(), self._asked(str(identity))
        cpu_s, memory = self._used(said)
        if cpu_s is None and memory is None and said is None:
            return None
        return Sample(
            t_ns=t_ns,
            identity=str(identity),
            cpu=self._share(str(identity), cpu_s),
            memory=memory,
            node=_figures(said) if said else None,
        )

    def _used(self, said: Mapping[str, float] | None) -> tuple[float | None, int | None]:
        try:
            return self._backend.resources.usage(self._member.name)
        except HarnessError:  # It ended a moment ago, or is attached: its process is not ours to look at.
            memory = (said or {}).get(_MEMORY)
            return (said or {}).get(_CPU), None if memory is None else int(memory)

    def _share(self, identity: str, cpu_s: float | None) -> float | None:
        """Return cores since the sample before. A helper that ended takes what it used with it: none."""
        if cpu_s is None:
            return None
        now_ns = clock.now_ns()
        (before, then_ns, used_s), self._last = self._last, (identity, now_ns, cpu_s)
        if before != identity or now_ns == then_ns:
            return None
        return round(max(0.0, cpu_s - used_s) * clock.NS / (now_ns - then_ns), 4)

    def _asked(self, identity: str) -> Mapping[str, float] | None:
        """Return what the node says of itself; `None`: it is no node, or does not answer in time."""
        if self._member.role is not Role.NODE or self._mute == identity or self._member.own_url is None:
            return None
        try:
            status, body = get(f"{self._member.own_url}{PAGE}", timeout_s=PATIENCE_S)
        except OSError:
            return None
        said = parsed(body) if status == 200 else {}
        if not said:
            self._mute = identity
        return said or None


def parsed(body: bytes) -> Mapping[str, float]:
    """Return the figures without labels that we know, of an answer in Prometheus' text format."""
    found = {}
    for line in body.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(" ")
        if name in _KNOWN and (number := _number(value)) is not None:
            found[name] = number
    return found


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:  # Another program's page.
        return None
    return number if math.isfinite(number) else None


def _figures(said: Mapping[str, float]) -> NodeFigures | None:
    named = {name: said[full] for name, full in _FIGURES.items() if full in said}
    if not named:
        return None
    silent_s = named.pop("tail_silent_s", None)
    return NodeFigures(**{name: int(value) for name, value in named.items()}, tail_silent_s=silent_s)
