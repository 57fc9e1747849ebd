"""Clocks of members that are containers: libfaketime, preloaded into each, reads its offset from a file.

The library lies in a volume of the run, with the offsets, so that the members' images stay as they are; the
volume is filled from the helpers' image, which has it. Members see it read-only, a helper writes the files.
"""

from collections.abc import Mapping
from contextlib import suppress

import docker
from docker.errors import NotFound

from harness.backends.docker_container import Slot, object_name
from harness.backends.docker_engine import engine_errors, run_labels
from harness.backends.docker_helper import Helper
from harness.backends.faketime import LIBRARY, settings
from harness.backends.gate import Gate
from harness.errors import HarnessError

_FOLDER = "/opt/wordaround/clock"  # In the helpers' image, and where members see the volume.
_TRIAL_S = 20
# The machine's clock, the member's, the machine's: there, since a busy machine takes its time to get there.
_READ = "LD_PRELOAD= date +%s.%N; date +%s.%N; LD_PRELOAD= date +%s.%N"
# Of each process but this one: its id, whether it has the library, its name. Who ended meanwhile has no maps.
_HOLDERS = f"""
for process in /proc/[0-9]*; do
    [ "$process" != /proc/$$ ] && name=$(cat $process/comm 2>/dev/null) || continue
    maps=$(cat $process/maps 2>&1) || case $maps in *denied*) echo "$maps"; exit 1 ;; *) continue ;; esac
    case $maps in
        "") ;;
        *{LIBRARY}*) echo "${{process#/proc/}} yes $name" ;;
        *) echo "${{process#/proc/}} no $name" ;;
    esac
done
"""


class DockerClock:
    """Shifts the clocks of members (see `harness.backends.abilities.Clock`)."""

    def __init__(
        self, api: docker.APIClient, helper: Helper, slots: Mapping[str, Slot], unable: Mapping[str, str]
    ) -> None:
        """Take what `prepare_clock` made; `unable` says of members that cannot be shifted why not."""
        self._api = api
        self._helper = helper
        self._slots = slots
        self._unable = unable

    def shift(self, member: str, offset_s: float) -> None:
        """Shift the member's wall clock to `offset_s` from the machine's; 0 ends the shift.

        Raises:
            HarnessError: the member's clock cannot be shifted, or the engine does not answer.
        """
        if member in self._unable:
            raise HarnessError(f"the clock of {member} cannot be shifted: {self._unable[member]}")
        # In one step: a reader that saw half of it would say so in the member's log.
        write = 'printf "%s\\n" "$2" > "$1.new" && mv "$1.new" "$1"'
        self._helper.run("sh", "-c", write, "sh", _file(member), f"{offset_s:+.6f}")

    def offset(self, member: str) -> float:
        """Return how far a clock that is read in the member's container is from the machine's, in seconds.

        Raises:
            HarnessError: it could not be read, as when the member is down.
        """
        with engine_errors(f"read the clock of {member}"):
            asked = self._api.exec_create(self._slots[member].container, ["sh", "-c", _READ])["Id"]
            said: bytes = self._api.exec_start(asked)
        try:
            before, seen, after = map(float, said.split())
        except ValueError as error:
            raise HarnessError(f"the clock of {member} could not be read: {said!r}") from error
        return seen - (before + after) / 2

    def holders(self, member: str) -> dict[str, bool]:
        """Return whether each process of the living member's container has the library, as its maps say.

        Raises:
            HarnessError: they could not be read, as when the member is down.
        """
        # A process shows its maps to its own user, who is not the image's where it was begun as root.
        user = self._look(member, "stat -c %u:%g /proc/1").strip()
        rows = (line.split(" ", 2) for line in self._look(member, _HOLDERS, user=user).splitlines())
        return {f"{name} (pid {pid})": has == "yes" for pid, has, name in rows}

    def _look(self, member: str, script: str, *, user: str = "") -> str:
        with engine_errors(f"look at the processes of {member}"):
            container = self._slots[member].container
            asked = self._api.exec_create(container, ["sh", "-c", script], user=user)["Id"]
            said = self._api.exec_start(asked).decode("utf-8", "replace")
            failed = self._api.exec_inspect(asked)["ExitCode"]
        if failed:
            raise HarnessError(f"the processes of {member} could not be looked at: {said.strip()}")
        return said


def prepare_clock(
    api: docker.APIClient, helper: Helper, slots: Mapping[str, Slot], *, image: str, run_id: str, gate: Gate
) -> DockerClock:
    """Make the volume and have the members' containers, not created yet, use it; `image` is the helpers'.

    Raises:
        HarnessError: the engine refuses.
    """
    volume = object_name(run_id, "clock")
    with gate.step(), engine_errors(f"create the volume {volume}"):
        api.create_volume(volume, labels=run_labels(run_id))
    # What the image has in that folder, the engine copies into the new volume.
    helper.create(image, run_id=run_id, binds={volume: {"bind": _FOLDER, "mode": "rw"}})
    helper.join()
    unable: dict[str, str] = {}
    clock = DockerClock(api, helper, slots, unable)
    tried: dict[str, str] = {}
    for member, slot in slots.items():
        clock.shift(member, 0.0)
        environment = settings(f"{_FOLDER}/{LIBRARY}", _file(member))
        binds: dict[str, Mapping[str, str]] = {volume: {"bind": _FOLDER, "mode": "ro"}}
        if slot.image not in tried:
            with gate.step():
                tried[slot.image] = _trial(api, slot.image, environment, binds, run_id)
        if tried[slot.image]:
            unable[member] = tried[slot.image]
        else:
            slot.environment.update(environment)
            slot.binds.update(binds)
    return clock


def _file(member: str) -> str:
    return f"{_FOLDER}/{member}.clock"


def _trial(
    api: docker.APIClient,
    image: str,
    environment: dict[str, str],
    binds: dict[str, Mapping[str, str]],
    run_id: str,
) -> str:
    """Return why programs of an image do not run with the library; nothing where they do.

    An image with another C library has no use for ours, and would not even start with it.
    """
    with engine_errors(f"try libfaketime in {image}"):
        container = api.create_container(
            image,
            entrypoint=["date", "+%s"],
            command=[],
            environment=environment,
            labels=run_labels(run_id),
            host_config=api.create_host_config(network_mode="none", binds=binds),
        )["Id"]
        try:
            api.start(container)
            status = api.wait(container, timeout=_TRIAL_S)["StatusCode"]
            said = api.logs(container).decode("utf-8", "replace").strip()
        finally:
            with suppress(NotFound):  # `close` was faster.
                api.remove_container(container, v=True, force=True)
    if status == 0 and said.isdigit():
        return ""
    return f"programs of its image {image} do not run with libfaketime: {said or f'exit {status}'}"
