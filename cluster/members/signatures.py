"""Signatures between servers: HMAC-SHA256 over method, path, sender, time and body.

A request is taken once, and only within 10 s of its time. The time is the cluster's (Redis' clock, carried on
by each machine's monotonic one, see `Registry.clock_ms`), so that a machine's wrong clock cuts nobody off.
The answer is signed too, over the request's signature: whoever listens on a dead peer's port cannot speak
for it.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping

from cluster.protocol import Code, Refusal

SENDER, TIME, SIGNATURE = "X-WordAround-Sender", "X-WordAround-Time", "X-WordAround-Signature"
HEADERS = (SENDER, TIME, SIGNATURE)
WINDOW_MS = 10_000
REMEMBERED = 20_000  # signatures: what 100 peers send in a window, ten times over


class Signatures:
    """Signs for one node and checks what others have signed.

    `secrets` returns the secrets that count, the one to sign with first; `clock_ms` the cluster's time.
    """

    def __init__(
        self, sender: str, *, secrets: Callable[[], tuple[bytes, ...]], clock_ms: Callable[[], int]
    ) -> None:
        self._sender = sender
        self._secrets = secrets
        self._clock_ms = clock_ms
        self._seen: OrderedDict[str, int] = OrderedDict()  # signature -> its time

    def sign(self, method: str, path: str, body: bytes) -> dict[str, str] | None:
        """Return the headers of a request, `None` while there is no secret."""
        secrets = self._secrets()
        if not secrets:
            return None
        time = str(self._clock_ms())
        signature = _digest(secrets[0], _request(method, path, self._sender, time), body)
        return {SENDER: self._sender, TIME: time, SIGNATURE: signature}

    def check(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> str:
        """Return the sender of a request.

        Raises:
            Refusal: unauthorized: it is not signed so, too old, or was here before.
        """
        sender, time, signature = (headers.get(name, "") for name in HEADERS)
        if not (time.isascii() and time.isdigit() and len(time) <= 16):
            raise _unauthorized("the request is not signed")
        wanted = _request(method, path, sender, time)
        if not self._is_signed(wanted, body, signature):
            raise _unauthorized("the signature is wrong")
        now_ms = self._clock_ms()
        if abs(now_ms - int(time)) > WINDOW_MS:
            raise _unauthorized("the request's time is not now")
        self._remember(signature, int(time), now_ms)
        return sender

    def sign_answer(self, request_signature: str, body: bytes) -> dict[str, str]:
        """Return the headers of the answer to a request that was checked."""
        secret = next(iter(self._secrets()), b"")
        return {SIGNATURE: _digest(secret, f"answer\n{request_signature}\n", body)}

    def check_answer(self, request: Mapping[str, str], body: bytes, signature: str) -> bool:
        """Tell whether an answer belongs to the request with these headers."""
        return self._is_signed(f"answer\n{request[SIGNATURE]}\n", body, signature)

    def _is_signed(self, what: str, body: bytes, signature: str) -> bool:
        given = signature.encode()  # compare_digest refuses strings that are not ASCII
        return any(hmac.compare_digest(_digest(s, what, body).encode(), given) for s in self._secrets())

    def _remember(self, signature: str, time_ms: int, now_ms: int) -> None:
        # Also what is far ahead goes: the clock was set back, and nothing of that time passes now.
        while self._seen and abs(now_ms - next(iter(self._seen.values()))) > 2 * WINDOW_MS:
            self._seen.popitem(last=False)
        if signature in self._seen:
            raise _unauthorized("the request was here before")
        if len(self._seen) >= REMEMBERED:
            raise _unauthorized("too many requests within a short time")
        self._seen[signature] = time_ms


def _request(method: str, path: str, sender: str, time: str) -> str:
    return f"{method}\n{path}\n{sender}\n{time}\n"


def _digest(secret: bytes, what: str, body: bytes) -> str:
    return hmac.new(secret, what.encode("utf-8", "surrogateescape") + body, hashlib.sha256).hexdigest()


def _unauthorized(message: str) -> Refusal:
    return Refusal(Code.UNAUTHORIZED, message)
