"""Which targets are on this machine. A load test that hits somebody else's service is an attack on it."""

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable
from urllib.parse import urlsplit

Resolve = Callable[[str], Iterable[str]]


def addresses(host: str) -> tuple[str, ...]:
    """Return every address that the name has, for TCP.

    Raises:
        OSError: it has none, or nobody could be asked.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def why_refused(url: str, allowed: Collection[str], resolve: Resolve = addresses) -> str | None:
    """Return why a target must not be used, in a sentence; `None` where it may.

    It may where every address of its host is a loopback address, or its host is among the `allowed`.
    """
    host = (urlsplit(url).hostname or "").lower()
    if host in {name.lower().strip("[]") for name in allowed}:
        return None
    try:
        remote = [address for address in resolve(host) if not _is_loopback(address)]
    except (OSError, UnicodeError) as error:
        return f"{host} has no address: {getattr(error, 'strerror', None) or error}"
    if not remote:
        return None
    told = host if host == remote[0] else f"{host} ({', '.join(remote)})"
    return (
        f"{told} is not this machine; a test floods its target and waits for it to break. "
        f"If that cluster is yours to test, add `--allow-remote {host}`"
    )


def _is_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
