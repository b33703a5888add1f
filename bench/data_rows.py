"""The rows of generated verifications and of all that belongs to them, as lines for COPY.

Each verification comes with what the product would have written: number use, transactions, entries, resolution,
message (encrypted as always) and events. One `Part` makes the verifications of its own share of the users, in the
order of time.
"""

import base64
import random
from collections import defaultdict
from datetime import UTC, datetime
from itertools import accumulate

import msgspec

from namaskah.core.crypto import Vault
from namaskah.core.ids import new_id
from namaskah.core.money import text_from_micros
from namaskah.messages.record import code_context, text_context

COUNTRIES = ("us", "gb", "us", "de", "us", "fr")
PREFIXES = {"us": "+1202", "gb": "+4477", "de": "+4915", "fr": "+3363"}
CREDIT_MICROS = 1_000_000_000_000
# The customers user_1 to user_200, in every data set.
MEASURED = 200
_OUTCOMES = ("completed", "cancelled", "expired", "failed")
_OUTCOME_WEIGHTS = (70, 12, 16, 2)
_MINUTE = 60_000
COLUMNS = {
    "verifications": (
        "id", "user_id", "livemode", "status", "service_id", "service", "country", "provider", "number_id", "number",
        "price_micros", "charged", "hold_id", "message_count", "estimated_delivery_seconds", "created_at", "pending_at",
        "can_cancel_at", "expires_at", "code_received_at", "settled_at", "closed_at", "sweep_at", "failure",
    ),
    "transactions": (
        "id", "user_id", "livemode", "type", "amount_micros", "balance_after_micros", "available_after_micros",
        "verification_id", "hold_deadline_at", "reason", "actor_id", "created_at",
    ),
    "entries": ("transaction_id", "account", "amount_micros"),
    "hold_resolutions": ("hold_id", "kind", "transaction_id"),
    "messages": (
        "id", "origin", "origin_message_id", "number", "sender", "text_encrypted", "code_encrypted", "has_code", "confidence",
        "verification_id", "received_at", "created_at", "handled_at",
    ),
    "events": ("user_id", "livemode", "seq", "type", "object_id", "data", "created_at"),
    "number_uses": ("service_id", "number_id", "verification_id"),
    "wallets": ("user_id", "livemode", "balance_micros", "held_micros", "open_count", "judged_count", "judged_codes", "event_seq"),
}  # fmt: skip
_TYPES = {"completed": "capture", "cancelled": "release", "expired": "release", "failed": "release"}
_EVENTS = {status: f"verification.{status}" for status in _OUTCOMES} | {"completed": "verification.code_received"}


class Share(msgspec.Struct, frozen=True):
    """What one part makes. Times are Unix milliseconds; `place` of `parts` tells it from the others."""

    place: int
    parts: int
    verifications: int
    open: int
    users: int
    buyers: int
    numbers: int
    first_ms: int
    last_ms: int
    services: list[tuple[int, str, int]]
    source_id: str
    secret_key: bytes
    seed: int


def e164_of(number_id: int) -> str:
    """Generated numbers follow from their ids, so that nobody has to look them up."""
    return f"{PREFIXES[country_of(number_id)]}{number_id:07d}"


def country_of(number_id: int) -> str:
    """Half of the numbers are of the first country."""
    return COUNTRIES[number_id % len(COUNTRIES)]


