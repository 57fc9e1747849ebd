"""The attach backend: nodes that run already. It watches them, and neither starts nor ends any of them.

What it knows of a node is what the node says of itself: `/ready`, and in `/info` its name, its incarnation
and its way of delivery. Logs, processes and Redis are out of its sight, and stay out of the run folder. What
happens to such a cluster happens through the scenario's own `command` faults.
"""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness.backends.base import Identity, Member
from harness.backends.readiness import NotReady, wait_http_ready
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError, MemberError, UsageError
from harness.http_get import get
from harness.records.plan import ClusterPlan, Role

READY_TIMEOUT_S = 15.0  # for all together; they run already, but may have been started a moment ago
_FIRST_PATIENCE_S = 2.0  # the first question to a node
_PATIENCE_S = 0.3  # later ones, which come four times a second; who is slower is what it was before


@dataclass(frozen=True, kw_only=True, slots=True)
class _Info:
    """What a node says of itself; empty where it says nothing of the kind (another program may not)."""

    server_id: str = ""
    incarnation: str = ""
    delivery: str = ""
    version: str = ""


class AttachBackend:
    """A cluster that somebody else runs (see `harness.backends.base.Backend`)."""

    name = "attach"

    def __init__(self, *, ready_timeout_s: float = READY_TIMEOUT_S) -> None:
        """Prepare; nobody is asked anything yet. `ready_timeout_s` is what all nodes have together."""
        self.run_id = ""
        self._ready_timeout_s = ready_timeout_s
        self._members: dict[str, Member] = {}
        self._infos: dict[str, _Info] = {}
        self._closing = threading.Event()

    def start(self, cluster: ClusterPlan, *, run_id: str, logs: Path) -> tuple[Member, ...]:
        """Wait until all nodes are ready, and hear who they are. There are no logs to be had.

        Raises:
            MemberError: a node is not ready in time.
            UsageError: two URLs lead to one node, a node delivers otherwise than the scenario says, or the
                plan attaches to nothing.
        """
        if not cluster.attach:
            raise UsageError(
                "there is nothing to attach to: a scenario with `cluster: {attach: [...]}` says what"
            )
        self.run_id = run_id
        deadline = deadline_ns(self._ready_timeout_s)
        for name, url in zip(cluster.nodes, cluster.attach, strict=True):
            self._wait(Member(name=name, role=Role.NODE, url=url), left_s(deadline))
            self._infos[name] = _told(url, timeout_s=_FIRST_PATIENCE_S)
            called = self._infos[name].server_id
            self._members[name] = Member(name=name, role=Role.NODE, url=url, called=called or name)
        self._check_distinct()
        self._check_delivery(cluster.delivery)
        return self.members()

    def members(self) -> tuple[Member, ...]:
        """Return the nodes, in the order of the scenario's URLs."""
        return tuple(self._members.values())

    def identity(self, member: str) -> Identity | None:
        """Return what the node says that it is; `None` when nobody listens at its address.

        A node that does not answer in time is who it was: it may be paused, or cut off.
        """
        try:
            self._infos[member] = _told(self._url(member), timeout_s=_PATIENCE_S)
        except ConnectionRefusedError:
            return None
        except OSError:
            pass  # It is there, for all that anybody can tell from here.
        return Identity(kind="attached", host_pid=0, started=self._infos[member].incarnation)

    def kill(self, member: str) -> NoReturn:
        """Raise: see the module."""
        raise _not_ours("kill", member)

    def terminate(self, member: str, *, timeout_s: float) -> NoReturn:
        """Raise: see the module."""
        raise _not_ours("stop", member)

    def pause(self, member: str) -> NoReturn:
        """Raise: see the module."""
        raise _not_ours("pause", member)

    def resume(self, member: str) -> NoReturn:
        """Raise: see the module."""
        raise _not_ours("resume", member)

    def restart(self, member: str) -> NoReturn:
        """Raise: see the module."""
        raise _not_ours("restart", member)

    def paused(self, member: str) -> bool:
        """Return `False`: no kernel and no engine says so."""
        return False

    def wait_ready(self, member: str, *, timeout_s: float) -> None:
        """Wait until the node's `/ready` answers 200.

        Raises:
            MemberError: it was not ready in time.
        """
        self._wait(self._member(member), timeout_s)

    def log_tail(self, member: str, lines: int = 15) -> tuple[str, ...]:
        """Return nothing: the logs of an attached node are where its owner keeps them."""
        return ()

    def versions(self) -> dict[str, str]:
        """Return what each node says of itself, for `meta.json`."""
        return {f"attached {name}": self._introduction(name) for name in self._members}

    def close(self, *, at_once: bool = False) -> None:
        """End a wait that is under way; the nodes go on."""
        self._closing.set()

    @property
    def links(self) -> NoReturn:
        """Raise: see the module."""
        raise _out_of_reach("the links")

    @property
    def clock(self) -> NoReturn:
        """Raise: see the module."""
        raise _out_of_reach("the clocks")

    @property
    def disk(self) -> NoReturn:
        """Raise: see the module."""
        raise _out_of_reach("Redis's disk")

    @property
    def resources(self) -> NoReturn:
        """Raise: see the module."""
        raise _out_of_reach("the resources")

    def _member(self, name: str) -> Member:
        if name not in self._members:
            known = ", ".join(self._members) or "none was attached"
            raise HarnessError(f"the cluster has no member {name!r} (its members: {known})")
        return self._members[name]

    def _url(self, name: str) -> str:
        return self._member(name).url or ""

    def _wait(self, member: Member, timeout_s: float) -> None:
        try:
            wait_http_ready(member.ready_url, timeout_s=timeout_s, alive=lambda: not self._closing.is_set())
        except NotReady as error:
            if self._closing.is_set():
                raise HarnessError(f"{member.name} was not waited for any longer") from error
            raise MemberError(
                f"{member.name} ({member.url}) cannot be attached to: {error.reason}. The cluster that a "
                "scenario attaches to must run, and be ready, before the run begins",
                member=member.name,
            ) from error

    def _check_distinct(self) -> None:
        """Two names for one node would count it twice, and call what it does to itself an agreement."""
        seen: dict[tuple[str, str], str] = {}
        for name, info in self._infos.items():
            who = (info.server_id, info.incarnation)
            if all(who) and who in seen:
                raise UsageError(
                    f"{self._url(seen[who])} and {self._url(name)} lead to one node, {info.server_id!r}; "
                    "`attach` wants each node once, by a URL of its own"
                )
            seen[who] = name

    def _check_delivery(self, delivery: str) -> None:
        for name, info in self._infos.items():
            if info.delivery not in ("", delivery):
                raise UsageError(
                    f"{name} ({self._url(name)}) says that it delivers by {info.delivery}, and the "
                    f"scenario says {delivery}; write `delivery: {info.delivery}` in `cluster`"
                )

    def _introduction(self, name: str) -> str:
        info = self._infos[name]
        said = {
            "calls itself": info.server_id,
            "incarnation": info.incarnation,
            "delivery": info.delivery,
            "protocol": info.version,
        }
        words = [f"{what} {value}" for what, value in said.items() if value]
        return ", ".join([self._url(name), *(words or ["says nothing of itself"])])


def _told(url: str, *, timeout_s: float) -> _Info:
    """Ask a node who it is. Another program may answer anything: that is no information.

    Raises:
        OSError: it does not answer.
    """
    status, body = get(f"{url}/info", timeout_s=timeout_s)
    try:
        said = json.loads(body) if status == 200 else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return _Info()
    return _Info(**{key: _word(said.get(key)) for key in _Info.__slots__})


def _word(value: object) -> str:
    """Return what a node says as one bounded line; nothing for what is no word."""
    is_word = isinstance(value, str | int) and not isinstance(value, bool)
    return " ".join(str(value).split())[:100] if is_word else ""


def _not_ours(verb: str, member: str) -> HarnessError:
    return HarnessError(
        f"{member} is of an attached cluster, whose members are not ours to {verb}; "
        "a `command` fault of the scenario can do it"
    )


def _out_of_reach(what: str) -> HarnessError:
    return HarnessError(f"{what} of an attached cluster are not ours to touch; use a `command` fault")
