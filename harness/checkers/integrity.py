"""integrity: nobody receives what nobody sent, what was rejected, what was altered or given another
sender, or what belongs to another room.

Looked at is every message object that reached a bot, live or from history, and every entry of the final
reads. Each of these is a violation:

- it is no well-formed message object;
- its text carries no whole token of this run: it was altered, or nobody sent it; or the token is whole
  but no bot ever sent that message or that text;
- every attempt of the message was definitely rejected;
- its user, producer, n or reply_to is not what its sender sent (in the pub/sub mode producer and n may be
  null, but not wrong);
- it came under the name of another room than it was sent to, or in the final read of another room;
- it came live to a bot on a connection that had not asked to join its room, or had left it: after the
  leave's acknowledgement nothing may come.

Messages of other runs and other people are not looked at. A message that was never acknowledged may
appear. Where the end of a history file was torn off, or the whole history of a bot is missing, a send may
have been lost with it: then an unknown token is no violation, nor is a message of which only
rejected attempts are left, and the run is unknown for that reason.

Violations are counted by receipts; copies of one content share a witness.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.checkers import operations, stories
from harness.checkers.content import Received, quoted
from harness.checkers.findings import Tally
from harness.checkers.outcomes import REJECTED
from harness.checkers.receipts import LIVE
from harness.checkers.view import View
from harness.records.plan import wire_name
from harness.records.verdict import Property, Witness

NAME = "integrity"


@dataclass(slots=True)
class _Case:
    """One wrong content: what is wrong, and who got it (by their receipts)."""

    content: int
    wrong: str
    receipts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    readers: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.receipts) + len(self.readers)


def check(view: View) -> Property:
    """Compare everything that was received with what was sent."""
    tally = Tally(name=NAME, counted="received messages and entries of final reads")
    foreign = view.contents.foreign
    tally.checked = len(view.receipts) - view.receipts.count(foreign)
    cases: dict[tuple[int, str], _Case] = {}
    for content, receipts in _suspects(view):
        _judge_receipts(view, cases, content, receipts)
    for read in view.finals.reads.values():
        own = read.contents[~foreign[read.contents]]
        tally.checked += len(own)
        stray = view.contents.room[own] != view.room_number(read.room)
        for content in own[view.contents.wrong[own] | stray].tolist():
            parsed = view.content(content)
            wrong = _wrong(view, content, parsed) or _wrong_room(view, parsed, read.room)
            if wrong:
                _case(cases, content, wrong).readers.append(f"{read.node} ({read.source})")
    for case in cases.values():
        tally.violated(partial(_witness, view, case), case.count)
    return tally.finding("" if len(view.acknowledged) else "no message was acknowledged")


def _suspects(view: View) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each content that may be wrong, or came live to one outside of its room, with its receipts."""
    table, contents = view.receipts, view.contents
    suspects = [np.empty(0, np.int64)]
    for piece in table.pieces():
        outside = (table.via[piece] == LIVE) & (table.join[piece] < 0)
        suspects.append(np.flatnonzero(contents.wrong[table.content[piece]] | outside) + piece.start)
    found = np.concatenate(suspects)
    found = found[~contents.foreign[table.content[found]]]
    order = np.argsort(table.content[found], kind="stable")
    different, first = np.unique(table.content[found][order], return_index=True)
    yield from zip(different.tolist(), np.split(found[order], first[1:]), strict=bool(len(different)))


def _judge_receipts(
    view: View, cases: dict[tuple[int, str], _Case], content: int, receipts: NDArray[np.int64]
) -> None:
    wrong = _wrong(view, content, view.content(content)) if view.contents.wrong[content] else ""
    if wrong:
        _case(cases, content, wrong).receipts = receipts
        return
    table = view.receipts
    outside = receipts[(table.via[receipts] == LIVE) & (table.join[receipts] < 0)]
    if len(outside):
        _case(cases, content, _OUTSIDE).receipts = outside


_OUTSIDE = "live, on a connection that had not joined the room, or had left it"


def _case(cases: dict[tuple[int, str], _Case], content: int, wrong: str) -> _Case:
    return cases.setdefault((content, wrong), _Case(content, wrong))


def _wrong(view: View, number: int, content: Received) -> str:
    """Return what is wrong with a content itself, empty when nothing is."""
    if content.malformed:
        return f"which {content.malformed}"
    message = int(view.contents.message[number])
    if message < 0:
        return _unsent(view, content)
    if view.messages.outcome[message] == REJECTED:
        if view.torn:  # A later attempt, under another n, may have been lost with the end of the file.
            return ""
        return "although every attempt to send it had been definitely rejected"
    return _altered(view, content, message)


def _unsent(view: View, content: Received) -> str:
    if content.token is None:
        return f"whose text was altered, or which nobody sent: {quoted(content.text)}"
    if view.messages.find(content.token.bot, content.token.key) >= 0:
        return f"whose text is not what its sender sent: {quoted(content.text)}"
    if view.torn or content.token.bot in view.silent:
        return ""
    return f"which nobody sent: {quoted(content.text)}"


def _altered(view: View, content: Received, message: int) -> str:
    user = view.wire_user(int(view.messages.bot[message]))
    sent = view.messages.sent_as(message)
    if content.user != user:
        return f"as a message of {quoted(content.user)}, but {user} sent it"
    if not _numbered_as_sent(view, content, message):
        return f"as message {content.n} of producer {quoted(str(content.producer))}, as which it was not sent"
    if content.reply_to != sent.reply_to:
        return f"as a reply to {quoted(content.reply_to)}, but it was sent as a reply to {sent.reply_to}"
    return _wrong_room(view, content, sent.room)


def _numbered_as_sent(view: View, content: Received, message: int) -> bool:
    identities = view.messages.identities(message)
    if (content.producer, content.n) in identities:
        return True
    return not view.durable and any(
        content.producer in (None, producer) and content.n in (None, n) for producer, n in identities
    )


def _wrong_room(view: View, content: Received, room: str) -> str:
    if content.room == room:
        return ""
    return (
        f"under the room {quoted(content.wire_room)}, but it belongs to {wire_name(room, view.meta.run_id)}"
    )


def _witness(view: View, case: _Case) -> Witness:
    number = int(view.contents.message[case.content])
    message = view.message(number) if number >= 0 else None
    what = stories.message(view, message) if message is not None else "a message"
    times = view.recorded.t_ns(view.receipts.row[case.receipts].astype(np.int64))
    first_ns = int(times.min()) if len(times) else None
    when = f" at {stories.at(view, first_ns)}{stories.beside_fault(view, first_ns)}" if first_ns else ""
    whom = []
    if len(case.receipts):
        stays = np.searchsorted(view.receipts.start, case.receipts, side="right") - 1
        whom.append(stories.bots(view, set(view.receipts.stay_bot[stays].tolist())) + " received")
    if case.readers:
        whom.append(f"the final read of {stories.listed(list(dict.fromkeys(case.readers)))} has")
    shown = case.receipts[: stories.NAMES_SHOWN].tolist()
    lines = [operations.receipt(view, view.receipt(receipt)) for receipt in shown]
    if message is not None:
        lines += operations.sends(view, message)
    return operations.witness(f"{' and '.join(whom)} {what} {case.wrong}{when}", lines, first_ns)
