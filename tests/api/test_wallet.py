"""The wallet and its statement over HTTP."""

from namaskah.api.wallet import TransactionPage
from namaskah.wallet.queries import Wallet
from tests.api.customers import problem, shaped


async def test_real_money_cannot_be_refilled_by_a_call(live):
    problem(await live.post("/wallet/test-refill"), 403, "test_key_needed")
    assert (await live.get("/wallet")).json()["balance"]["amount"] == "10.00"


async def test_test_money_is_refilled_and_a_full_wallet_stays_as_it_is(tester):
    first = shaped(await tester.post("/wallet/test-refill"), Wallet)
    again = shaped(await tester.post("/wallet/test-refill", {}), Wallet)
    assert first == again
    assert (first.available.amount, first.livemode) == ("100.00", False)


async def test_each_mode_has_its_own_wallet(live, new_customer):
    test_key = await new_customer(livemode=False, of=live.principal)
    await live.buys()
    assert (await test_key.get("/wallet")).json()["held"]["amount"] == "0.00"
    assert (await test_key.get("/wallet/transactions")).json()["data"] == []


async def test_the_statement_is_paged_newest_first_and_filtered(live):
    bought = [await live.buys() for _ in range(3)]
    await live.post(f"/verifications/{bought[0]['id']}/cancel")
    lines = []
    cursor: dict[str, str] = {}
    while True:
        page = shaped(await live.get("/wallet/transactions", params={"limit": 2, **cursor}), TransactionPage)
        lines += page.data
        if page.next_cursor is None:
            break
        cursor = {"cursor": page.next_cursor}
    assert [line.type for line in lines] == ["release", "hold", "hold", "hold", "credit"]
    assert len({line.id for line in lines}) == 5
    assert lines[0].verification_id == bought[0]["id"]
    assert lines[1].amount.amount.startswith("-")
    holds = await live.get("/wallet/transactions", params={"type": "hold"})
    assert [line["id"] for line in holds.json()["data"]] == [line.id for line in lines[1:4]]
    problem(await live.get("/wallet/transactions", params={"type": "theft"}), 422, "invalid_parameter")
