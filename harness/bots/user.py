"""The bots as Locust users: Locust starts them, counts them and keeps their statistics."""

from typing import Any, ClassVar

from locust.contrib.socketio import SocketIOUser
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_STOPPING

from harness.bots.client import ReadingClient


def live(user: "ChatUser") -> None:
    """The one task of a user: the whole life of its bot."""
    user.bot.live()
    raise StopUser


class ChatUser(SocketIOUser):  # type: ignore[misc]  # The base has no types.
    """A bot in Locust's hands; the environment's crew says which one."""

    abstract = False
    options: ClassVar[dict[str, Any]] = {"reconnection": False, "handle_sigint": False}
    tasks: ClassVar[list[Any]] = [live]

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.sio_greenlet.kill()  # It waits on the base's one client; a bot has one per connection.
        self._crew = environment.crew
        self.bot = self._crew.enlist(self._new_client)

    def stop(self, force: bool = False) -> bool:
        """End the bot: by its own orderly way, or (the way took too long) where it stands."""
        if force:
            return bool(super().stop(force=True))
        self._state = LOCUST_STATE_STOPPING
        self.bot.retire()
        return False

    def _new_client(self) -> ReadingClient:
        self.sio = ReadingClient(
            self.environment.events.request,
            reader=self._crew.reader,
            timeout_s=self._crew.config.connect_timeout_s,
            spawn=self._crew.spawn,
        )
        return self.sio
