"""An SMS arrives: its text and code are encrypted and the message is stored, once, before anything else happens to it."""

from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.ids import new_id
from namaskah.messages.extract import extract

# 26 parts of a long SMS. Real ones have a few; what is longer is cut, because every event of an order repeats its messages.
MAX_TEXT = 4_000
# Few senders send most messages, and asking about one takes as long as all the rest of the statement: for a minute the
# answer is remembered.
SENDER_SECONDS = 60.0
_SENDERS = 10_000
_RECORD = """
INSERT INTO messages (id, origin, origin_message_id, reference, number, sender, text_encrypted, code_encrypted, has_code,
                      confidence, withheld, received_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8::bytea IS NOT NULL, $9,
        coalesce($12, EXISTS (SELECT FROM blocked_senders b WHERE $6 ILIKE replace(replace(b.pattern, '*', '%'), '?', '_'))),
        $10, coalesce($11, clock_timestamp()))
ON CONFLICT (origin, origin_message_id) DO NOTHING RETURNING withheld
"""
_FIRST = "SELECT id FROM messages WHERE origin = $1 AND origin_message_id = $2"


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it came in. `origin` is a number source's id or an upstream's name; ids are unique within it."""

    origin: str
    origin_message_id: str
    number: str
    sender: str
    text: str
    received_at: datetime
    reference: str | None = None  # the upstream's order, where it is no message to one of our own numbers


class Recorded(NamedTuple):
    """`duplicate` says that the message was there before; the id is then the first one's."""

    message_id: str
    duplicate: bool


def text_context(message_id: str) -> str:
    """What a message's text is bound to when it is encrypted."""
    return f"text:{message_id}"


def code_context(message_id: str) -> str:
    """What a message's code is bound to when it is encrypted."""
    return f"code:{message_id}"


async def record(db: Database, *, vault: Vault, message: NewMessage, now: datetime | None = None) -> Recorded:
    """Stores the message unhandled. The same message again changes nothing and answers the first one's id."""
    text = clean(message.text)[:MAX_TEXT]
    found = extract(text, sender=message.sender)
    message_id = new_id("msg")
    code = None if found.code is None else vault.encrypt(found.code.encode(), context=code_context(message_id))
    sender = clean(message.sender)[:100]
    withheld: Any = await db.fetchval(
        _RECORD, message_id, message.origin, message.origin_message_id, message.reference, message.number,
        sender, vault.encrypt(text.encode(), context=text_context(message_id)), code, found.confidence, message.received_at, now,
        _remembered(db, sender),
    )  # fmt: skip
    if withheld is None:
        return Recorded(await db.fetchval(_FIRST, message.origin, message.origin_message_id), True)
    _remember(db, sender, withheld)
    return Recorded(message_id, False)


# By database, because each has a list of its own: whether a sender is withheld, and when (in monotonic seconds) that was asked.
_known: WeakKeyDictionary[Database, dict[str, tuple[bool, float]]] = WeakKeyDictionary()


def _remembered(db: Database, sender: str) -> bool | None:
    withheld, asked_at = _known.get(db, {}).get(sender, (None, 0.0))
    return withheld if monotonic() - asked_at < SENDER_SECONDS else None


def _remember(db: Database, sender: str, withheld: bool) -> None:
    known = _known.setdefault(db, {})
    if sender in known and monotonic() - known[sender][1] < SENDER_SECONDS:
        return
    if len(known) >= _SENDERS:
        known.clear()
    known[sender] = (withheld, monotonic())


def clean(text: str) -> str:
    """The text without what PostgreSQL and JSON cannot hold: NUL, and surrogates that stand alone."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
