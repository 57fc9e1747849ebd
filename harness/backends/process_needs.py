"""What members that are processes are given for the faults of the plan, and what holds it."""

from collections.abc import Mapping
from pathlib import Path

from harness.backends.private_mounts import PrivateMounts
from harness.backends.process_clock import SHARED_MEMORY, SHARED_MEMORY_SIZE, GroupOf, ProcessClock
from harness.backends.process_disk import SIZE, ProcessDisk
from harness.records.plan import ClusterPlan


class Needs:
    """A small disk for Redis and clocks that can be shifted, each where the plan needs it; else nothing."""

    def __init__(
        self,
        cluster: ClusterPlan,
        *,
        folder: Path,
        data: Path,
        environment: Mapping[str, str],
        group_of: GroupOf,
    ) -> None:
        """Prepare; `folder` is the run's own, `data` what Redis writes to, `group_of` a member's processes.

        Raises:
            HarnessError: this machine cannot give what the plan needs; the message says what is missing.
        """
        self._redis = cluster.redis
        self._mounts = _mounted(cluster, data, folder / "mounts.log", environment)
        own = self._mounts is not None and "disk" in cluster.needs
        self.disk = ProcessDisk(self._mounts.seen(data) if self._mounts and own else data, own=own)
        self.clock = (
            ProcessClock(folder, cluster.members, self._mounts.inside, group_of)
            if self._mounts and "clock" in cluster.needs
            else None
        )

    def command(self, member: str, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that starts the member with what it was given."""
        if self._mounts is None:
            return command
        if self.clock is not None:
            return self._mounts.inside(self.clock.preloaded(member, command))
        return self._mounts.inside(command) if member == self._redis else command

    def close(self) -> None:
        """Give back what the machine gave. Idempotent."""
        if self._mounts is not None:
            self._mounts.close()


def _mounted(
    cluster: ClusterPlan, data: Path, log: Path, environment: Mapping[str, str]
) -> PrivateMounts | None:
    sizes = {SHARED_MEMORY: SHARED_MEMORY_SIZE} if "clock" in cluster.needs else {}
    if "disk" in cluster.needs:
        sizes[data] = SIZE
    return PrivateMounts(sizes, log=log, environment=environment) if sizes else None
