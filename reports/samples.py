"""The moments that the series are made of, taken from the columns of the history.

The reports do their own, simple matching and share no code with the judge. A message is a bot and a key,
however many attempts it took; it is *acknowledged* at its first SEND_OK. One of which every attempt was
definitely refused is *rejected*, at the last refusal; what is neither stays *indeterminate*, and counts where
it was last tried. A live delivery belongs to the message with the same text, in whatever file that was sent.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.records.history import FLAG_DEFINITE, FLAG_FROM_HISTORY, HistoryFile, Op
from reports.bins import Ints

_NEVER = np.iinfo(np.int64).max
_TOGETHER = 5_000  # contents that are parsed at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Took:
    """How long things took, the shortest first: nanoseconds, beside the moment at which each began."""

    began_ns: Ints
    took_ns: Ints

    @classmethod
    def between(cls, began_ns: Ints, done_ns: Ints) -> "Took":
        """Measure from one column of moments to another."""
        took = done_ns - began_ns
        order = np.argsort(took, kind="stable")
        return cls(began_ns=began_ns[order], took_ns=took[order])


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Monotonic stamps: of messages as they were first tried, tried again, settled, and delivered."""

    attempted: Ints
    resent: Ints
    acked: Ints
    rejected: Ints
    indeterminate: Ints
    live: Ints
    resumed: Ints
    ack: Took
    delivery: Took


def read_samples(files: Sequence[HistoryFile]) -> Samples:
    """Take every sample from a history."""
    texts = _Texts()
    sends = _Rows.of(files, Op.SEND)
    send_texts = _joined([texts.of(file, _of(file, Op.SEND)["a"]) for file in files])
    messages = _Messages.of(sends)
    acked = _first_acks(_Rows.of(files, Op.SEND_OK))
    rejected, indeterminate = _unacknowledged(sends, messages, acked, files)
    live = [_deliveries(file, resumed=False) for file in files]
    known, places = messages.places(acked.message)
    return Samples(
        attempted=messages.first_ns,
        resent=np.delete(sends.t_ns, messages.first_row),
        acked=acked.t_ns,
        rejected=rejected,
        indeterminate=indeterminate,
        live=_joined([rows["t_ns"].astype(np.int64) for rows in live]),
        resumed=_joined([_deliveries(file, resumed=True)["t_ns"].astype(np.int64) for file in files]),
        ack=Took.between(messages.first_ns[places], acked.t_ns[known]),
        delivery=_delivered(texts, files, live, _first_sent(texts, send_texts, sends.t_ns)),
    )


