"""The sandbox: each named case, at the second before and the second after it must happen."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import phonenumbers
import pytest

from namaskah.core.ids import new_id
from namaskah.providers.base import Order, Provider, ProviderError
from namaskah.providers.sandbox import SANDBOX_CASES, SANDBOX_SERVICES, Sandbox

START = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)


class Clock:
    """A clock that stands until the test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def at(self, seconds: float) -> None:
        self.now = START + timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    return Sandbox(clock=clock)


def order(service: str, **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "reference": new_id("ver"), "service": service, "country": "us", "price_micros": 500_000,
        "max_price_micros": None, "asked_at": START,
    }  # fmt: skip
    return Order(**(fields | changes))


async def texts(sandbox: Sandbox, reference: str) -> list[str]:
    [polled] = await sandbox.poll([reference])
    return [message.text for message in polled.messages]


async def state(sandbox: Sandbox, reference: str) -> str:
    [polled] = await sandbox.poll([reference])
    return polled.state


@pytest.mark.parametrize(
    ("service", "kind", "outcome_known", "permanent"),
    [
        ("test_no_numbers", "no_numbers", True, False),
        ("test_price_moved", "price_moved", True, False),
        ("test_provider_down", "down", True, False),
        ("test_unknown_outcome", "timeout", False, False),
        ("test_insufficient_funds", "no_balance", True, True),
    ],
)
async def test_a_purchase_that_fails_says_how(
    sandbox: Sandbox, service: str, kind: str, outcome_known: bool, permanent: bool
) -> None:
    with pytest.raises(ProviderError) as raised:
        await sandbox.buy(order(service))
    assert (raised.value.kind, raised.value.outcome_known, raised.value.permanent) == (
        kind, outcome_known, permanent,
    )  # fmt: skip


async def test_a_service_of_the_catalogue_succeeds_in_the_test_mode(sandbox: Sandbox, clock: Clock) -> None:
    bought = await sandbox.buy(order("telegram"))
    clock.at(3)
    assert (await sandbox.poll([bought.reference]))[0].state == "received"


async def test_a_live_fake_knows_its_own_services_only(clock: Clock) -> None:
    fake = Sandbox(name="fake", cases={"telegram": SANDBOX_CASES["test_success"]}, clock=clock)
    with pytest.raises(ProviderError, match="bad_request") as raised:
        await fake.buy(order("whatsapp"))
    assert raised.value.permanent


async def test_a_ceiling_below_the_cost_is_a_moved_price(sandbox: Sandbox) -> None:
    with pytest.raises(ProviderError, match="price_moved"):
        await sandbox.buy(order("test_success", max_price_micros=1))


async def test_more_references_than_a_batch_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="at most 500"):
        await sandbox.poll(["sbx.test_success.sms.1.a"] * 501)


@pytest.mark.parametrize(
    "reference",
    ["", "sbx", "sbx.test_success.sms.1", "sbx.test_success.sms.x.a", "sbx.nothing.sms.1.a",
     "abc.test_success.sms.1.a", "sbx.test_success.sms.999999999999999.a", "sbx.test_success.sms.-1.a"],
)  # fmt: skip
async def test_a_foreign_reference_is_gone(sandbox: Sandbox, reference: str) -> None:
    assert await state(sandbox, reference) == "gone"
    await sandbox.cancel(reference)
    await sandbox.finish(reference)
    with pytest.raises(ProviderError, match="bad_request"):
        await sandbox.another_code(reference)


@pytest.mark.parametrize(
    ("service", "seconds"),
    [("test_success", [2]), ("test_slow", [60]), ("test_two_codes", [2, 7]), ("test_voice", [3])],
)
async def test_codes_come_when_the_case_says_and_not_before(
    sandbox: Sandbox, clock: Clock, service: str, seconds: list[float]
) -> None:
    bought = await sandbox.buy(order(service))
    assert bought.messages == ()
    for already, second in enumerate(seconds):
        clock.at(second - 0.01)
        assert len(await texts(sandbox, bought.reference)) == already
        clock.at(second)
        assert len(await texts(sandbox, bought.reference)) == already + 1
        assert await state(sandbox, bought.reference) == "received"
    clock.at(1199)
    assert len(await texts(sandbox, bought.reference)) == len(seconds)
    clock.at(1200)
    assert await state(sandbox, bought.reference) == "expired"


async def test_an_instant_code_comes_with_the_number(sandbox: Sandbox) -> None:
    bought = await sandbox.buy(order("test_instant"))
    [polled] = await sandbox.poll([bought.reference])
    assert len(bought.messages) == 1
    assert polled.messages == bought.messages


async def test_a_timeout_expires_after_30_seconds_without_a_code(sandbox: Sandbox, clock: Clock) -> None:
    bought = await sandbox.buy(order("test_timeout"))
    assert bought.expires_at == START.replace(microsecond=123000) + timedelta(seconds=30)
    clock.at(29.99)
    assert await state(sandbox, bought.reference) == "waiting"
    clock.at(30)
    assert await state(sandbox, bought.reference) == "expired"
    clock.at(3600)
    assert await texts(sandbox, bought.reference) == []


async def test_a_late_code_comes_after_the_order_expired_while_it_is_still_polled(sandbox: Sandbox, clock: Clock) -> None:
    bought = await sandbox.buy(order("test_late"))
    assert bought.expires_at is not None
    clock.at(10)
    assert (await state(sandbox, bought.reference), await texts(sandbox, bought.reference)) == ("expired", [])
    clock.at(13)
    [polled] = await sandbox.poll([bought.reference])
    assert polled.state == "expired"
    assert bought.expires_at < polled.messages[0].received_at
    last_poll = bought.expires_at + timedelta(seconds=sandbox.capabilities.late_seconds)
    assert polled.messages[0].received_at < last_poll


