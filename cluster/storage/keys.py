"""The names of everything that is kept in Redis."""

import zlib

EPOCH = b"wa:epoch"  # "<epoch> <run_id>": the log that holds, and the run of Redis that it stands in
EPOCHS = b"wa:epochs"  # a list of all epochs, oldest first
RUNS = b"wa:epoch:runs"  # a hash: run_id -> the shard heads that survived the end of that run
REPORTS = b"wa:epoch:reports"  # who has told a new run of Redis what it saw before (see epochs.py)
SHARDS = b"wa:shards"  # how many shard logs this cluster has
ROOMS = b"wa:rooms"
NODES = b"wa:nodes"  # the registry: a hash from server_id to "<stamp ms> <json>"
LEASES = b"wa:leases"  # a hash from incarnation to "<stamp ms> <server_id>"
CONDEMNED = b"wa:leases:condemned"  # a set: incarnations that are being reaped
PULSE = b"wa:leases:pulse"  # a hash: `last` beat of any node, and `since` when there was no outage, in ms
SECRET = b"wa:secret"  # with which servers sign what they say to each other
TURN = b"wa:presence:turn"  # counts the times that some node began to judge others differently
PRESENCE = "wa:room:%s:presence"  # these two are given to scripts, which find out the rooms
PRESENCE_VERSION = "wa:room:%s:presence:version"


def shard_of(room: str, shards: int) -> int:
    """Return the number of the shard log that carries a room; every node must agree."""
    return zlib.crc32(room.encode()) % shards


def shard_log(shard: int) -> bytes:
    """A stream with ids `<k>-0`, k contiguous from 1."""
    return b"wa:shard:%d:log" % shard


def shard_head(shard: int) -> bytes:
    """The last k that was given in a shard log."""
    return b"wa:shard:%d:head" % shard


def room_log(room: str) -> bytes:
    """A stream with ids `<seq>-0`."""
    return f"wa:room:{room}:log".encode()


def room_state(room: str) -> bytes:
    """A hash: `head`, the last seq that was given in a room, and epoch -> the first seq it has there."""
    return f"wa:room:{room}:state".encode()


def results(room: str, producer: str) -> bytes:
    """A hash: n -> "<seq> <epoch> <digest>" for the last results of a producer, `next` n, and `renewed`."""
    return f"wa:room:{room}:results:{producer}".encode()


def presence(room: str) -> bytes:
    """A hash: connection id -> "<incarnation> <JSON of who is joined through it, and on which node>"."""
    return (PRESENCE % room).encode()


def presence_version(room: str) -> bytes:
    """Counts the changes of a room's presence."""
    return (PRESENCE_VERSION % room).encode()


def memberships(incarnation: str) -> bytes:
    """A set of "<shard> <room> <connection id>": all that an incarnation has registered."""
    return f"wa:incarnation:{incarnation}:memberships".encode()


def read_marks(room: str) -> bytes:
    """A hash: user -> "<seq> <epoch>", up to where each has read."""
    return f"wa:room:{room}:reads".encode()


def pubsub_list(room: str) -> bytes:
    """The history of a room in the pub/sub variant: a list of JSON messages."""
    return f"wa:pubsub:{room}:messages".encode()
