"""From the text of one environment variable to its value; `ValueError` says what it must be."""

import ipaddress
import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import SplitResult, urlsplit

LOG_LEVELS = ("debug", "info", "warning", "error")
LEAST_SECRET = 16  # characters; below that, a signature's key can be guessed
MOST_SECRET = 1024
_SERVER_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HOST_NAME = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_NO_URL = re.compile(r"[\s\x00-\x1f\x7f]")
_USER_INFO = re.compile(r"//[^\s,]*@")


def redacted(raw: str) -> str:
    """Return a text without what stands before the host in its URLs: a user, a password."""
    return _USER_INFO.sub("//…@", raw)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in [least, most]."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", raw) or not least <= int(raw) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(raw)

    return parse


def server_id(raw: str) -> str:
    """Parse a node's name."""
    if not _SERVER_ID.fullmatch(raw):
        raise ValueError("must be 1 to 64 letters, digits, '_', '.' or '-'")
    return raw


def host(raw: str) -> str:
    """Parse what a server can listen on: a name or an address, IPv6 without brackets."""
    stripped = raw.strip()
    if not stripped:
        raise ValueError("must not be empty")
    if not _HOST_NAME.fullmatch(stripped):
        try:
            ipaddress.IPv6Address(stripped)
        except ValueError:
            raise ValueError("must be a host name or an IP address (IPv6 without brackets)") from None
    return stripped


def http_url(raw: str) -> str:
    """Parse the URL of a node; a slash at its end is dropped."""
    parts = _split(raw, "http", "https")
    if not parts.hostname:
        raise ValueError("must name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password")
    if parts.query or parts.fragment:
        raise ValueError("must have neither a query nor a fragment")
    return raw.rstrip("/")


def loopback_url(raw: str) -> str:
    """Parse the URL of a program on this machine; nothing is none."""
    if not raw:
        return ""
    url = http_url(raw)
    if urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("must be on this machine: 127.0.0.1, [::1] or localhost")
    return url


def http_urls(raw: str) -> tuple[str, ...]:
    """Parse URLs of nodes, separated by commas; nothing is none."""
    if not raw.strip():
        return ()
    parts = [part.strip() for part in raw.split(",")]
    if not all(parts):
        raise ValueError("must be http:// or https:// URLs, with one comma between two")
    return tuple(dict.fromkeys(http_url(part) for part in parts))


def redis_url(raw: str) -> str:
    """Parse the URL of a Redis."""
    parts = _split(raw, "redis", "rediss", "unix")
    if not (parts.hostname or parts.path):
        raise ValueError("must name a host or a socket")
    return raw


def delivery(raw: str) -> Literal["durable", "pubsub"]:
    """Parse the kind of delivery."""
    if raw == "durable":
        return "durable"
    if raw == "pubsub":
        return "pubsub"
    raise ValueError("must be 'durable' or 'pubsub'")


def origins(raw: str) -> tuple[str, ...]:
    """Parse browser origins, separated by commas."""
    found = tuple(part.strip() for part in raw.split(",") if part.strip())
    for origin in found:
        if origin != "*" and not origin.startswith(("http://", "https://")):
            raise ValueError("must be a comma-separated list of http:// or https:// origins, or '*'")
    return found


def log_level(raw: str) -> str:
    """Parse a log level."""
    if raw.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return raw.lower()


def token(raw: str) -> str:
    """Parse what clients must know; empty: they need not know anything."""
    if len(raw) > MOST_SECRET or not raw.isprintable():
        raise ValueError(f"must be at most {MOST_SECRET} printable characters")
    return raw


def secret(raw: str) -> str:
    """Parse the key with which nodes sign; empty: there is none."""
    if raw and not (LEAST_SECRET <= len(raw) <= MOST_SECRET and raw.isprintable()):
        raise ValueError(f"must be {LEAST_SECRET} to {MOST_SECRET} printable characters, or empty")
    return raw


def _split(raw: str, *schemes: str) -> SplitResult:
    begins = " or ".join(f"{scheme}://" for scheme in schemes)
    if not raw.lower().startswith(tuple(f"{scheme}://" for scheme in schemes)) or _NO_URL.search(raw):
        raise ValueError(f"must be a URL that begins with {begins}")
    try:
        parts = urlsplit(raw)
        _ = parts.port  # ValueError where it is no number up to 65535
    except ValueError as error:
        # What `urlsplit` says may quote the URL, and with it a password.
        raise ValueError("must be a URL with a sound host and port") from error
    return parts
