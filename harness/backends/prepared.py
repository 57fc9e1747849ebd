"""A backend's abilities, each of them there once the backend prepared it for the plan."""

from typing import TypeVar

from harness.backends.abilities import Clock, Disk, Links, Resources
from harness.errors import HarnessError

Ability = TypeVar("Ability")


class Prepared:
    """What backends inherit: they set `_links` and so on where the plan needs them."""

    name: str
    _links: Links | None = None
    _clock: Clock | None = None
    _disk: Disk | None = None
    _resources: Resources | None = None

    @property
    def links(self) -> Links:
        """Cuts and slows links.

        Raises:
            HarnessError: not prepared, since the plan does not need it, or cannot be had with this backend.
        """
        return self._had(self._links, "links that can be cut or slowed")

    @property
    def clock(self) -> Clock:
        """Shifts clocks; as `links`."""
        return self._had(self._clock, "clocks that can be shifted")

    @property
    def disk(self) -> Disk:
        """Redis's disk; as `links`."""
        return self._had(self._disk, "a disk of Redis's own that can be filled")

    @property
    def resources(self) -> Resources:
        """Limits on CPU and memory; as `links`."""
        return self._had(self._resources, "limits on CPU and memory")

    def _had(self, ability: Ability | None, what: str) -> Ability:
        if ability is None:
            raise HarnessError(
                f"this cluster ({self.name} backend) has no {what}: not prepared when it started, since no "
                "fault of the plan needs it, or not to be had with this backend; `wordaround faults` says "
                "which faults work here"
            )
        return ability
