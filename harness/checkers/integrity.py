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
have been lost with it: then an unknown token is no violation, and the run is unknown for that reason.

Violations are counted by receipts; copies of one content share a witness.
"""

from dataclasses import dataclass, field
from functools import partial

from harness.checkers import stories
from harness.checkers.content import Received, quoted
from harness.checkers.findings import Tally
from harness.checkers.messages import Message, Outcome
from harness.checkers.sessions import Receipt, Via
from harness.checkers.view import View
from harness.records.plan import wire_name
from harness.records.verdict import Property, Witness

NAME = "integrity"


@dataclass(slots=True)
class _Case:
    """One wrong content: what is wrong, and who got it."""

    content: Received
    wrong: str
    receipts: list[Receipt] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.receipts) + len(self.readers)


def check(view: View) -> Property:
    """Compare everything that was received with what was sent."""
    tally = Tally(name=NAME, counted="received messages and entries of final reads")
    cases: dict[tuple[str, str], _Case] = {}
    for receipt in view.receipts():
        if not receipt.content.foreign:
            tally.checked += 1
            wrong = _wrong(view, receipt.content) or _out_of_place(receipt)
            if wrong:
                _case(cases, receipt.content, wrong).receipts.append(receipt)
    for read in view.finals.reads.values():
        for content in read.contents:
            if not content.foreign:
                tally.checked += 1
                wrong = _wrong(view, content) or _wrong_room(view, content, read.room)
                if wrong:
                    _case(cases, content, wrong).readers.append(f"{read.node} ({read.source})")
    for case in cases.values():
        tally.violated(partial(_witness, view, case), case.count)
    return tally.finding("" if view.acknowledged else "no message was acknowledged")


def _case(cases: dict[tuple[str, str], _Case], content: Received, wrong: str) -> _Case:
    return cases.setdefault((content.raw, wrong), _Case(content, wrong))


def _wrong(view: View, content: Received) -> str:
    """Return what is wrong with a content itself, empty when nothing is."""
    if content.malformed:
        return f"which {content.malformed}"
    message = view.message_of(content)
    if message is None:
        return _unsent(view, content)
    if message.outcome is Outcome.REJECTED:
        return "although every attempt to send it had been definitely rejected"
    return _altered(view, content, message)


def _unsent(view: View, content: Received) -> str:
    if content.token is None:
        return f"whose text was altered, or which nobody sent: {quoted(content.text)}"
    if (content.token.bot, content.token.key) in view.messages:
        return f"whose text is not what its sender sent: {quoted(content.text)}"
    if view.torn or content.token.bot in view.silent:
        return ""
    return f"which nobody sent: {quoted(content.text)}"


def _altered(view: View, content: Received, message: Message) -> str:
    user = view.wire_user(message.bot)
    if content.user != user:
        return f"as a message of {quoted(content.user)}, but {user} sent it"
    if not _numbered_as_sent(view, content, message):
        return f"as message {content.n} of producer {quoted(str(content.producer))}, as which it was not sent"
    if content.reply_to != message.reply_to:
        return f"as a reply to {quoted(content.reply_to)}, but it was sent as a reply to {message.reply_to}"
    return _wrong_room(view, content, message.room)


def _numbered_as_sent(view: View, content: Received, message: Message) -> bool:
    if (content.producer, content.n) in message.identities:
        return True
    return not view.durable and any(
        content.producer in (None, producer) and content.n in (None, n) for producer, n in message.identities
    )


def _wrong_room(view: View, content: Received, room: str) -> str:
    if content.room == room:
        return ""
    return (
        f"under the room {quoted(content.wire_room)}, but it belongs to {wire_name(room, view.meta.run_id)}"
    )


def _out_of_place(receipt: Receipt) -> str:
    if receipt.via is Via.LIVE and not receipt.in_room:
        return "live, on a connection that had not joined the room, or had left it"
    return ""


def _witness(view: View, case: _Case) -> Witness:
    message = view.message_of(case.content)
    what = stories.message(view, message) if message is not None else "a message"
    first = min(case.receipts, key=lambda receipt: receipt.t_ns, default=None)
    when = f" at {stories.at(view, first.t_ns)}{stories.beside_fault(view, first.t_ns)}" if first else ""
    whom = []
    if case.receipts:
        whom.append(stories.bots(view, {receipt.bot for receipt in case.receipts}) + " received")
    if case.readers:
        whom.append(f"the final read of {stories.listed(list(dict.fromkeys(case.readers)))} has")
    operations = [stories.receipt(view, receipt) for receipt in case.receipts[: stories.NAMES_SHOWN]]
    if message is not None:
        operations += stories.sends(view, message)
    return Witness(
        story=f"{' and '.join(whom)} {what} {case.wrong}{when}",
        operations=stories.in_order(operations),
        t_ns=first.t_ns if first else None,
    )
