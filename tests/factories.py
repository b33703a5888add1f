"""Small makers of what most tests need: customers with money, and numbers of our own. Nothing here is random but ids."""

import itertools
from datetime import UTC, datetime
from typing import Any

from namaskah.accounts.principal import Principal
from namaskah.core.crypto import Vault
from namaskah.core.ids import new_id
from namaskah.core.money import micros_from_text
from namaskah.inbound.accept import Accepted, accept
from namaskah.messages.record import NewMessage
from namaskah.providers.registry import Providers
from namaskah.verifications.answer import Answer
from namaskah.verifications.start import Purchase, StartRequest, start
from namaskah.wallet.adjust import credit

VAULT = Vault(bytes(range(32)))
_count = itertools.count(1)
# Numbers have room for a thousand sources; each test has a database of its own, so that they may begin again.
_sources = itertools.count(1)
_USER = """
INSERT INTO users (id, email, plan, terms_version, terms_accepted_at) VALUES ($1, $2, $3, '2026-11-01', now())
"""
_NUMBERS = """
INSERT INTO numbers (e164, country, operator, area_code, voice, source_id)
SELECT $1 || lpad(n::text, 7, '0'), $2, $3, $4, $5, $6 FROM generate_series($7::integer, $7::integer + $8 - 1) n
"""
_PREFIXES = {"us": "+1202", "gb": "+4477", "de": "+4915", "fr": "+3363"}


async def customer(db: Any, *, balance: str = "10.00", plan: str = "enterprise", livemode: bool = True) -> Principal:
    """A user with both wallets; the one that is meant holds the balance."""
    user_id = new_id("user")
    await db.execute(_USER, user_id, f"{user_id}@example.com", plan)
    await db.execute("INSERT INTO wallets (user_id, livemode) VALUES ($1, true), ($1, false)", user_id)
    if micros_from_text(balance):
        await credit(
            db, user_id=user_id, amount_micros=micros_from_text(balance), reason="test", actor_id="system", livemode=livemode
        )
    return Principal(user_id, livemode)


async def own_numbers(
    db: Any, count: int = 10, *, country: str = "us", operator: str = "", area_code: str = "", voice: bool = False
) -> str:
    """Numbers of our own in one new source; answers the source's id."""
    source_id = new_id("src")
    first = next(_sources) % 1000 * 10_000
    encrypted = VAULT.encrypt(b"whsec_" + b"c2VjcmV0" * 4, context=source_id)
    await db.execute("INSERT INTO number_sources (id, name, secret_encrypted) VALUES ($1, $1, $2)", source_id, encrypted)
    await db.execute(_NUMBERS, _PREFIXES[country], country, operator, area_code, voice, source_id, first, count)
    return source_id


async def buy(db: Any, principal: Principal, service: str = "telegram", country: str = "us", **wishes: Any) -> Answer:
    """Buys a number; wishes of the purchase (idempotency_key, now ...) and of the request (max_price ...) may be given."""
    request_names = {"capability", "operator", "area_code", "max_price", "metadata"}
    providers = wishes.pop("providers", None) or Providers()
    request = StartRequest(service=service, country=country, **{k: v for k, v in wishes.items() if k in request_names})
    rest = {k: v for k, v in wishes.items() if k not in request_names}
    return await start(db, purchase=Purchase(principal=principal, request=request, **rest), providers=providers, vault=VAULT)


async def sms(
    db: Any,
    number: str,
    text: str = "Your code is 123456",
    *,
    message_id: str | None = None,
    sender: str = "Test",
    source: str | None = None,
) -> Accepted:
    """A message for one of our own numbers comes in."""
    source_id = source or await db.fetchval("SELECT source_id FROM numbers WHERE e164 = $1", number)
    return await accept(
        db, vault=VAULT,
        message=NewMessage(
            origin=source_id or "src_unknown", origin_message_id=message_id or f"m{next(_count)}", number=number, sender=sender,
            text=text, received_at=datetime.now(UTC),
        ),
    )  # fmt: skip
