"""What members that are containers are given for the faults of the plan, each only where it is needed."""

from collections.abc import Callable, Mapping

import docker

from harness.backends.docker_clock import DockerClock, prepare_clock
from harness.backends.docker_container import DATA, Slot, object_name
from harness.backends.docker_disk import TMPFS, DockerDisk
from harness.backends.docker_helper import Helper
from harness.backends.docker_iptables import CAPABILITIES
from harness.backends.docker_links import DockerLinks
from harness.backends.gate import Gate
from harness.backends.images import Images, Say, ensure_helper_image
from harness.records.plan import ClusterPlan


class Needs:
    """Prepares them, around the creation of the members' containers."""

    def __init__(
        self,
        client: docker.DockerClient,
        cluster: ClusterPlan,
        images: Images,
        *,
        run_id: str,
        gate: Gate,
        say: Say,
        alive: Callable[[str], bool],
    ) -> None:
        """Prepare nothing yet, but for the helpers' image where one is needed.

        Raises:
            BackendUnavailable: it cannot be built.
        """
        self._client = client
        self._cluster = cluster
        self._run_id = run_id
        self._gate = gate
        self._alive = alive
        helped = {"links", "clock"} & set(cluster.needs)
        self._image = ensure_helper_image(client, images.python, say=say) if helped else ""

    @property
    def volume_options(self) -> dict[str, str] | None:
        """How the volume for Redis's data is made; `None`: as any."""
        return TMPFS if "disk" in self._cluster.needs else None

    def clock(self, slots: Mapping[str, Slot]) -> DockerClock | None:
        """Have containers that are created next use clocks that can be shifted; `None`: not needed."""
        if "clock" not in self._cluster.needs:
            return None
        helper = self._helper("clock")
        return prepare_clock(
            self._client.api, helper, slots, image=self._image, run_id=self._run_id, gate=self._gate
        )

    def disk(self, slots: Mapping[str, Slot]) -> DockerDisk:
        """Prepare what can be done to Redis's disk, and keep a small one alive. Redis was not started yet."""
        helper = self._helper("disk")
        redis = self._cluster.redis

        def create() -> None:
            binds: dict[str, Mapping[str, str]] = {
                object_name(self._run_id, redis): {"bind": DATA, "mode": "rw"}
            }
            helper.create(slots[redis].image, run_id=self._run_id, binds=binds)
            helper.join()

        own = "disk" in self._cluster.needs
        disk = DockerDisk(helper, create, lambda: self._alive(redis), own=own)
        if own:
            disk.hold()
        return disk

    def links(self, slots: Mapping[str, Slot]) -> DockerLinks | None:
        """Create the helpers of members, whose containers are there; `None`: not needed."""
        if "links" not in self._cluster.needs:
            return None
        helpers = {name: self._helper(name) for name in slots}
        for name, slot in slots.items():
            network = f"container:{slot.container}"
            helpers[name].create(self._image, run_id=self._run_id, network=network, capabilities=CAPABILITIES)
        return DockerLinks(slots, helpers, self._alive)

    def _helper(self, of: str) -> Helper:
        return Helper(self._client.api, of, self._gate)
