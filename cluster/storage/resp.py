"""Commands as the bytes of Redis' protocol (RESP arrays of bulk strings), and the arguments that are ours.

redis-py's own packer treats any kind of argument, which costs more time than all else that a node does
for a message. What is packed here is what a node sends: bytes, text and whole numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Guard:
    """The log that a node speaks for: `epoch`, as it stands in the run of Redis that has this `run_id`.

    As an argument of a script it stands for "<epoch> <run_id>", which the script compares with the key
    `wa:epoch`. A command with a guard goes only through a connection to that very run of Redis.
    """

    epoch: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.epoch} {self.run_id}"


class Own(Enum):
    """What each connection knows itself."""

    RUN_ID = "run_id"  # of the Redis at its other end


@dataclass(frozen=True, slots=True)
class Packed:
    """Arguments that were packed before, because they come again and again."""

    count: int
    raw: bytes


RUN_ID = Own.RUN_ID
Argument = bytes | str | int | Guard | Own | Packed
Command = Sequence[Argument]


class WrongRun(ValueError):
    """A command is guarded for another run of Redis than the connection speaks to."""


def packed(arguments: Iterable[bytes | str | int]) -> Packed:
    """Return arguments packed beforehand."""
    raws = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
    return Packed(len(raws), b"".join(b"$%d\r\n%b\r\n" % (len(raw), raw) for raw in raws))


def pack(command: Command, run_id: str) -> bytes:
    """Return the bytes of a command that is to go through a connection to the run `run_id`.

    Raises:
        WrongRun: it carries a guard for another run.
    """
    parts = [b""]
    count = 0
    for argument in command:
        if type(argument) is Packed:  # `type() is` takes half the time of isinstance.
            count += argument.count
            parts.append(argument.raw)
        else:
            count += 1
            raw = argument if type(argument) is bytes else _encode(argument, run_id)
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    parts[0] = b"*%d\r\n" % count
    return b"".join(parts)


def _encode(argument: Argument, run_id: str) -> bytes:
    match argument:
        case str():
            return argument.encode()
        case int():
            return b"%d" % argument
        case Guard():
            if argument.run_id != run_id:
                raise WrongRun(f"this is run {run_id} of Redis, not {argument.run_id}")
            return str(argument).encode()
        case Own.RUN_ID:
            return run_id.encode()
    raise TypeError(f"{argument!r} is no argument of a command")
