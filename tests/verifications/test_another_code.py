"""Another code: when it may be asked for, and what an upstream may say to it."""

import pytest

from namaskah.providers.base import Capabilities, ProviderError
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import Sandbox
from namaskah.verifications import errors
from namaskah.verifications.another_code import another_code
from namaskah.verifications.finish import finish
from tests.factories import VAULT, buy, customer, own_numbers, sms
from tests.verifications.shown import shown


async def ask(database, who, bought, providers=None):
    return await another_code(
        database, principal=who, verification_id=bought.id, providers=providers or Providers(), vault=VAULT
    )  # fmt: skip


async def test_before_the_first_code_it_is_refused(database):
    who = await customer(database)
    await own_numbers(database, 1)
    with pytest.raises(errors.NoCodeYet):
        await ask(database, who, shown(await buy(database, who)))


async def test_after_the_end_it_is_refused(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    await finish(database, principal=who, verification_id=bought.id, vault=VAULT)
    with pytest.raises(errors.VerificationClosed):
        await ask(database, who, bought)


async def test_what_is_not_yours_is_not_found(database):
    who = await customer(database)
    await own_numbers(database, 1)
    with pytest.raises(errors.VerificationNotFound):
        await ask(database, await customer(database), shown(await buy(database, who)))


async def test_our_own_numbers_always_take_another_and_it_costs_nothing(database):
    who = await customer(database)
    await own_numbers(database, 1)
    bought = shown(await buy(database, who))
    await sms(database, bought.number)
    answer = shown(await ask(database, who, bought))
    assert (answer.status, answer.code) == ("completed", "123456")
    assert (await sms(database, bought.number, "Your code is 222222")).outcome == "another_code"


async def test_an_upstream_that_can_is_asked(database):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_instant"))
    assert shown(await ask(database, who, bought)).id == bought.id


class Gives(Sandbox):
    """An upstream that knows no further codes, or refuses them now."""

    def __init__(self, *, can: bool) -> None:
        super().__init__()
        self.capabilities = Capabilities(another_code=can)

    async def another_code(self, reference):
        raise ProviderError("rate_limited", retry_after=7.0)


@pytest.mark.parametrize(("can", "retry_after"), [(False, None), (True, 7.0)])
async def test_an_upstream_that_cannot_or_will_not_is_an_error_that_charges_nothing(database, can, retry_after):
    who = await customer(database, livemode=False)
    bought = shown(await buy(database, who, "test_instant"))
    with pytest.raises(errors.AnotherCodeNotPossible) as refusal:
        await ask(database, who, bought, Providers(sandbox=Gives(can=can)))
    assert (refusal.value.retry_after, refusal.value.charged) == (retry_after, False)