class Part:
    """Makes the rows of one share. `lines` holds, by table, what was made and not yet taken."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.lines: dict[str, list[str]] = defaultdict(list)
        self._random = random.Random(share.seed * 1000 + share.place)
        self._vault = Vault(share.secret_key)
        self._used = [self._random.randrange(share.numbers) for _ in share.services]
        self._service_weights = list(accumulate((rank + 1) ** -0.6 for rank in range(len(share.services))))
        self._users = [f"user_{number}" for number in range(1, share.users + 1) if number % share.parts == share.place]
        self._buyers = [user for user in self._users if int(user[5:]) <= share.buyers]
        self._random.shuffle(self._buyers)
        # Whose pages are measured has the same kinds of orders in every data set, so the open ones are others'.
        self._openers = [user for user in self._buyers if int(user[5:]) > MEASURED] or self._buyers
        # Few customers buy most; the one that the examples name is among them.
        if "user_123" in self._buyers:
            self._buyers.remove("user_123")
            self._buyers.insert(3, "user_123")
        self._buyer_weights = list(accumulate((rank + 10) ** -0.5 for rank in range(len(self._buyers))))
        self._balance = dict.fromkeys(self._users, 0)
        self._held = dict.fromkeys(self._users, 0)
        self._open = dict.fromkeys(self._users, 0)
        self._seq = dict.fromkeys(self._users, 0)
        self._made = 0
        for user in self._users:
            self._credit(user)

    def make(self, count: int) -> int:
        """Makes the next verifications, at most so many; answers how many there were left to make."""
        share = self.share
        count = min(count, share.verifications - self._made)
        services = self._random.choices(range(len(share.services)), cum_weights=self._service_weights, k=count)
        users = self._random.choices(self._buyers, cum_weights=self._buyer_weights, k=count)
        outcomes = self._random.choices(_OUTCOMES, _OUTCOME_WEIGHTS, k=count)
        step = (share.last_ms - share.first_ms) / max(share.verifications, 1)
        for user, place, status in zip(users, services, outcomes, strict=True):
            at = share.first_ms + int((self._made + self._random.random()) * step)
            if self._made >= share.verifications - share.open:
                # Open ones end an hour from now, so that whatever is measured first finds them open.
                user = self._random.choice(self._openers)
                self._one(user, place, "pending", share.last_ms - self._random.randrange(15 * _MINUTE))
            else:
                self._one(user, place, status, at)
            self._made += 1
        return count

    def wallets(self) -> None:
        """Adds the wallets as they stand at the end."""
        for user in self._users:
            self.lines["wallets"].append(
                f"{user}\tt\t{self._balance[user]}\t{self._held[user]}\t{self._open[user]}\t150\t105\t{self._seq[user]}\n"
            )

    def _credit(self, user: str) -> None:
        at = _text(self.share.first_ms - 60 * _MINUTE)
        transaction = new_id("txn", at_ms=self.share.first_ms - 60 * _MINUTE)
        self._balance[user] += CREDIT_MICROS
        self._book(transaction, user, "credit", CREDIT_MICROS, r"\N", r"\N", at, (4, 1, CREDIT_MICROS))
        self._event(user, "wallet.updated", transaction, '{"object" : "wallet"}', at)

    def _book(
        self,
        transaction: str,
        user: str,
        kind: str,
        amount: int,
        verification: str,
        deadline: str,
        at: str,
        moved: tuple[int, int, int],
    ) -> None:
        balance, (source, target, micros) = self._balance[user], moved
        self.lines["transactions"].append(
            f"{transaction}\t{user}\tt\t{kind}\t{amount}\t{balance}\t{balance - self._held[user]}\t{verification}\t{deadline}\t\t{user}\t{at}\n"
        )
        self.lines["entries"].append(f"{transaction}\t{source}\t{-micros}\n{transaction}\t{target}\t{micros}\n")

    def _event(self, user: str, kind: str, subject: str, data: str, at: str) -> None:
        self._seq[user] += 1
        self.lines["events"].append(f"{user}\tt\t{self._seq[user]}\t{kind}\t{subject}\t{data}\t{at}\n")

    def _number(self, place: int, status: str) -> int:
        """Every service goes round all numbers, so that it meets none twice; open orders have numbers of their own."""
        share = self.share
        if status == "pending":
            return share.numbers + 1 + (share.verifications - self._made - 1) * share.parts + share.place
        self._used[place] += 1
        return 1 + (self._used[place] * share.parts + share.place) % share.numbers

    def _one(self, user: str, place: int, status: str, at: int) -> None:
        service_id, service, price = self.share.services[place]
        verification, hold = new_id("ver", at_ms=at), new_id("txn", at_ms=at)
        number_id = self._number(place, status)
        country, number = country_of(number_id), e164_of(number_id)
        expires = at + 20 * _MINUTE if status != "pending" else self.share.last_ms + 60 * _MINUTE
        ended = {
            "completed": at + 3_000 + self._random.randrange(57_000),
            "cancelled": at + _MINUTE + self._random.randrange(9 * _MINUTE),
            "failed": at + 900,
        }.get(status, expires)
        begun, until, end = _text(at), _text(expires), _text(ended)
        self._held[user] += price
        self._open[user] += 1
        self._book(hold, user, "hold", -price, verification, until, begun, (1, 2, price))
        body = _json(verification, service, country, number, price, begun, until)
        self._event(user, "verification.pending", verification, body, begun)
        if status != "failed":
            self.lines["number_uses"].append(f"{service_id}\t{number_id}\t{verification}\n")
        if status != "pending":
            message = self._message(verification, number, end, ended) if status == "completed" else "[]"
            self._end(user, price, verification, hold, status, ended, end)
            self._event(user, _EVENTS[status], verification, _ended(body, status, end, until, message), end)
        self.lines["verifications"].append(
            _verification(
                verification, user, status, service_id, service, country, number_id, number, price, hold, begun, until, end
            )
        )

    def _message(self, verification: str, number: str, at: str, at_ms: int) -> str:
        """Adds the message and answers it as the event shows it."""
        message, code = new_id("msg", at_ms=at_ms), f"{self._random.randrange(1_000_000):06d}"
        text = self._vault.encrypt(f"{code} is your verification code. Do not share it.".encode(), context=text_context(message))
        hidden = self._vault.encrypt(code.encode(), context=code_context(message))
        self.lines["messages"].append(
            f"{message}\t{self.share.source_id}\t{message}\t{number}\tService\t\\\\x{text.hex()}\t\\\\x{hidden.hex()}\tt\t0.95"
            f"\t{verification}\t{at}\t{at}\t{at}\n"
        )
        return (
            f'[{{"id" : "{message}", "from" : "Service", "text" : "{base64.b64encode(text).decode()}", "code" : '
            f'"{base64.b64encode(hidden).decode()}", "received_at" : "{_utc(at)}", "late" : false}}]'
        )

    def _end(self, user: str, price: int, verification: str, hold: str, status: str, ended: int, end: str) -> None:
        transaction, kind = new_id("txn", at_ms=ended), _TYPES[status]
        self._held[user] -= price
        self._open[user] -= 1
        if kind == "capture":
            self._balance[user] -= price
        amount, target = (0, 3) if kind == "capture" else (price, 1)
        self._book(transaction, user, kind, amount, verification, r"\N", end, (2, target, price))
        self.lines["hold_resolutions"].append(f"{hold}\t{kind}\t{transaction}\n")


def _verification(
    verification: str, user: str, status: str, service_id: int, service: str, country: str, number_id: int, number: str,
    price: int, hold: str, begun: str, until: str, end: str,
) -> str:  # fmt: skip
    completed, opened, failed = status == "completed", status == "pending", status == "failed"
    null = r"\N"
    return "\t".join((
        verification, user, "t", status, str(service_id), service, country, "upstream" if failed else "inventory",
        null if failed else str(number_id), null if failed else number, str(price), "t" if completed else "f", hold,
        "1" if completed else "0", "12", begun, null if failed else begun, begun, until, end if completed else null,
        null if opened else end, null if opened else (until if completed else end), until if opened else null,
        "no_numbers\n" if failed else "\\N\n",
    ))  # fmt: skip


def _json(verification: str, service: str, country: str, number: str, price: int, begun: str, until: str) -> str:
    """The verification as the product's own SQL writes it into an event."""
    return (
        f'{{"id" : "{verification}", "object" : "verification", "status" : "pending", "service" : "{service}", "country" : "{country}",'
        f' "operator" : null, "capability" : "sms", "number" : "{number}", "price" : {{"amount":"{text_from_micros(price)}","currency":"USD"}},'
        f' "charged" : false, "code" : null, "messages" : [], "created_at" : "{_utc(begun)}", "expires_at" : "{_utc(until)}",'
        f' "can_cancel_at" : "{_utc(begun)}", "completed_at" : null, "closed_at" : null, "estimated_delivery_seconds" : 12,'
        ' "failure" : null, "reuse_of" : null, "livemode" : true, "metadata" : {}}'
    )


def _ended(body: str, status: str, end: str, until: str, messages: str) -> str:
    body = body.replace('"status" : "pending"', f'"status" : "{status}"', 1).replace(
        '"messages" : []', f'"messages" : {messages}', 1
    )
    if status == "completed":
        return body.replace('"charged" : false', '"charged" : true', 1).replace(
            '"completed_at" : null', f'"completed_at" : "{_utc(end)}"', 1
        )
    return body.replace('"closed_at" : null', f'"closed_at" : "{_utc(end)}"', 1)


def _text(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(" ", "milliseconds")


def _utc(text: str) -> str:
    """As the API writes it, from what _text has made."""
    return f"{text[:10]}T{text[11:23]}000Z"
