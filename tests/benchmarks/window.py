"""The closed loop of one sender: at most `size` sends wait for their acknowledgement. Pure."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

_ACK = re.compile(rb"43([0-9]+)(\[.*\])", re.DOTALL)


class BadAck(Exception):
    """An acknowledgement that nobody waits for, twice the same, or not for a sent message."""


def parse_ack(payload: bytes) -> tuple[int, Any] | None:
    """Return id and first argument of a Socket.IO acknowledgement; `None` of any other packet."""
    match = _ACK.fullmatch(payload)
    if match is None:
        return None
    arguments = json.loads(match[2])
    return int(match[1]), arguments[0] if arguments else None


@dataclass(slots=True)
class Window:
    """Which sends are outstanding, by acknowledgement id. Ids count from `first_id`; times in seconds."""

    size: int
    first_id: int = 1
    sent: int = 0
    acked: int = 0
    _since: dict[int, float] = field(default_factory=dict)

    @property
    def outstanding(self) -> int:
        """How many sends wait."""
        return len(self._since)

    @property
    def free(self) -> int:
        """How many more may be sent now."""
        return max(0, self.size - len(self._since))

    def send(self, now_s: float) -> tuple[int, int]:
        """Take a place; return the acknowledgement id and n, the sender's number for this message."""
        self.sent += 1
        ack_id = self.first_id + self.sent - 1
        self._since[ack_id] = now_s
        return ack_id, self.sent

    def ack(self, ack_id: int, now_s: float) -> float:
        """Give the place back; return for how many seconds it was taken.

        Raises:
            BadAck: nothing with this id is outstanding.
        """
        since = self._since.pop(ack_id, None)
        if since is None:
            raise BadAck(f"acknowledgement {ack_id} answers nothing that is outstanding")
        self.acked += 1
        return now_s - since
