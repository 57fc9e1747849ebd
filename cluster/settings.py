"""The node's settings: read from the environment once, strictly, all errors at once.

A setting is declared once, as a field of `Settings`. Parsing, `python -m cluster --help` and the table in
docs/protocol.md (held equal by a test) come from there.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from cluster import parsers

T = TypeVar("T")
PREFIX = "WORDAROUND_"
_MISSPELT = 0.75  # difflib's ratio, from which on a name is taken for a misspelt one
_WILDCARD_HOSTS = ("0.0.0.0", "::")

# What others read: the harness, docker-compose.yml, tests and CI. A test finds all that there are.
_OF_OTHERS = re.compile(
    r"RUN|(PYTHON|REDIS)_IMAGE|REQUIRE_[A-Z]+|NODE_[0-9]+_PORT|BOTS_TOKEN|PULL_SECONDS|FUZZ_[A-Z]+"
    r"|RUN_ID|FAULT_ID|TARGETS|TARGET_URLS|SCREENSHOTS"
)


class SettingsError(Exception):
    """The environment is wrong; `problems` has one sentence for each variable (exit code 2)."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A declaration. `derive`, where there is one, makes the default from the settings before it."""

    variable: str
    field: str
    default: str  # as the environment would have it
    parse: Callable[[str], Any]
    meaning: str
    derive: Callable[[Mapping[str, Any]], str] | None
    derived_from: str  # what help shows in place of the default
    secret: bool  # its value is shown nowhere

    @property
    def shown_default(self) -> str:
        """The default as people read it."""
        return self.derived_from or self.default

    def raw(self, environment: Mapping[str, str], before: Mapping[str, Any]) -> str:
        """Return the text that is to be parsed."""
        default = self.derive(before) if self.derive else self.default
        return environment.get(self.variable, default)

    def problem(self, raw: str, error: ValueError) -> str:
        """Return the sentence for a wrong value, without anything secret."""
        shown = "" if self.secret else f"={parsers.redacted(raw)!r}"
        return f"{self.variable}{shown}: {error}"


def _setting(
    default: str,
    parse: Callable[[str], T],
    meaning: str,
    *,
    derive: Callable[[Mapping[str, Any]], str] | None = None,
    derived_from: str = "",
    secret: bool = False,
    shown: bool = True,
) -> T:
    """Declare a setting. `shown=False` keeps a value out of `repr` that may hold a password."""
    metadata = {
        "default": default,
        "parse": parse,
        "meaning": meaning,
        "derive": derive,
        "derived_from": derived_from,
        "secret": secret,
    }
    declared: Any = dataclasses.field(default=parse(default), metadata=metadata, repr=shown and not secret)
    return declared  # type: ignore[no-any-return]  # Whoever reads the field gets its value.


def _own_url(before: Mapping[str, Any]) -> str:
    host = before["host"]
    shown = "127.0.0.1" if host in _WILDCARD_HOSTS else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{before['port']}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that can be set of a node. Each field is `WORDAROUND_<NAME IN CAPITALS>`."""

    server_id: str = _setting("node-1", parsers.server_id, "the node's name, unique in its cluster")
    host: str = _setting("127.0.0.1", parsers.host, "the address that it listens on")
    port: int = _setting("5000", parsers.whole_number(1, 65_535), "the port that it listens on")
    public_url: str = _setting(
        "http://127.0.0.1:5000",
        parsers.http_url,
        "the URL by which clients reach it",
        derive=_own_url,
        derived_from="http://HOST:PORT",
    )
    redis_url: str = _setting(
        "redis://127.0.0.1:6379/0", parsers.redis_url, "the cluster's Redis", shown=False
    )
    delivery: Literal["durable", "pubsub"] = _setting(
        "durable", parsers.delivery, "durable, or pubsub to compare with"
    )
    shards: int = _setting(
        "4", parsers.whole_number(1, 8), "shard logs, 1 to 8, the same on all nodes of a cluster"
    )
    room_messages: int = _setting(
        "100000", parsers.whole_number(1_000, 100_000_000), "about how many messages a room keeps"
    )
    shard_messages: int = _setting(
        "50000", parsers.whole_number(1_000, 100_000_000), "about how many entries a shard log keeps"
    )
    memory_messages: int = _setting(
        "10000", parsers.whole_number(100, 1_000_000), "messages of a room that a node keeps in memory"
    )
    buffer_bytes: int = _setting(
        "16777216",
        parsers.whole_number(1 << 20, 1 << 30),
        "most bytes that wait for one slow connection (an eighth of it for long); beyond, it is disconnected",
    )
    sends_per_second: int = _setting(
        "0",
        parsers.whole_number(0, 1_000_000),
        "most sends a second of one connection, with bursts of one second's worth; 0 for no limit",
    )
    token: str = _setting(
        "", parsers.token, "what a client's auth token must be; empty for none", secret=True
    )
    cors_origins: tuple[str, ...] = _setting(
        "", parsers.origins, "browser origins besides the cluster's, separated by commas; * for any"
    )
    peers: tuple[str, ...] = _setting(
        "", parsers.http_urls, "URLs of other nodes, separated by commas, besides those in the registry"
    )
    sync_url: str = _setting(
        "http://127.0.0.1:5000",
        parsers.http_url,
        "the URL by which other nodes reach it",
        derive=lambda before: str(before["public_url"]),
        derived_from="PUBLIC_URL",
    )
    secret: str = _setting(
        "",
        parsers.secret,
        "the key with which nodes sign what they tell each other, at least 16 characters",
        secret=True,
    )
    control_url: str = _setting(
        "",
        parsers.loopback_url,
        "where members are killed and restarted, on this machine only; `wordaround up` sets it",
    )
    control_token: str = _setting(
        "", parsers.token, "the token that whoever asks there must have", secret=True
    )
    log_level: str = _setting("info", parsers.log_level, f"one of {', '.join(parsers.LOG_LEVELS)}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: one or more variables are wrong; it names them all.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for setting in declared():
            raw = setting.raw(environment, values)
            try:
                values[setting.field] = setting.parse(raw)
            except ValueError as error:
                problems.append(setting.problem(raw, error))
                values[setting.field] = setting.parse(setting.default)  # What is derived needs a value.
        problems += [problem for name in _unknown(environment) if (problem := _misspelt(name))]
        if problems:
            raise SettingsError(problems)
        return cls(**values)


def declared() -> tuple[Setting, ...]:
    """Return all settings, in their order."""
    return tuple(
        Setting(variable=PREFIX + field.name.upper(), field=field.name, **field.metadata)
        for field in dataclasses.fields(Settings)
    )


def ignored(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that look as if they were meant for us, but are nobody's, sorted."""
    return tuple(name for name in _unknown(environment) if _misspelt(name) is None)


def _unknown(environment: Mapping[str, str]) -> list[str]:
    known = {setting.variable for setting in declared()}
    ours = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return [name for name in ours if not _OF_OTHERS.fullmatch(name.removeprefix(PREFIX))]


def _misspelt(variable: str) -> str | None:
    names = {setting.variable.removeprefix(PREFIX): setting.variable for setting in declared()}
    name = variable.removeprefix(PREFIX).upper()
    close = difflib.get_close_matches(name, names, n=1, cutoff=_MISSPELT)
    return f"{variable}: there is no such setting; did you mean {names[close[0]]}?" if close else None
