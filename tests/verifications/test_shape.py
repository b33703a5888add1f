"""How a stored verification becomes the one that is shown: opened with the right key, null where it cannot be."""

import base64
import json

from namaskah.core.crypto import Vault
from namaskah.messages.record import code_context, text_context
from namaskah.verifications.queries import read
from namaskah.verifications.shape import opened
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown

_STORED = "SELECT verification_json(v, messages_json(v.id)) FROM verifications v"


async def test_without_messages_the_stored_bytes_pass_through(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    answer = await buy(database, who, metadata={"note": '"messages" : []'})
    assert opened(answer.body.decode(), VAULT) == answer.body
    assert shown(answer).metadata == {"note": '"messages" : []'}


async def test_what_a_customer_writes_cannot_hide_the_messages(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who, metadata={"messages": '"messages" : []', "x": '\\"messages\\" : []'}))
    await sms(database, bought.number)
    assert shown(await read(database, principal=who, verification_id=bought.id, vault=VAULT)).code == "123456"


async def test_with_another_key_nothing_can_be_read_and_nothing_breaks(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    other = shown(opened(await db.fetchval(_STORED), Vault(bytes(32)[::-1] + b"x")))
    assert (other.code, other.messages[0].text, other.messages[0].code) == (None, None, None)
    assert other.charged is True


async def test_a_ciphertext_that_was_moved_to_another_message_does_not_open(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number, "Your code is 111111")
    await sms(database, bought.number, "Your code is 222222")
    await db.execute(
        "UPDATE messages m SET code_encrypted = o.code_encrypted, text_encrypted = o.text_encrypted FROM messages o WHERE o.id > m.id"
    )
    after = shown(opened(await db.fetchval(_STORED), VAULT))
    assert [m.code for m in after.messages] == [None, "222222"]


def message(number: int, code: str | None, *, late: bool) -> dict:
    def sealed(text: str | None, context: str) -> str | None:
        return None if text is None else base64.b64encode(VAULT.encrypt(text.encode(), context=context)).decode()

    name = f"msg_{number}"
    return {
        "id": name, "from": "x", "text": sealed("text", text_context(name)), "code": sealed(code, code_context(name)),
        "received_at": "2026-01-01T00:00:00Z", "late": late,
    }  # fmt: skip


async def test_the_code_is_that_of_the_last_message_in_time_that_has_one(database, db):
    who = await customer(database)
    await own_numbers(database, 1)
    stored = json.loads((await buy(database, who)).body)
    stored["messages"] = [message(1, "1111", late=False), message(2, None, late=False), message(3, "3333", late=True)]
    assert shown(opened(json.dumps(stored), VAULT)).code == "1111"


async def test_what_is_no_base64_or_no_text_is_null(database):
    who = await customer(database)
    await own_numbers(database, 1)
    stored = json.loads((await buy(database, who)).body)
    damaged = message(1, None, late=False)
    damaged["text"], damaged["code"] = "\u20ac", base64.b64encode(VAULT.encrypt(b"\xff", context=code_context("msg_1"))).decode()
    stored["messages"] = [damaged]
    after = shown(opened(json.dumps(stored), VAULT))
    assert (after.messages[0].text, after.messages[0].code, after.code) == (None, None, None)
