"""`wordaround heal`: all runs whose owner is dead, and what of Docker's nobody claims."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from harness import claims
from harness.claims import Claim, Found
from harness.clock import deadline_ns, left_s
from harness.errors import HarnessError, UsageError
from harness.healing import docker_objects, heal, notes
from harness.labels import RUN_ID
from harness.records.folder import RunFolder

Say = Callable[[str], None]

_HEALED_S = 60.0  # for a watchdog that is cleaning up already
_POLL_S = 0.2


def heal_and_tell(run_id: str | None, tell: Say) -> int:
    """Heal, tell what was done and what remains; return the exit code: 0 clean, 4 something remains."""
    said = []

    def say(sentence: str) -> None:
        said.append(sentence)
        tell(sentence)

    left = heal_everything(run_id, say)
    for sentence in left:
        tell(f"still there: {sentence}")
    if not said and not left:
        tell("nothing to heal")
    return HarnessError.exit_code if left else 0


def heal_everything(run_id: str | None, say: Say) -> tuple[str, ...]:
    """Heal what no living owner looks after, or the run `run_id` alone; return what remains.

    Raises:
        UsageError: there is no such run id, or the run is going on.
    """
    if run_id is not None and not RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"--run {run_id}: a run's id has 8 hexadecimal digits; meta.json of its folder has it"
        )
    left: list[str] = []
    claimed = set()
    for one in _wanted(run_id):
        claimed.add(one.path.stem)
        left += _heal_one(one, say, asked=run_id is not None)
    for unclaimed in [run_id] if run_id else docker_objects.run_ids():
        if unclaimed not in claimed:
            left += _heal_unclaimed(unclaimed, say, asked=run_id is not None)
    return tuple(left)


def _wanted(run_id: str | None) -> Iterator[Found]:
    return (one for one in claims.found() if run_id in (None, one.path.stem))


def _heal_one(one: Found, say: Say, *, asked: bool) -> list[str]:
    run = one.path.stem
    if one.claim is None:
        return [
            f"the claim {one.path} cannot be read ({one.why}); another version of WordAround made it: heal "
            "with that one, or remove the file"
        ]
    if one.held and not _owner_is_gone(one.claim):
        goes_on = f"run {run} is going on (process {one.claim.owner}: {one.claim.command})"
        if asked:
            raise UsageError(f"--run {run}: {goes_on}; {_how_to_end(one.claim)}")
        say(f"{goes_on}; it was not touched")
        return []
    if one.held:
        return _healed_by_others(one, say)
    lock = claims.take(one.path)
    if lock is None:
        return _healed_by_others(one, say)
    say(f"run {run} has no living owner any more ({one.claim.command})")
    notes.aborted(RunFolder(Path(one.claim.folder)), "the harness died; `wordaround heal` cleaned up")
    left = heal(one.claim, lambda done: say(f"run {run}: {done}"))
    if left:
        lock.close()
    else:
        lock.delete()
    return [f"run {run}: {sentence}" for sentence in left]


def _how_to_end(claim: Claim) -> str:
    if claim.command.split()[:2] == ["wordaround", "up"]:
        return f"end it with `wordaround down {claim.run_id}`"
    return f"end it with Ctrl-C, or kill {claim.owner}"


def _owner_is_gone(claim: Claim) -> bool:
    return not psutil.pid_exists(claim.owner)


def _healed_by_others(one: Found, say: Say) -> list[str]:
    """Wait for the watchdog, who holds the lock of a dead owner's claim while it cleans up."""
    run = one.path.stem
    say(f"run {run}: its watchdog is cleaning up")
    deadline = deadline_ns(_HEALED_S)
    while one.path.exists():
        if not left_s(deadline):
            return [f"run {run} is being cleaned up by its watchdog; `wordaround heal` again in a minute"]
        time.sleep(_POLL_S)
    return []


def _heal_unclaimed(run_id: str, say: Say, *, asked: bool) -> list[str]:
    """Heal what nobody claims; a claim that we cannot see may be another user's, or in another TMPDIR."""
    if (watchdog := _watchdog_of(run_id)) is not None:
        goes_on = f"run {run_id} is going on: its watchdog is process {watchdog.pid}"
        if asked:
            raise UsageError(
                f"--run {run_id}: {goes_on}, and its claim is in another TMPDIR or another user's"
            )
        say(f"{goes_on}; it was not touched")
        return []
    if not asked and docker_objects.lives(run_id):
        say(
            f"run {run_id} has containers that run, but no claim here; they were not touched. "
            f"`wordaround heal --run {run_id}` ends them"
        )
        return []
    nowhere = Claim(run_id=run_id, backend="docker", folder=f"/nonexistent/{run_id}", command="")
    left = heal(nowhere, lambda done: say(f"run {run_id}: {done}"))
    return [f"run {run_id}: {sentence}" for sentence in left]


def _watchdog_of(run_id: str) -> psutil.Process | None:
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info["cmdline"] or []
        if "harness.watchdog" in words and Path(words[-1]).stem == run_id:
            return process
    return None
