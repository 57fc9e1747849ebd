"""The identity of a message: a unique token with a checksum over the whole text, inside the text.

    wa1.<run id>.<bot ordinal>.<key>.<crc32 of run id, bot, key and body, 8 hex digits> <body>

The judge knows messages by their tokens, never by the `seq` or `n` that the cluster gave: a cluster
that confuses its numbers cannot confuse the judge.
"""

import re
import zlib
from dataclasses import dataclass

_PATTERN = re.compile(r"wa1\.([0-9a-f]{8})\.(\d+)\.(\d+)\.([0-9a-f]{8}) (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """Who sent a message (`bot`: ordinal in the plan) and which of its messages it is (`key`, from 1)."""

    run_id: str
    bot: int
    key: int


def make_text(token: Token, body: str) -> str:
    """Return the text that carries the token and the body."""
    return f"wa1.{token.run_id}.{token.bot}.{token.key}.{_checksum(token, body)} {body}"


def parse_text(text: str) -> Token | None:
    """Return the token of a text that is whole; `None` when it has none or was altered anywhere."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    run_id, bot, key, checksum, body = match.groups()
    token = Token(run_id, int(bot), int(key))
    return token if checksum == _checksum(token, body) else None


def carries(text: str, token: Token) -> bool:
    """Whether this is a whole text that carries this token: what `parse_text` would say, at less cost."""
    head = f"wa1.{token.run_id}.{token.bot}.{token.key}."
    at = len(head) + 8
    if not text.startswith(head) or text[at : at + 1] != " ":
        return False
    return text[len(head) : at] == _checksum(token, text[at + 1 :])


def _checksum(token: Token, body: str) -> str:
    return f"{zlib.crc32(f'{token.run_id}.{token.bot}.{token.key} {body}'.encode()):08x}"
