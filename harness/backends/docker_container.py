"""What a member's container is made of: image, fixed address, published port, command, labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker

from harness.backends.base import Member
from harness.backends.docker_engine import MEMBER_LABEL, engine_errors, run_labels
from harness.backends.docker_log import ContainerLog
from harness.backends.images import Images
from harness.backends.readiness import LOOPBACK, free_port, node_environment
from harness.records.plan import ClusterPlan, Role

DATA = "/data"  # where Redis keeps its log

_NODE_PORT = 5000
_REDIS_PORT = 6379
_FIRST_ADDRESS = 10  # Redis; the nodes follow. What lies below is left to the gateway and to helpers.


@dataclass(kw_only=True, slots=True)
class Slot:
    """A member over all its incarnations; `container` and `log` are there once it was created."""

    member: Member
    image: str
    address: str
    inner_port: int
    port: int
    log_path: Path
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] | None = None
    binds: dict[str, Mapping[str, str]] = field(default_factory=dict)  # by volume
    container: str = ""  # the engine's id
    log: ContainerLog | None = None

    @property
    def name(self) -> str:
        """The member's name."""
        return self.member.name


def object_name(run_id: str, of: str) -> str:
    """Return the name of one of the run's containers, volumes or networks."""
    return f"wordaround-{run_id}-{of}"


def lay_out(
    cluster: ClusterPlan, images: Images, *, subnet: IPv4Network, run_id: str, logs: Path
) -> Iterator[Slot]:
    """Yield a slot for every member, Redis first, with addresses in the subnet and free ports."""
    redis = _redis_slot(cluster, images.redis, str(subnet[_FIRST_ADDRESS]), run_id, logs)
    yield redis
    redis_url = f"redis://{redis.address}:{_REDIS_PORT}/0"
    for ordinal, name in enumerate(cluster.nodes, start=1):
        yield _node_slot(cluster, name, images.node, str(subnet[_FIRST_ADDRESS + ordinal]), redis_url, logs)


def _redis_slot(cluster: ClusterPlan, image: str, address: str, run_id: str, logs: Path) -> Slot:
    port = free_port()
    return Slot(
        member=Member(name=cluster.redis, role=Role.REDIS, url=f"redis://{LOOPBACK}:{port}/0"),
        image=image,
        address=address,
        inner_port=_REDIS_PORT,
        port=port,
        log_path=logs / f"{cluster.redis}.log",
        command=_redis_command(cluster.appendfsync),
        binds={object_name(run_id, cluster.redis): {"bind": DATA, "mode": "rw"}},
    )


def _redis_command(appendfsync: str) -> list[str]:
    durable = ["--appendonly", "yes", "--appendfsync", appendfsync, "--save", "", "--dir", DATA]
    # Without a password Redis answers only its own loopback interface; here the network is its fence.
    return ["redis-server", "--port", str(_REDIS_PORT), "--protected-mode", "no", *durable]


def _node_slot(cluster: ClusterPlan, name: str, image: str, address: str, redis_url: str, logs: Path) -> Slot:
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    return Slot(
        member=Member(name=name, role=Role.NODE, url=url),
        image=image,
        address=address,
        inner_port=_NODE_PORT,
        port=port,
        log_path=logs / f"{name}.log",
        environment=node_environment(
            cluster,
            name=name,
            host="0.0.0.0",  # In the container; it is published on 127.0.0.1 only.
            port=_NODE_PORT,
            public_url=url,
            redis_url=redis_url,
            sync_url=f"http://{address}:{_NODE_PORT}",  # What is published is not there for containers.
        ),
    )


def create_container(api: docker.APIClient, slot: Slot, *, run_id: str, network: str) -> None:
    """Create the member's container, not started, and note its id and log in the slot.

    Raises:
        HarnessError: the engine refuses.
    """
    name = object_name(run_id, slot.name)
    with engine_errors(f"create the container {name}"):
        endpoint = api.create_endpoint_config(ipv4_address=slot.address, aliases=[slot.name])
        endpoints: Any = {network: endpoint}
        created = api.create_container(
            slot.image,
            name=name,
            hostname=slot.name,
            command=slot.command,
            environment=slot.environment,
            labels={**run_labels(run_id), MEMBER_LABEL: slot.name},
            ports=[slot.inner_port],
            host_config=_host_config(api, slot, network),
            networking_config=api.create_networking_config(endpoints),
            healthcheck={"test": ["NONE"]},  # We ask ourselves; an image's own check costs CPU.
        )
    slot.container = created["Id"]
    slot.log = ContainerLog(api, slot.container, slot.log_path)


def _host_config(api: docker.APIClient, slot: Slot, network: str) -> Any:
    return api.create_host_config(
        network_mode=network,
        port_bindings={slot.inner_port: (LOOPBACK, slot.port)},
        binds=slot.binds,
        # Named here, since the daemon's default may rotate the log or keep none.
        log_config=docker.types.LogConfig(type="json-file", config={}),
    )


@dataclass(frozen=True, slots=True)
class ContainerCable:
    """Starts a member's container, and connects it with the run's network. Raises the engine's own errors."""

    api: docker.APIClient
    slot: Slot
    network: str

    def start(self) -> None:
        """Start the container."""
        self.api.start(self.slot.container)

    def unplug(self) -> None:
        """Take the container, which is down, off the network."""
        self.api.disconnect_container_from_network(self.slot.container, self.network)

    def plug(self) -> None:
        """Connect it again: same address, same names, same published port."""
        self.api.connect_container_to_network(
            self.slot.container, self.network, ipv4_address=self.slot.address, aliases=[self.slot.name]
        )
