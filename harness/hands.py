"""`wordaround load`: members are killed and restarted by hand, from the page that the nodes serve.

It is what the supervisor of `wordaround up` offers, for as long as the load lasts, with the run as owner.
"""

import secrets

from harness.backends.base import Backend
from harness.records.plan import Role
from harness.supervisor.control import Answer
from harness.supervisor.members import Members, plain
from harness.supervisor.web import ControlWeb
from harness.watch import MemberWatch


class Hands(ControlWeb):
    """Listens from its making to `close`; does something from `take` on."""

    def __init__(self) -> None:
        """Draw the token, and bind to a free port of 127.0.0.1."""
        super().__init__(secrets.token_hex(16))

    def take(self, backend: Backend, watch: MemberWatch) -> None:
        """The members are there: who has the token may ask for them."""
        members = Members(backend, watch)

        def ask(command: str, member: str) -> Answer:
            if command == "status":
                return {"status": {"members": [plain(status) for status in members.statuses()]}}
            return {"member": plain(members.act(command, member))}

        self.open(ask, node_urls=lambda: [m.url for m in backend.members() if m.role is Role.NODE and m.url])
