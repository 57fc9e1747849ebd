"""Claims: who owns what a run makes, and whether that owner is alive.

A claim is a small file for each run, in one folder for each user. It is on disk before anything of the run
is started, and is deleted when all of it was ended in order. Its owner holds the file's lock for as long as
it lives, and nobody can forget to give a lock back: the kernel does, also after `kill -9`. So a claim whose
lock is free tells of a run whose owner died, and no process id is ever guessed at.

    owner:   write, lock ─▶ sync ─▶ rename into place ─▶ … the run … ─▶ delete, unlock
    healer:                        (owner died) lock ─▶ heal ─▶ delete, unlock

Whoever got the lock looks whether the file is still the one in the folder: another healer may have been
faster, and deleted it. The folder goes with its last claim.

Owners use `harness/guard.py`, which adds the watchdog; healers use `found` and `take`.
"""

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from harness.clock import deadline_ns, left_s, utc_now
from harness.errors import HarnessError
from harness.labels import RUN_ID
from harness.records.codec import dump_json, load_json

_POLL_S = 0.05  # A lock that is held for a moment: by who looks whether it is free, or by another healer.
_TRIES = 100  # Of making the folder, which others remove when they find it empty.


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What one must know of a run to clean up after it when its owner is dead."""

    schema: int = 1
    run_id: str
    backend: str  # "process", "docker", "attach"
    folder: str  # the run folder, absolute
    command: str  # for people
    owner: int = field(default_factory=os.getpid)  # for people; the lock tells whether it lives
    began: datetime = field(default_factory=utc_now)
    working_folder: str = field(default_factory=os.getcwd)  # where commands that undo a fault are run
    temporary: str = field(default_factory=tempfile.gettempdir)  # where the run's temporary folders lie
    docker_host: str = field(default_factory=lambda: os.environ.get("DOCKER_HOST", ""))


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A claim that somebody made. `claim` is `None` where the file cannot be read, `why` says why."""

    path: Path
    held: bool  # its owner lives, or somebody is healing it
    claim: Claim | None
    why: str = ""


class Lock:
    """A claim's file, locked by us until `close` or our end."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file

    def read(self) -> Claim:
        """Return the claim.

        Raises:
            ValueError: it is none, or another version's.
        """
        return _parsed(os.pread(self._file, 1 << 20, 0))

    def delete(self) -> None:
        """Delete the claim, and the folder with the last one; then unlock."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Others have claims in it.
            self.path.parent.rmdir()
        self.close()

    def close(self) -> None:
        """Unlock. Idempotent."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def folder() -> Path:
    """Return where this user's claims are; it need not exist."""
    return Path(tempfile.gettempdir(), f"wordaround-claims-{os.getuid()}")


def make(claim: Claim) -> Lock:
    """Write the claim; it is complete, synced and locked when others see it first.

    Raises:
        HarnessError: somebody else owns the folder, or it cannot be made.
    """
    where = folder()
    path, part = where / f"{claim.run_id}.json", where / f".{claim.run_id}.part"
    for _ in range(_TRIES):
        _make_folder(where)
        try:
            lock = _written(part, claim)
            part.rename(path)
        except (FileNotFoundError, BlockingIOError):
            continue  # It was empty and was removed, or the half-made claim was taken for a dead one.
        _sync_folder(where)
        lock.path = path
        return lock
    raise HarnessError(f"{where}: no claim can be written there; somebody removes it all the time")


def found() -> tuple[Found, ...]:
    """Return all claims of this user, the oldest first, and delete those that were never finished."""
    where = folder()
    if not where.is_dir():
        return ()
    _require_own(where)
    for part in where.glob(".*.part"):
        if (lock := take(part)) is not None:
            lock.delete()
    claims = [one for path in sorted(where.glob("*.json")) if (one := _look(path)) is not None]
    return tuple(sorted(claims, key=lambda one: one.claim.began.timestamp() if one.claim else 0.0))


def take(path: Path, *, patience_s: float = 0.5) -> Lock | None:
    """Lock a claim to heal it; `None`: its owner lives after all, or somebody else has healed it."""
    deadline = deadline_ns(patience_s)
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    while not _locked(file, fcntl.LOCK_EX):
        if not left_s(deadline):
            os.close(file)
            return None
        time.sleep(_POLL_S)
    if not _is_at(file, path):
        os.close(file)
        return None
    return Lock(path, file)


def _written(part: Path, claim: Claim) -> Lock:
    file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    lock = Lock(part, file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(file, dump_json(claim) + b"\n")
        os.fsync(file)
    except BaseException:
        lock.delete()
        raise
    return lock


def _look(path: Path) -> Found | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with _closing(file):
        # Shared, so that two who look do not take each other for the owner.
        held = not _locked(file, fcntl.LOCK_SH)
        if not _is_at(file, path):
            return None
        try:
            return Found(path=path, held=held, claim=_parsed(os.pread(file, 1 << 20, 0)))
        except ValueError as error:
            return Found(path=path, held=held, claim=None, why=" ".join(str(error).split()))


def _parsed(data: bytes) -> Claim:
    claim = load_json(Claim, data)
    if claim.schema != 1 or not RUN_ID.fullmatch(claim.run_id):
        raise ValueError(f"schema {claim.schema}, run {claim.run_id!r}")
    return claim


def _locked(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file), there)


def _make_folder(where: Path) -> None:
    with contextlib.suppress(FileExistsError):
        where.mkdir(mode=0o700)
    with contextlib.suppress(FileNotFoundError):  # Removed again: the next step notices.
        _require_own(where)


def _require_own(where: Path) -> None:
    """Temporary folders are shared: who could write here could have us kill and remove what he likes."""
    status = where.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise HarnessError(
            f"{where} is not a folder that only this user can write to, so its claims cannot be trusted; "
            "remove it, or set TMPDIR to a folder of your own"
        )


def _sync_folder(where: Path) -> None:
    file = os.open(where, os.O_RDONLY)
    with _closing(file):
        os.fsync(file)


@contextlib.contextmanager
def _closing(file: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(file)