# --- Messages --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """Attempts or answers of all files: when, of which message, of which of its attempts."""

    t_ns: Ints
    message: Ints  # the bot and the key in one number
    attempt: Ints

    @classmethod
    def of(cls, files: Sequence[HistoryFile], op: Op, *, flags: int = 0) -> "_Rows":
        chosen = [_of(file, op) for file in files]
        rows = [part[(part["flags"] & flags) == flags] for part in chosen]
        key = "c" if op is Op.SEND else "a"
        return cls(
            t_ns=_joined([part["t_ns"].astype(np.int64) for part in rows]),
            message=_joined([part["bot"].astype(np.int64) << 32 | part[key] for part in rows]),
            attempt=_joined([part["b"].astype(np.int64) for part in rows]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Messages:
    """A row per message that was sent, by rising number."""

    message: Ints
    first_row: Ints  # of the attempts
    first_ns: Ints
    last_ns: Ints

    @classmethod
    def of(cls, sends: _Rows) -> "_Messages":
        order = np.lexsort((sends.t_ns, sends.message))
        message = sends.message[order]
        begins = np.flatnonzero(np.diff(message, prepend=-1))
        ends = np.append(begins[1:], len(message)) - 1
        return cls(
            message=message[begins],
            first_row=order[begins],
            first_ns=sends.t_ns[order[begins]],
            last_ns=sends.t_ns[order[ends]] if len(begins) else sends.t_ns[:0],
        )

    def places(self, message: Ints) -> tuple[NDArray[np.bool_], Ints]:
        """Return which of these were sent, and where they stand."""
        if not len(self.message):
            return np.zeros(len(message), np.bool_), np.empty(0, np.int64)
        found = np.minimum(np.searchsorted(self.message, message), len(self.message) - 1)
        known = self.message[found] == message
        return known, found[known]


def _first_acks(answers: _Rows) -> _Rows:
    order = np.lexsort((answers.t_ns, answers.message))
    first = order[np.flatnonzero(np.diff(answers.message[order], prepend=-1))]
    return _Rows(t_ns=answers.t_ns[first], message=answers.message[first], attempt=answers.attempt[first])


def _unacknowledged(
    sends: _Rows, messages: _Messages, acked: _Rows, files: Sequence[HistoryFile]
) -> tuple[Ints, Ints]:
    """Return when messages were rejected, and when those were last tried whose fate is open."""
    refusals = _Rows.of(files, Op.SEND_FAILED, flags=FLAG_DEFINITE)
    count = len(messages.message)
    tried = _distinct_attempts(messages, sends)
    refused = np.intersect1d(_distinct_attempts(messages, refusals), tried)
    attempts, refused_attempts = (np.bincount(part >> 32, minlength=count) for part in (tried, refused))
    is_open = np.ones(count, np.bool_)
    is_open[messages.places(acked.message)[1]] = False
    rejected = is_open & (attempts == refused_attempts)
    known, places = messages.places(refusals.message)
    last = np.zeros(count, np.int64)
    np.maximum.at(last, places, refusals.t_ns[known])
    return last[rejected], messages.last_ns[is_open & ~rejected]


def _distinct_attempts(messages: _Messages, rows: _Rows) -> Ints:
    known, places = messages.places(rows.message)
    return np.unique(places << 32 | rows.attempt[known])


# --- Deliveries ------------------------------------------------------------------------------------


def _deliveries(file: HistoryFile, *, resumed: bool) -> NDArray[np.void]:
    rows = _of(file, Op.DELIVERY)
    chosen: NDArray[np.void] = rows[((rows["flags"] & FLAG_FROM_HISTORY) > 0) == resumed]
    return chosen


def _first_sent(texts: "_Texts", sent: Ints, t_ns: Ints) -> Ints:
    """Return when each text was first sent; `_NEVER`: it never was."""
    first = np.full(texts.count, _NEVER, np.int64)
    known = sent >= 0
    np.minimum.at(first, sent[known], t_ns[known])
    return first


def _delivered(
    texts: "_Texts", files: Sequence[HistoryFile], live: Sequence[NDArray[np.void]], first_sent: Ints
) -> Took:
    began, done = [], []
    for file, rows in zip(files, live, strict=True):
        text = texts.of(file, rows["a"])
        known = (text >= 0) & (text < len(first_sent))
        sent = first_sent[text[known]]
        began.append(sent[sent != _NEVER])
        done.append(rows["t_ns"].astype(np.int64)[known][sent != _NEVER])
    return Took.between(_joined(began), _joined(done))


class _Texts:
    """Numbers the texts of recorded contents: equal texts have one number, in all files."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many texts there are so far."""
        return len(self._numbers)

    def of(self, file: HistoryFile, contents: Ints) -> Ints:
        """Return the numbers of the texts of contents; -1 for what is no message: it has no latency."""
        used = np.unique(contents)
        texts = _parsed([file.strings[content] or "null" for content in used.tolist()])
        numbers = [-1 if text is None else self._numbers.setdefault(text, self.count) for text in texts]
        table = np.full(len(file.strings), -1, np.int64)
        table[used] = numbers
        return table[contents]


def _parsed(contents: list[str]) -> list[str | None]:
    texts: list[str | None] = []
    for start in range(0, len(contents), _TOGETHER):
        part = contents[start : start + _TOGETHER]
        texts += [_text(message) for message in _messages(part)]
    return texts


def _messages(contents: list[str]) -> list[object]:
    """Parse contents, all at once where they are what bots record."""
    try:
        found = json.loads(f"[{','.join(contents)}]")
    except (ValueError, RecursionError):
        found = []
    return found if len(found) == len(contents) else [_message(content) for content in contents]


def _message(content: str) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _text(message: object) -> str | None:
    text = message.get("text") if isinstance(message, dict) else None
    return text if isinstance(text, str) else None


# --- Columns ---------------------------------------------------------------------------------------


def _of(file: HistoryFile, op: Op) -> NDArray[np.void]:
    rows: NDArray[np.void] = file.events[file.events["op"] == op]
    return rows


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
