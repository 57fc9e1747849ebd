"""Strings from outside (names, messages, logs, evidence) made harmless to the eye.

Escaping for HTML, XML or Markdown is the business of each report. What all of them share is here: a
character that cannot be seen, that XML forbids, or that turns the reading direction of what follows it
is shown as its escape, and no string is endless.
"""

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def visible(text: str) -> str:
    """Return the text with control, bidirectional and forbidden characters as `\\x1b`, `\\u202e`."""
    return _UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def without_ansi(text: str) -> str:
    """Return the text without terminal colours."""
    return _ANSI.sub("", text)


def clipped(text: str, most: int) -> str:
    """Return the text, or its first `most` characters and how many were left out."""
    if len(text) <= most:
        return text
    return f"{text[:most]} … ({len(text) - most:,} more characters)"


def one_line(text: str) -> str:
    """Return the text on one line: every run of white space is one blank."""
    return " ".join(text.split())
