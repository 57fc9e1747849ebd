"""The node's settings: read from the environment once, strictly, all errors at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
PREFIX = "WORDAROUND_"
LOG_LEVELS = ("debug", "info", "warning", "error")
_SERVER_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SECRET_LEAST = 16
_WILDCARD_HOSTS = ("0.0.0.0", "::")


class SettingsError(Exception):
    """The environment is wrong; `problems` has one sentence for each variable (exit code 2)."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that can be set of a node. Each field is `WORDAROUND_<NAME IN CAPITALS>`."""

    server_id: str = "node-1"
    host: str = "127.0.0.1"
    port: int = 5000
    public_url: str = "http://127.0.0.1:5000"  # by which clients reach this node
    sync_url: str = "http://127.0.0.1:5000"  # by which other nodes do
    peers: tuple[str, ...] = ()  # sync URLs of nodes to ask besides those in the registry
    secret: str = field(default="", repr=False)  # signs what nodes say to each other; "": one kept in Redis
    redis_url: str = "redis://127.0.0.1:6379/0"
    delivery: Literal["durable", "pubsub"] = "durable"
    shards: int = 4  # shard logs, the same on all nodes of a cluster
    room_messages: int = 100_000  # about how many messages a room keeps
    shard_messages: int = 50_000  # about how many entries a shard log keeps
    memory_messages: int = 10_000  # how many messages of a room a node keeps in memory
    cors_origins: tuple[str, ...] = ()  # browser origins besides the node's own; `*` is any
    log_level: str = "info"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: one or more variables are wrong; it names them all.
        """
        reader = _Reader(environment)
        host = reader.read("HOST", "127.0.0.1", _text)
        port = reader.read("PORT", "5000", _integer(1, 65_535))
        shown_host = "127.0.0.1" if host in _WILDCARD_HOSTS else f"[{host}]" if ":" in host else host
        public_url = reader.read("PUBLIC_URL", f"http://{shown_host}:{port}", _url("http", "https"))
        settings = cls(
            server_id=reader.read("SERVER_ID", "node-1", _server_id),
            host=host,
            port=port,
            public_url=public_url,
            sync_url=reader.read("SYNC_URL", public_url, _url("http", "https")),
            peers=reader.read("PEERS", "", _urls("http", "https")),
            secret=reader.read("SECRET", "", _secret),
            redis_url=reader.read("REDIS_URL", "redis://127.0.0.1:6379/0", _url("redis", "rediss", "unix")),
            delivery=reader.read("DELIVERY", "durable", _delivery),
            shards=reader.read("SHARDS", "4", _integer(1, 8)),
            room_messages=reader.read("ROOM_MESSAGES", "100000", _integer(1_000, 100_000_000)),
            shard_messages=reader.read("SHARD_MESSAGES", "50000", _integer(1_000, 100_000_000)),
            memory_messages=reader.read("MEMORY_MESSAGES", "10000", _integer(100, 1_000_000)),
            cors_origins=reader.read("CORS_ORIGINS", "", _origins),
            log_level=reader.read("LOG_LEVEL", "info", _log_level),
        )
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


class _Reader:
    """Parses one variable after the other and collects what is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, name: str, default: str, parse: Callable[[str], T]) -> T:
        raw = self._environment.get(PREFIX + name, default)
        try:
            return parse(raw)
        except ValueError as error:
            shown = "…" if name == "SECRET" else repr(raw)
            self.problems.append(f"{PREFIX}{name}={shown}: {error}")
            if raw == default:  # A default that was made from another, wrong variable.
                raise SettingsError(self.problems) from error
            return parse(default)


def _text(raw: str) -> str:
    if not raw.strip():
        raise ValueError("must not be empty")
    return raw.strip()


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", raw) or not least <= int(raw) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(raw)

    return parse


def _server_id(raw: str) -> str:
    if not _SERVER_ID.fullmatch(raw):
        raise ValueError("must be 1 to 64 letters, digits, '_', '.' or '-'")
    return raw


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in schemes or not (parts.hostname or parts.path):
            raise ValueError(f"must be a URL that begins with {' or '.join(f'{s}://' for s in schemes)}")
        _ = parts.port  # raises ValueError where the port is no number up to 65535
        return raw.rstrip("/") if parts.scheme.startswith("http") else raw

    return parse


def _urls(*schemes: str) -> Callable[[str], tuple[str, ...]]:
    def parse(raw: str) -> tuple[str, ...]:
        return tuple(map(_url(*schemes), filter(None, map(str.strip, raw.split(",")))))

    return parse


def _secret(raw: str) -> str:
    if raw and len(raw) < _SECRET_LEAST:
        raise ValueError(f"must have at least {_SECRET_LEAST} characters, or be empty")
    return raw


def _delivery(raw: str) -> Literal["durable", "pubsub"]:
    if raw == "durable":
        return "durable"
    if raw == "pubsub":
        return "pubsub"
    raise ValueError("must be 'durable' or 'pubsub'")


def _origins(raw: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in raw.split(",") if part.strip())
    for origin in origins:
        if origin != "*" and not origin.startswith(("http://", "https://")):
            raise ValueError("must be a comma-separated list of http:// or https:// origins, or '*'")
    return origins


def _log_level(raw: str) -> str:
    if raw.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return raw.lower()
