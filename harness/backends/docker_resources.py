"""Limits on what members that are containers may use: the engine's own, by control groups.

A limit lasts over restarts of the member. Memory and swap are limited together: a member that wants more is
ended by the kernel, not slowed.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import docker

from harness.backends.abilities import Evidence
from harness.backends.docker_engine import connect, engine_errors
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError

_PERIOD_US = (
    100_000  # The kernel's usual one: a member at its limit stands still for less than this at a time.
)
_NO_QUOTA = -1
_NS = 1e9
_TOLD_S = 2.0  # The engine hears of the end, and of what it was for, from two sides.
_POLL_S = 0.05
# What was read from files and can be had again at any time is no member's: version 2 of control groups, 1.
_CACHED = ("inactive_file", "total_inactive_file")

Limit = Literal["CpuCfsQuota", "MemoryLimit"]  # as the engine tells whether it has it
_LIMITED = {"CpuCfsQuota": "CPU", "MemoryLimit": "memory"}


@functools.cache
def limit_lacking(limit: Limit) -> str | None:
    """Return why containers cannot be limited here, by the engine's word; `None`: they can.

    An engine takes a limit that it lacks, and only warns.

    Raises:
        HarnessError: none answers.
    """
    with contextlib.closing(connect()) as client, engine_errors("tell what it can limit"):
        return unlimited(client.api.info(), limit)


def unlimited(told: Mapping[str, Any], limit: Limit) -> str | None:
    """Return the same, from what an engine has told of itself."""
    if told.get(limit):
        return None
    version, driver = told.get("CgroupVersion", "unknown"), told.get("CgroupDriver", "unknown")
    return (
        f"the Docker engine cannot limit the {_LIMITED[limit]} of containers (it says `{limit}: false`; "
        f"control groups: version {version}, driver {driver}): the kernel lacks it, or the engine runs "
        "without root and was not given that controller"
    )


class DockerResources:
    """See `harness.backends.abilities.Resources`."""

    def __init__(self, api: docker.APIClient, container: Callable[[str], str]) -> None:
        """Take the engine; `container` returns a member's container."""
        self._api = api
        self._container = container

    def limit_cpu(self, member: str, cores: float | None) -> Evidence:
        """Let it have that many cores' time at most, in each tenth of a second.

        Raises:
            HarnessError: there is no such member, or the engine refuses.
        """
        quota = _NO_QUOTA if cores is None else round(cores * _PERIOD_US)
        with engine_errors(f"limit the CPU of {member}"):
            self._api.update_container(self._container(member), cpu_period=_PERIOD_US, cpu_quota=quota)
        return {"limit": "none" if cores is None else f"{cores:g} cores"}

    def limit_memory(self, member: str, bytes_: int | None) -> Evidence:
        """Let it have that much memory at most, swap included; who wants more is ended by the kernel.

        Raises:
            HarnessError: there is no such member, the engine refuses, or it holds more already.
        """
        with engine_errors(f"limit the memory of {member}"):
            # The engine takes no word for "no limit" back: all of the machine's memory is none.
            limit = self._api.info()["MemTotal"] if bytes_ is None else bytes_
            self._api.update_container(self._container(member), mem_limit=limit, memswap_limit=limit)
        return {"limit": "none" if bytes_ is None else f"{bytes_} bytes"}

    def ended_for_memory(self, member: str) -> str | None:
        """Return the engine's word that the kernel ended the member, which is down, for its limit of memory.

        Raises:
            HarnessError: there is no such member, or the engine does not answer.
        """
        deadline = deadline_ns(_TOLD_S)
        while True:
            with engine_errors(f"tell what ended {member}"):
                state: Any = self._api.inspect_container(self._container(member))["State"]
            if state["OOMKilled"]:
                how = f"OOMKilled, exit status {state['ExitCode']}"
                return f"by the kernel's OOM killer, as the engine says ({how})"
            if not left_s(deadline):
                return None
            time.sleep(_POLL_S)

    def held_back(self, member: str) -> int:
        """Return in how many periods the member had used its quota up, and waited for the next.

        Raises:
            HarnessError: there is no such member, or the engine does not answer.
        """
        with engine_errors(f"tell how often {member} was held back"):
            found: Any = self._api.stats(self._container(member), stream=False, one_shot=True)
        return int(found["cpu_stats"].get("throttling_data", {}).get("throttled_periods", 0))

    def usage(self, member: str) -> tuple[float, int]:
        """Return the seconds of CPU that the living member has used since its start, and the bytes it holds.

        Raises:
            HarnessError: there is no such member, it is down, or the engine does not answer.
        """
        with engine_errors(f"tell what {member} uses"):
            found: Any = self._api.stats(self._container(member), stream=False, one_shot=True)
        memory = found["memory_stats"]
        if "usage" not in memory:
            raise HarnessError(f"{member} uses nothing: it is down")
        cached = next((memory["stats"][name] for name in _CACHED if name in memory["stats"]), 0)
        return found["cpu_stats"]["cpu_usage"]["total_usage"] / _NS, memory["usage"] - cached
