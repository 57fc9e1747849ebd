"""The inode of one TCP socket of this machine, asked of the kernel by its two ends (sock_diag(7)).

`/proc/net/tcp` tells the same, but lists every connection of the machine: 20 ms and more where there are
many, in which the proxies would pass nothing on. This takes microseconds. Linux only.
"""

import socket
import struct

Address = tuple[str, int]

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST = 1  # NLM_F_REQUEST
_ERROR = 2  # NLMSG_ERROR
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ASKED = struct.Struct("=BBBBI")  # family, protocol, extensions, padding, states
_ENDS = struct.Struct("!HH4s12x4s12x")  # both ports, both addresses
_REST = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # any interface, no cookie
_ANY_STATE = 0xFFFFFFFF
_INODE_AT = 4 + _ENDS.size + len(_REST) + 16  # After expiry, both queues and the owner's user id.


def inode_of(local: Address, remote: Address) -> int | None:
    """Return the inode of the socket with these ends, 0 when it is gone; `None`: nobody to ask here."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return None
    try:
        with socket.socket(family, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
            kernel.send(_question(local, remote))
            return _inode_in(kernel.recv(4096))
    except OSError:  # Compiled without it.
        return None


def _question(local: Address, remote: Address) -> bytes:
    ends = _ENDS.pack(local[1], remote[1], socket.inet_aton(local[0]), socket.inet_aton(remote[0]))
    asked = _ASKED.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY_STATE) + ends + _REST
    return _HEADER.pack(_HEADER.size + len(asked), _BY_FAMILY, _REQUEST, 1, 0) + asked


def _inode_in(answer: bytes) -> int | None:
    kind = _HEADER.unpack_from(answer)[1]
    if kind == _ERROR:
        gone = struct.unpack_from("=i", answer, _HEADER.size)[0] == -2  # ENOENT
        return 0 if gone else None
    inode: int = struct.unpack_from("=I", answer, _HEADER.size + _INODE_AT)[0]
    return inode
