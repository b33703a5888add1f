"""Buying, reading and ending verifications over HTTP."""

import asyncio

import pytest

from namaskah.api.verifications import VerificationPage
from namaskah.core.ids import new_id
from namaskah.verifications.shape import Verification
from tests.api.customers import problem, shaped
from tests.factories import own_numbers, sms

BUY = {"service": "telegram", "country": "us"}


async def test_without_numbers_nothing_is_sold_and_nothing_charged(new_customer):
    poor_country = await new_customer()
    answer = problem(await poor_country.post("/verifications", BUY), 409, "no_numbers")
    assert answer["charged"] is False
    assert (await poor_country.get("/wallet")).json()["held"]["amount"] == "0.00"


async def test_without_money_nothing_is_sold(new_customer, live):
    poor = await new_customer(balance="0.00")
    assert problem(await poor.post("/verifications", BUY), 402, "insufficient_funds")["charged"] is False


async def test_a_price_above_the_customers_own_limit_is_refused(live):
    problem(await live.post("/verifications", {**BUY, "max_price": "0.01"}), 409, "price_above_max")


@pytest.mark.parametrize(
    ("change", "code"), [({"service": "no-such"}, "unknown_service"), ({"country": "zz"}, "unknown_country")]
)
async def test_what_is_not_in_the_catalogue_is_refused(live, change, code):
    problem(await live.post("/verifications", {**BUY, **change}), 422, code)


async def test_blocked_categories_are_refused(live, platform):
    await platform.db.execute("UPDATE services SET blocked = true WHERE slug = 'telegram'")
    problem(await live.post("/verifications", BUY), 403, "service_blocked")


async def test_a_purchase_answers_the_documented_shape_and_holds_the_price(live):
    answer = await live.post("/verifications", {**BUY, "metadata": {"order": "17"}})
    assert answer.status_code == 201
    bought = shaped(answer, Verification)
    assert (bought.status, bought.charged, bought.code, bought.metadata) == ("pending", False, None, {"order": "17"})
    assert bought.number.startswith("+1202")
    assert (await live.get("/wallet")).json()["held"] == answer.json()["price"]


async def test_the_country_may_be_written_in_capitals(live):
    assert (await live.buys(country="US"))["country"] == "us"


async def test_the_same_idempotency_key_buys_once(live):
    headers = {"idempotency-key": '"a \\"quoted\\" key"'.replace(" ", "-")}
    first = await live.post("/verifications", BUY, headers=headers)
    again = await live.post("/verifications", {"country": "US", "service": "telegram", "metadata": {}}, headers=headers)
    bare = await live.post("/verifications", BUY, headers={"idempotency-key": 'a-"quoted"-key'})
    assert first.status_code == again.status_code == bare.status_code == 201
    assert first.json() == again.json() == bare.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await live.get("/verifications")).json()["data"]) == 1


async def test_the_same_key_with_another_body_is_refused(live):
    headers = {"idempotency-key": "one"}
    await live.post("/verifications", BUY, headers=headers)
    problem(await live.post("/verifications", {**BUY, "service": "whatsapp"}, headers=headers), 422, "idempotency_mismatch")


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, '"open', '"a\\b"', "ä", '""'])
async def test_a_malformed_idempotency_key_is_refused_before_anything_is_bought(live, key):
    answer = await live.post("/verifications", BUY, headers=[("idempotency-key", key.encode("latin-1"))])
    assert problem(answer, 400, "invalid_header")["errors"][0]["name"] == "Idempotency-Key"
    assert (await live.get("/verifications")).json()["data"] == []


async def test_two_idempotency_keys_in_one_request_are_refused(live):
    answer = await live.post("/verifications", BUY, headers=[("idempotency-key", "one"), ("idempotency-key", "two")])
    problem(answer, 400, "invalid_header")


async def test_twenty_retries_at_once_buy_once(live):
    tries = [live.post("/verifications", BUY, headers={"idempotency-key": "race"}) for _ in range(20)]
    answers = await asyncio.gather(*tries)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len((await live.get("/verifications")).json()["data"]) == 1


@pytest.mark.parametrize("verb", ["", "/cancel", "/another-code", "/finish", "/report", "/reuse"])
async def test_another_accounts_verification_does_not_exist(live, new_customer, verb):
    other = await new_customer()
    theirs = await live.buys()
    path = f"/verifications/{theirs['id']}{verb}"
    body = {"reason": "x"} if verb == "/report" else None
    answer = await (other.post(path, body) if verb else other.get(path))
    problem(answer, 404, "verification_not_found")


@pytest.mark.parametrize("identifier", ["ver_1", "VER_01", "txn_" + "0" * 26, "ver_" + "u" * 26, "%00", "ver_%0a", "é"])
async def test_what_is_no_id_is_not_found(live, identifier):
    problem(await live.get(f"/verifications/{identifier}"), 404, "verification_not_found")


async def test_the_other_modes_verifications_are_not_seen(live, new_customer):
    theirs = await live.buys()
    test_key = await new_customer(livemode=False, of=live.principal)
    problem(await test_key.get(f"/verifications/{theirs['id']}"), 404, "verification_not_found")
    assert (await test_key.get("/verifications")).json()["data"] == []


