"""A node's parts, as far as `/metrics` reads figures off them."""

from dataclasses import dataclass

from cluster.connections import Connections
from cluster.delivery import Delivery
from cluster.gate import Gate
from cluster.link import Health
from cluster.outbox import Outbox
from cluster.reaper import Reaper
from cluster.sync import ServerSync
from cluster.sync_routes import SyncRoutes
from cluster.user_lists import UserLists


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What is read when somebody asks."""

    health: Health
    connections: Connections
    outbox: Outbox
    delivery: Delivery
    gate: Gate
    sync: ServerSync
    sync_routes: SyncRoutes
    user_lists: UserLists
    reaper: Reaper
