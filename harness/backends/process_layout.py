"""How a cluster of processes is laid out: ports, folders, commands and environments of its members."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.backends.base import Member
from harness.backends.process_links import LinkPorts, NodePorts
from harness.backends.process_slot import Slot
from harness.backends.readiness import LOOPBACK, free_port, node_environment
from harness.backends.redis_binary import RedisBinary
from harness.labels import labelled
from harness.placeholders import fill
from harness.records.plan import ClusterPlan, Role


def inherited(run_id: str) -> dict[str, str]:
    """Return the environment less what would configure a node behind the plan's back, labelled."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WORDAROUND_")}
    return labelled(clean, run_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What members are made of: the plan, what runs them, where they write, and whose links are carried."""

    cluster: ClusterPlan
    ports: LinkPorts
    environment: Mapping[str, str]  # that all members inherit
    redis: RedisBinary
    node_command: tuple[str, ...]
    node_settings: Mapping[str, str]
    folder: Path
    logs: Path

    def slots(self) -> tuple[Slot, ...]:
        """Return a slot for each member, Redis first, each on a free port."""
        redis = self._redis()
        redis_url = f"redis://{LOOPBACK}:{redis.port}/0"
        nodes = (self._node(name, self.ports.get(name), redis_url) for name in self.cluster.nodes)
        return (redis, *nodes)

    def _redis(self) -> Slot:
        name, port = self.cluster.redis, free_port()
        data = self.folder / name
        return Slot(
            member=Member(name=name, role=Role.REDIS, url=f"redis://{LOOPBACK}:{port}/0"),
            port=port,
            command=self.redis.command(port=port, data=data, appendfsync=self.cluster.appendfsync),
            environment=dict(self.environment),
            folder=data,
            working_folder=data,
            log=self.logs / f"{name}.log",
        )

    def _node(self, name: str, proxied: NodePorts | None, redis_url: str) -> Slot:
        cluster, folder, port = self.cluster, self.folder / name, free_port()
        direct = f"http://{LOOPBACK}:{port}"
        own = node_environment(
            cluster,
            name=name,
            host=LOOPBACK,
            port=port,
            public_url=f"http://{LOOPBACK}:{proxied.clients}" if proxied else direct,
            sync_url=f"http://{LOOPBACK}:{proxied.nodes}" if proxied else None,
            redis_url=f"redis://{LOOPBACK}:{proxied.redis}/0" if proxied else redis_url,
        )
        values = _values(cluster, own, folder)
        return Slot(
            member=Member(
                name=name,
                role=Role.NODE,
                url=own["WORDAROUND_PUBLIC_URL"],
                direct=direct,
                ready=fill(cluster.ready, {**values, "url": direct}) if cluster.ready else None,
            ),
            port=port,
            command=tuple(fill(word, values) for word in cluster.command or ()) or self.node_command,
            # Unbuffered: what a node printed must be in its log also when it is killed a moment later.
            environment={**self.environment, "PYTHONUNBUFFERED": "1", **self.node_settings, **own},
            folder=folder,
            # For our own an empty one, because `python -m` looks for modules in the working directory first;
            # for another program ours, so that its paths mean what they mean to whoever wrote them.
            working_folder=Path.cwd() if cluster.command else folder,
            log=self.logs / f"{name}.log",
        )


def _values(cluster: ClusterPlan, own: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return what the placeholders of a command stand for, of a node with this environment of its own."""
    return {
        "name": own["WORDAROUND_SERVER_ID"],
        "host": own["WORDAROUND_HOST"],
        "port": own["WORDAROUND_PORT"],
        "url": own["WORDAROUND_PUBLIC_URL"],
        "redis_url": own["WORDAROUND_REDIS_URL"],
        "delivery": cluster.delivery,
        "folder": str(folder),
        "python": sys.executable,
    }
