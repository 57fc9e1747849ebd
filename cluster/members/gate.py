"""The gate: what a node takes from its clients while it drains."""

from cluster.connections import Connection
from cluster.protocol import Code, Refusal


class Gate:
    """Open, draining (no joins), or closed (no sends either). No method switches greenlets."""

    def __init__(self) -> None:
        self.reason: str | None = None  # why it is not open
        self._sends = True

    @property
    def draining(self) -> bool:
        """Tell whether clients should go to other nodes."""
        return self.reason is not None

    def drain(self, reason: str) -> None:
        """Take no joins any more."""
        self.reason = reason

    def close(self) -> None:
        """Take no sends any more."""
        self._sends = False

    def open(self) -> None:
        """Take everything again."""
        self.reason, self._sends = None, True

    def check_join(self) -> None:
        """Raise a `Refusal` where joins are not taken."""
        if self.reason is not None:
            raise Refusal(Code.DRAINING, f"{self.reason}; use another node")

    def check_send(self, connection: Connection) -> None:
        """Raise a `Refusal` where sends of this connection are not taken."""
        if connection.leaving or not self._sends:
            raise Refusal(Code.DRAINING, f"{self.reason}; use another node")