async def test_an_unknown_outcome_is_found_after_3_seconds_by_any_process(sandbox: Sandbox, clock: Clock) -> None:
    wanted = order("test_unknown_outcome")
    clock.at(2.99)
    assert await sandbox.find(wanted) is None
    clock.at(3)
    found = await sandbox.find(wanted)
    assert found is not None
    assert found == await Sandbox(clock=clock).find(wanted)
    clock.at(6)
    assert len(await texts(sandbox, found.reference)) == 1


async def test_what_was_bought_is_found_again_and_what_failed_is_not(sandbox: Sandbox) -> None:
    wanted = order("test_success")
    bought = await sandbox.buy(wanted)
    assert await sandbox.find(wanted) == bought
    assert await sandbox.find(wanted, taken={bought.reference}) is None
    assert await sandbox.find(order("test_no_numbers")) is None


async def test_another_process_sees_the_same_messages_after_a_restart(sandbox: Sandbox, clock: Clock) -> None:
    bought = await sandbox.buy(order("test_two_codes"))
    clock.at(8)
    assert await sandbox.poll([bought.reference]) == await Sandbox(clock=clock).poll([bought.reference])


async def test_a_cancel_before_the_code_is_accepted_and_after_it_is_too_late(sandbox: Sandbox, clock: Clock) -> None:
    bought = await sandbox.buy(order("test_success"))
    await sandbox.cancel(bought.reference)
    await sandbox.cancel(bought.reference)
    clock.at(2)
    with pytest.raises(ProviderError, match="already_received") as raised:
        await sandbox.cancel(bought.reference)
    assert raised.value.permanent


async def test_the_two_codes_differ_and_each_message_has_its_own_id(sandbox: Sandbox, clock: Clock) -> None:
    bought = await sandbox.buy(order("test_two_codes"))
    await sandbox.another_code(bought.reference)
    clock.at(7)
    [polled] = await sandbox.poll([bought.reference])
    codes = [re.findall(r"(?<!\d)\d{6}(?!\d)", message.text) for message in polled.messages]
    assert [len(found) for found in codes] == [1, 1]
    assert codes[0] != codes[1]
    assert len({message.message_id for message in polled.messages}) == 2


async def test_every_text_carries_exactly_one_number_and_the_codes_are_spread(sandbox: Sandbox, clock: Clock) -> None:
    clock.at(2)
    codes = set()
    for _ in range(200):
        [text] = await texts(sandbox, (await sandbox.buy(order("test_success"))).reference)
        [code] = re.findall(r"\d+", text)
        assert len(code) == 6
        codes.add(code)
    assert len(codes) >= 198


async def test_a_voice_order_of_any_case_gets_a_transcript(sandbox: Sandbox, clock: Clock) -> None:
    spoken = await sandbox.buy(order("test_success", capability="voice"))
    written = await sandbox.buy(order("test_success"))
    always = await sandbox.buy(order("test_voice"))
    clock.at(5)
    by_voice = [(await sandbox.poll([bought.reference]))[0].messages[0] for bought in (spoken, always)]
    assert all(message.text.startswith("Hello.") for message in by_voice)
    assert all(message.sender.startswith("+1202555") for message in by_voice)
    assert not (await texts(sandbox, written.reference))[0].startswith("Hello.")


@pytest.mark.parametrize("country", ["us", "ca", "gb", "fr", "de", "se", "au", "in", "br"])
async def test_numbers_are_possible_well_spread_and_of_the_country(sandbox: Sandbox, country: str) -> None:
    numbers = {(await sandbox.buy(order("test_success", country=country))).number for _ in range(200)}
    dial = phonenumbers.country_code_for_region(country.upper() if country not in ("in", "br") else "US")
    for number in numbers:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_possible_number(parsed)
        assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number
        assert parsed.country_code == dial
    assert len(numbers) >= (28 if country == "au" else 60)


@pytest.mark.parametrize(("area_code", "honoured"), [("415", True), ("", False), ("911", False), ("4155", False)])
async def test_an_area_code_that_can_be_one_is_honoured(sandbox: Sandbox, area_code: str, honoured: bool) -> None:
    numbers = [(await sandbox.buy(order("test_success", area_code=area_code))).number for _ in range(20)]
    assert all(re.fullmatch(r"\+1[2-9]\d\d55501\d\d", number) for number in numbers)
    assert all(number.startswith("+1415") for number in numbers) is honoured


async def test_quotes_name_what_can_be_bought_and_nothing_else(sandbox: Sandbox) -> None:
    quoted = {quote.service for quote in await sandbox.quotes()}
    for case in SANDBOX_SERVICES:
        assert (case.slug in quoted) is (case.failure in (None, "timeout"))


async def test_it_stands_in_for_a_live_upstream(clock: Clock) -> None:
    live: Provider = Sandbox(name="fake", cases={"telegram": SANDBOX_CASES["test_success"]}, clock=clock)
    bought = await live.buy(order("telegram"))
    clock.at(2)
    [polled] = await live.poll([bought.reference])
    assert polled.state == "received"
    assert {quote.service for quote in await live.quotes()} == {"telegram"}


def test_the_names_are_those_of_the_design() -> None:
    assert set(SANDBOX_CASES) == {
        "test_success", "test_instant", "test_slow", "test_timeout", "test_two_codes", "test_late",
        "test_no_numbers", "test_insufficient_funds", "test_price_moved", "test_provider_down",
        "test_unknown_outcome", "test_voice",
    }  # fmt: skip
