"""The account, its plan and its API keys over HTTP."""

import pytest

from namaskah.accounts.principal import Principal
from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
from namaskah.api.account import Account, KeyList, NewKey
from namaskah.core.ids import new_id
from namaskah.wallet.queries import Usage
from namaskah.wallet.register import register
from tests.api.customers import client_of, problem, shaped


async def test_the_account_is_shown_to_its_owner(platform, new_customer):
    user = await register(
        platform.db, email="someone@example.com", password="a long enough one 7", terms_version=CURRENT_TERMS_VERSION
    )
    owner = await new_customer(of=Principal(user.id, False), livemode=False)
    account = shaped(await owner.get("/account"), Account)
    assert (account.id, account.email, account.livemode) == (user.id, "someone@example.com", False)


async def test_usage_counts_what_was_bought(live):
    before = shaped(await live.get("/account/usage"), Usage)
    await live.buys()
    after = shaped(await live.get("/account/usage"), Usage)
    assert (after.open_verifications, after.purchases_this_hour) == (1, 1)
    assert before.spent_today.amount == "0.00" != after.spent_today.amount


async def test_a_key_is_made_shown_once_used_and_revoked(live, app):
    answer = await live.post("/api-keys", {"name": "CI", "daily_spend_cap": "25.00", "expires_in_days": 30})
    assert answer.status_code == 201
    made = shaped(answer, NewKey)
    assert made.secret.startswith(made.hint.removesuffix("…"))
    assert (made.livemode, made.daily_spend_cap.amount) == (True, "25.00")
    listed = await live.get("/api-keys")
    assert made.id in {key.id for key in shaped(listed, KeyList).data}
    assert made.secret not in listed.text
    async with client_of(app, made.secret) as client:
        assert (await client.get("/wallet")).status_code == 200
    for _ in range(2):
        assert (await live.client.delete(f"/api-keys/{made.id}")).status_code == 204
    assert made.id not in (await live.get("/api-keys")).text


async def test_a_test_key_makes_sees_and_revokes_test_keys_only(live, new_customer):
    test_key = await new_customer(livemode=False, of=live.principal)
    problem(await test_key.post("/api-keys", {"name": "x", "livemode": True}), 403, "live_key_needed")
    made = shaped(await test_key.post("/api-keys", {"name": "x"}), NewKey)
    assert made.livemode is False
    assert live.principal.key_id not in (await test_key.get("/api-keys")).text
    problem(await test_key.client.delete(f"/api-keys/{live.principal.key_id}"), 404, "unknown_api_key")
    assert (await test_key.client.delete(f"/api-keys/{made.id}")).status_code == 204
    assert (await live.get("/wallet")).status_code == 200


@pytest.mark.parametrize("fence", [{"daily_spend_cap": "5"}, {"expires_in_days": 1}])
async def test_a_key_that_is_fenced_in_cannot_make_one_that_is_not(live, app, fence):
    made = (await live.post("/api-keys", {"name": "fenced", **fence})).json()
    async with client_of(app, made["secret"]) as client:
        problem(await client.post("/api-keys", json={"name": "free"}), 403, "restricted_key")


@pytest.mark.parametrize(
    "wish",
    [
        {}, {"name": ""}, {"name": " "}, {"name": "a" * 101}, {"name": "a\u202eb"}, {"name": "x", "daily_spend_cap": "0"},
        {"name": "x", "daily_spend_cap": 5}, {"name": "x", "expires_in_days": 0}, {"name": "x", "expires_in_days": 1e9},
        {"name": "x", "livemode": "yes"}, {"name": "x", "livemode": None},
    ],
)  # fmt: skip
async def test_settings_that_make_no_sense_are_refused(live, wish):
    problem(await live.post("/api-keys", wish), 422, "invalid_request")


async def test_the_plans_number_of_keys_is_the_limit(new_customer, platform):
    one = await new_customer(plan="free")
    allowed = await platform.db.fetchval("SELECT api_keys FROM plans WHERE slug = 'free'")
    for _ in range(allowed - 1):
        assert (await one.post("/api-keys", {"name": "another"})).status_code == 201
    problem(await one.post("/api-keys", {"name": "one too many"}), 409, "too_many_api_keys")


async def test_another_accounts_key_does_not_exist(live, new_customer):
    other = await new_customer()
    for identifier in (live.principal.key_id, new_id("key"), "key_x"):
        problem(await other.client.delete(f"/api-keys/{identifier}"), 404, "unknown_api_key")
    assert (await live.get("/wallet")).status_code == 200
