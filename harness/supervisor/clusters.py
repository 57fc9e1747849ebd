"""Which clusters are up on this machine: the claims that their supervisors hold, and their folders."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import claims
from harness.claims import Claim
from harness.errors import HarnessError, UsageError
from harness.labels import folder_prefix
from harness.records.codec import dump_json, load_json
from harness.supervisor.records import Access

_KIND = "cluster-"


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """The paths in the temporary folder of a cluster. Making one creates nothing; `create` does."""

    path: Path

    @classmethod
    def create(cls, run_id: str) -> "ClusterFolder":
        """Make a new folder that only this user can enter."""
        folder = cls(Path(tempfile.mkdtemp(prefix=folder_prefix(run_id) + _KIND)))
        folder.logs.mkdir()
        return folder

    @property
    def access(self) -> Path:
        return self.path / "access.json"

    @property
    def socket(self) -> Path:
        return self.path / "control"

    @property
    def members(self) -> Path:
        return self.path / "members.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def write_access(self, access: Access) -> None:
        """Write how the supervisor is reached, for this user alone."""
        file = os.open(self.access, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as access_file:
            access_file.write(dump_json(access) + b"\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A cluster that `up` started, and whose end nobody has seen."""

    claim: Claim
    alive: bool  # its supervisor is

    @property
    def id(self) -> str:
        """By which `status` and `down` find it."""
        return self.claim.run_id

    @property
    def folder(self) -> ClusterFolder:
        """Where its supervisor keeps what goes with it."""
        return ClusterFolder(Path(self.claim.folder))

    def reach(self) -> Access:
        """Return how the supervisor is reached.

        Raises:
            HarnessError: it is dead, or has only begun.
        """
        if not self.alive:
            raise HarnessError(
                f"the supervisor of the cluster {self.id} (process {self.claim.owner}) is dead; its watchdog "
                "is cleaning up, or was killed as well: `wordaround heal` cleans up what is left"
            )
        try:
            return load_json(Access, self.folder.access.read_bytes())
        except FileNotFoundError as error:
            raise HarnessError(f"the cluster {self.id} is only starting, or ending; try again") from error


def clusters() -> tuple[Cluster, ...]:
    """Return this user's clusters, the oldest first."""
    return tuple(
        # Its watchdog holds the claim of a dead one, too, while it cleans up.
        Cluster(claim=found.claim, alive=found.held and psutil.pid_exists(found.claim.owner))
        for found in claims.found()
        if found.claim is not None and Path(found.claim.folder).name.startswith(_named(found.claim))
    )


def _named(claim: Claim) -> str:
    return folder_prefix(claim.run_id) + _KIND


def the_one(wanted: str | None) -> Cluster:
    """Return the cluster with this id, or whose id begins so; `None`: the only one there is.

    Raises:
        UsageError: there is none, or several.
    """
    there = clusters()
    ids = ", ".join(cluster.id for cluster in there)
    if not there:
        raise UsageError("no cluster is up; `wordaround up` starts one")
    meant = [cluster for cluster in there if cluster.id.startswith(wanted or "")]
    if not meant:
        raise UsageError(f"no cluster {wanted} is up; up {'is' if len(there) == 1 else 'are'} {ids}")
    if len(meant) > 1:
        raise UsageError(f"several clusters are up ({ids}); name the one that you mean by its id")
    return meant[0]
