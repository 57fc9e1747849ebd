"""Redis's append-only log as files, and what is left of them when a disk loses the end.

Since Redis 7.0 (and in Valkey) the log is a folder: a base file, increments after it, and a manifest that
lists them, a line each: `file appendonly.aof.1.incr.aof seq 1 type i`, where the type is `b` for the base,
`i` for an increment and `h` for what is no longer of use. A log whose last file breaks off in the middle of
a command is loaded up to there (`aof-load-truncated`, which is on by default).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.errors import HarnessError

FOLDER = "appendonlydir"  # in Redis's `dir`, where `appenddirname` is not set
_MANIFEST = ".manifest"


@dataclass(frozen=True, kw_only=True, slots=True)
class CutLog:
    """What is left: the files that stay, and how much of the log that is, in bytes."""

    files: dict[str, bytes]
    kept: int
    of: int

    @property
    def evidence(self) -> dict[str, str]:
        """The same for people."""
        return {"log": f"{self.of} bytes", "kept": f"{self.kept} bytes"}


def cut(files: Mapping[str, bytes], *, keep: float) -> CutLog:
    """Keep the first part of the log, the share `keep` of its bytes, so that Redis can load it.

    Nothing is kept where less than the whole base would be left: no Redis starts from half of one.

    Raises:
        HarnessError: the files are no log of a Redis 7.0 or newer.
    """
    names = _in_order(files)
    size = sum(len(files[name]) for name in names)
    left = round(size * keep)
    base = len(files[names[0]]) if names and _is_base(names[0]) else 0
    if left <= base:
        return CutLog(files={}, kept=0, of=size)
    kept: dict[str, bytes] = {}
    for name in names:
        kept[name] = files[name][:left]
        left -= len(kept[name])
        if not left:
            break
    manifest = _manifest(files)
    lines = [line for line in files[manifest].decode().splitlines(True) if _file_of(line) in kept]
    return CutLog(
        files={**kept, manifest: "".join(lines).encode()}, kept=sum(map(len, kept.values())), of=size
    )


def _in_order(files: Mapping[str, bytes]) -> list[str]:
    """Return the files of the log in the order in which they are loaded: the base, then the increments."""
    listed = list(_listed(files))
    bases = [name for name, kind in listed if kind == "b"]
    increments = [name for name, kind in listed if kind == "i"]
    if missing := [name for name in (*bases, *increments) if name not in files]:
        raise HarnessError(f"Redis's log is not whole: its manifest lists {', '.join(missing)}, not there")
    return [*bases, *increments]


def _listed(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for line in files[_manifest(files)].decode().splitlines():
        words = line.split()
        if len(words) >= 6:  # Newer versions add further pairs.
            yield words[1], words[5]


def _manifest(files: Mapping[str, bytes]) -> str:
    found = [name for name in files if name.endswith(_MANIFEST)]
    if len(found) != 1:
        raise HarnessError(
            f"{FOLDER} of Redis has {len(found)} manifests among its {len(files)} files, so this is no log "
            "of Redis 7.0 or newer; is `appendonly` on?"
        )
    return found[0]


def _file_of(line: str) -> str:
    words = line.split()
    return words[1] if len(words) > 1 else ""


def _is_base(name: str) -> bool:
    return ".base." in name
