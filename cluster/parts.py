"""A node's parts, as far as `/metrics` reads figures off them."""

from dataclasses import dataclass

from cluster.connections import Connections
from cluster.delivery.base import Delivery
from cluster.members.gate import Gate
from cluster.members.reaper import Reaper
from cluster.members.sync import ServerSync
from cluster.members.sync_routes import SyncRoutes
from cluster.members.user_lists import UserLists
from cluster.storage.link import Health
from cluster.transport.outbox import Outbox


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
