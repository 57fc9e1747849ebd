"""What the harness can ask of the proxies, one method a command, and the one place that knows them all."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from harness.backends.abilities import Impairment
from harness.proxies.connection import Connection
from harness.proxies.listener import Listener
from harness.proxies.loop import Loop
from harness.proxies.owners import Owners
from harness.proxies.pipes import Pipe, Pipes, Rule


class Switchboard:
    """All listeners, with their connections, and all rules."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._pipes = Pipes()
        self._owners = Owners()
        self._listeners: list[Listener] = []
        self._done: dict[str, dict[str, str]] = {}  # what impairments that were ended had done

    def listen(self, *, port: int, to_port: int, target: str, callers: tuple[str, ...]) -> None:
        """Listen for `target` on a port; of `callers` anybody may call."""
        self._listeners.append(
            Listener(
                self._loop,
                self._pipes,
                self._owners,
                port=port,
                to_port=to_port,
                target=target,
                callers=callers,
            )
        )

    def serving(self) -> bool:
        """Tell whether all targets were seen to listen, and all listeners are open."""
        return all(listener.is_open for listener in self._listeners)

    def started(self, *, member: str, group: int) -> None:
        """A member was started, in this process group."""
        self._owners.started(member, group)

    def announce(self, *, port: int, member: str) -> None:
        """Whoever connects next from the port speaks for the member."""
        self._owners.announce(port, member)

    def withdraw(self, *, port: int) -> None:
        """Nobody is to come from the port any more. Idempotent."""
        self._owners.announced(port)

    def impair(self, *, handle: str, impairment: Impairment) -> None:
        """Put an impairment in force, for all connections that there are and for those to come."""
        rule = self._pipes.add(handle, impairment)
        if impairment.effect == "reject":
            rule.reset = sum(connection.established for connection in self._under(rule))
        self._refresh()

    def evidence(self, *, handle: str) -> dict[str, str]:
        """Return what it has done so far; of one that was ended: what it had done then."""
        rule = self._pipes.rules.get(handle)
        return self._done[handle] if rule is None else self._seen(rule)

    def in_force(self) -> dict[str, dict[str, Any]]:
        """Return all impairments that hold now, as plain objects, by their handles."""
        return {handle: dataclasses.asdict(rule.impairment) for handle, rule in self._pipes.rules.items()}

    def restore(self, *, handle: str) -> None:
        """End an impairment. Idempotent."""
        rule = self._pipes.rules.get(handle)
        if rule is None:
            return
        self._done[handle] = self._seen(rule)
        self._pipes.remove(handle)
        self._refresh()

    def reset(self, *, member: str, peers: tuple[str, ...]) -> int:
        """Reset the established connections between the member and its peers; return how many."""
        between = [
            connection
            for connection in self._connections()
            if connection.established and _is_between(connection.there, member, peers)
        ]
        for connection in between:
            connection.reset()
        return len(between)

    def close(self) -> None:
        """Listen no more, and reset what is connected."""
        for listener in self._listeners:
            listener.close()
        for connection in self._connections():
            connection.reset()

    def _connections(self) -> Iterator[Connection]:
        for listener in self._listeners:
            yield from tuple(listener.connections)

    def _under(self, rule: Rule) -> Iterator[Connection]:
        for connection in self._connections():
            if rule in connection.there.rules or rule in connection.back.rules:
                yield connection

    def _refresh(self) -> None:
        for listener in self._listeners:
            listener.refresh()
        for connection in self._connections():
            connection.refresh()

    def _seen(self, rule: Rule) -> dict[str, str]:
        match rule.impairment.effect:
            case "drop":
                return self._stalled(rule)
            case "reject":
                closed = sum(listener.closed_by(rule) for listener in self._listeners)
                return _spoken(
                    connections_reset=rule.reset, connections_refused=rule.refused, listeners_closed=closed
                )
            case "delay":
                return _spoken(bytes_delayed=rule.bytes)
            case _:
                return _spoken(bytes_slowed=rule.bytes)

    def _stalled(self, rule: Rule) -> dict[str, str]:
        under = tuple(self._under(rule))
        established = sum(connection.established for connection in under)
        stalled = sum(
            connection.waiting(pipe)
            for connection in under
            for pipe in (connection.there, connection.back)
            if rule in pipe.rules
        )
        return _spoken(
            connections_stalled=established,
            new_connections_stalled=len(under) - established,
            bytes_stalled=stalled,
        )


def _is_between(pipe: Pipe, member: str, peers: tuple[str, ...]) -> bool:
    return (pipe.source == member and pipe.sink in peers) or (pipe.sink == member and pipe.source in peers)


def _spoken(**counts: int) -> dict[str, str]:
    return {name: str(count) for name, count in counts.items()}