async def test_a_code_is_read_and_paid(live, platform):
    bought = await live.buys()
    await sms(platform.db, bought["number"], "Telegram code: 482913")
    read = shaped(await live.get(f"/verifications/{bought['id']}"), Verification)
    assert (read.status, read.code, read.charged) == ("completed", "482913", True)
    answer = await live.post(f"/verifications/{bought['id']}/cancel")
    assert problem(answer, 409, "code_already_received")["charged"] is True


async def test_cancelling_gives_the_money_back_and_twice_is_once(live):
    bought = await live.buys()
    first = await live.post(f"/verifications/{bought['id']}/cancel")
    again = await live.post(f"/verifications/{bought['id']}/cancel", {})
    assert first.json()["status"] == again.json()["status"] == "cancelled"
    wallet = (await live.get("/wallet")).json()
    assert (wallet["held"]["amount"], wallet["available"]["amount"]) == ("0.00", "10.00")


async def test_a_number_is_finished_reported_and_bought_again(live, platform):
    bought = await live.buys()
    path = f"/verifications/{bought['id']}"
    problem(await live.post(f"{path}/finish"), 409, "no_code_yet")
    problem(await live.post(f"{path}/another-code"), 409, "no_code_yet")
    await sms(platform.db, bought["number"])
    assert (await live.post(f"{path}/another-code")).status_code == 200
    problem(await live.post(f"{path}/reuse"), 409, "reuse_not_possible")
    assert (await live.post(f"{path}/finish")).json()["closed_at"] is not None
    assert (await live.post(f"{path}/report", {"reason": "slow"})).status_code == 200
    problem(await live.post(f"{path}/another-code"), 409, "verification_closed")

    headers = {"idempotency-key": "again"}
    again = await live.post(f"{path}/reuse", {"metadata": {"second": "yes"}}, headers=headers)
    replayed = await live.post(f"{path}/reuse", {"metadata": {"second": "yes"}}, headers=headers)
    assert again.status_code == 201, again.text
    assert (again.json()["number"], again.json()["reuse_of"]) == (bought["number"], bought["id"])
    assert replayed.json()["id"] == again.json()["id"]


async def test_the_history_is_paged_newest_first_and_filtered(live):
    bought = [(await live.buys())["id"] for _ in range(5)]
    await live.post(f"/verifications/{bought[0]}/cancel")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = shaped(await live.get("/verifications", params={"limit": 2, **cursor}), VerificationPage)
        seen += [one.id for one in page.data]
        if page.next_cursor is None:
            break
        cursor = {"cursor": page.next_cursor}
    assert seen == bought[::-1]
    cancelled = await live.get("/verifications", params={"status": "cancelled", "service": "telegram"})
    assert [one["id"] for one in cancelled.json()["data"]] == bought[:1]
    assert (await live.get("/verifications", params={"service": "whatsapp"})).json()["data"] == []


@pytest.mark.parametrize("seconds", [0, 1])
async def test_a_read_that_waits_answers_after_its_time_when_nothing_happens(live, seconds):
    bought = await live.buys()
    clock = asyncio.get_running_loop().time
    began = clock()
    read = await live.get(f"/verifications/{bought['id']}", params={"wait": seconds})
    assert read.json()["status"] == "pending"
    assert seconds <= clock() - began < seconds + 0.9


async def test_a_read_that_waits_answers_when_the_code_comes(live, platform):
    bought = await live.buys()
    other = await live.buys()
    clock = asyncio.get_running_loop().time
    waiting = asyncio.create_task(live.get(f"/verifications/{bought['id']}", params={"wait": 20}))
    await asyncio.sleep(0.3)
    await sms(platform.db, other["number"], "Your code is 111111")
    await asyncio.sleep(0.3)
    assert not waiting.done(), "the other verification's code must not end the wait"
    began = clock()
    await sms(platform.db, bought["number"], "Your code is 222222")
    assert (await waiting).json()["code"] == "222222"
    assert clock() - began < 0.5


async def test_a_read_that_waits_answers_at_once_when_it_is_over(live):
    bought = await live.buys()
    await live.post(f"/verifications/{bought['id']}/cancel")
    read = await asyncio.wait_for(live.get(f"/verifications/{bought['id']}", params={"wait": 20}), 2)
    assert read.json()["status"] == "cancelled"


@pytest.mark.parametrize("wait", ["-1", "31", "x", "1.5", "", "1e1", "null", " 1", "01", "9" * 30])
async def test_a_wait_that_makes_no_sense_is_refused(live, wait):
    answer = await live.get(f"/verifications/{new_id('ver')}", params={"wait": wait})
    assert problem(answer, 422, "invalid_parameter")["errors"][0]["name"] == "wait"


async def test_the_test_mode_sells_what_its_services_say(tester, worker):
    problem(await tester.post("/verifications", {**BUY, "service": "test_no_numbers"}), 409, "no_numbers")
    problem(await tester.post("/verifications", {**BUY, "service": "test_insufficient_funds"}), 402, "insufficient_funds")
    problem(await tester.post("/verifications", {**BUY, "service": "test_price_moved"}), 409, "price_above_max")
    bought = await tester.buys("test_success")
    read = await tester.get(f"/verifications/{bought['id']}", params={"wait": 15})
    assert (read.json()["status"], read.json()["livemode"]) == ("completed", False)
    assert len(read.json()["code"]) == 6


async def test_voice_is_passed_through(live, platform):
    problem(await live.post("/verifications", {**BUY, "capability": "voice"}), 409, "no_numbers")
    await own_numbers(platform.db, 1, voice=True)
    assert (await live.buys(capability="voice"))["capability"] == "voice"
