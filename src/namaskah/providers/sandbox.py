"""The test mode's upstream, and the fake that serves tests and demo: the service's name says what happens.

It keeps nothing. An order's reference holds its case and its start, and everything else is a hash of it, so
that any process answers the same at any time, also after a restart. A cancel is therefore accepted and
forgotten.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import msgspec

from namaskah.core.clock import utcnow
from namaskah.providers.base import (
    Bought,
    Capabilities,
    ErrorKind,
    Order,
    OrderState,
    Polled,
    ProviderError,
    Quote,
    UpstreamMessage,
)
from namaskah.providers.number_fiction import COUNTRIES, fiction_number

SANDBOX_PRICE_MICROS: Final = 500_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS: Final = (
    "Your Test code is {code}.",
    "{code} is your Test verification code.",
    "Test: {code} is your login code. Do not share it with anyone.",
)
_TRANSCRIPT: Final = "Hello. Your Test verification code is {code}. Goodbye."


class SandboxCase(msgspec.Struct, frozen=True, kw_only=True):
    """A service of the test mode and what an order for it does. Times are seconds since `Order.asked_at`."""

    slug: str
    name: str
    what_happens: str
    # "insufficient_funds" is for the verb that takes the money: such an order must not get as far as here.
    failure: ErrorKind | Literal["insufficient_funds"] | None = None
    codes_after: tuple[float, ...] = ()
    expires_after: float | None = None  # None: as `Capabilities.lifetime_seconds` says
    found_after: float = 0
    voice: bool = False


SANDBOX_SERVICES: Final = (
    SandboxCase(
        slug="test_success", name="Test: success", codes_after=(2,),
        what_happens="A code arrives after 2 seconds.",
    ),
    SandboxCase(
        slug="test_instant", name="Test: instant", codes_after=(0,),
        what_happens="The code comes together with the number.",
    ),
    SandboxCase(
        slug="test_slow", name="Test: slow", codes_after=(60,),
        what_happens="A code arrives after 60 seconds.",
    ),
    SandboxCase(
        slug="test_timeout", name="Test: timeout", expires_after=30,
        what_happens="No code arrives; the order expires after 30 seconds and is free.",
    ),
    SandboxCase(
        slug="test_two_codes", name="Test: two codes", codes_after=(2, 7),
        what_happens="A code arrives after 2 seconds, another one 5 seconds later.",
    ),
    SandboxCase(
        slug="test_late", name="Test: late", codes_after=(13,), expires_after=10,
        what_happens="The order expires after 10 seconds; a code comes 3 seconds later and is free.",
    ),
    SandboxCase(
        slug="test_no_numbers", name="Test: no numbers", failure="no_numbers",
        what_happens="No number is in stock: 409 no_numbers.",
    ),
    SandboxCase(
        slug="test_insufficient_funds", name="Test: insufficient funds", failure="insufficient_funds",
        what_happens="The wallet is said to be empty: 402 insufficient_funds.",
    ),
    SandboxCase(
        slug="test_price_moved", name="Test: price moved", failure="price_moved",
        what_happens="The price rose above what was agreed: 409 price_above_max.",
    ),
    SandboxCase(
        slug="test_provider_down", name="Test: provider down", failure="down",
        what_happens="The upstream cannot be reached: the order fails and is free.",
    ),
    SandboxCase(
        slug="test_unknown_outcome", name="Test: unknown outcome", failure="timeout", found_after=3,
        codes_after=(6,),
        what_happens="No answer at first: the number is found after 3 seconds, its code after 6.",
    ),
    SandboxCase(
        slug="test_voice", name="Test: voice", codes_after=(3,), voice=True,
        what_happens="A call comes after 3 seconds; its transcript holds the code.",
    ),
)  # fmt: skip
SANDBOX_CASES: Final[Mapping[str, SandboxCase]] = MappingProxyType({case.slug: case for case in SANDBOX_SERVICES})


class _Opened(NamedTuple):
    """What a reference says about its order."""

    case: SandboxCase
    voice: bool
    start: datetime


class Sandbox:
    """A Provider whose orders follow a script. `cases` by service slug.

    With its own `name`, `cases` (such as `{"telegram": SANDBOX_CASES["test_success"]}`) and a `clock` that
    the test moves, it stands in for a live upstream.
    """

    def __init__(
        self,
        *,
        name: str = "sandbox",
        cases: Mapping[str, SandboxCase] = SANDBOX_CASES,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(voice=True, another_code=True, finds_by_reference=True, late_seconds=30, poll_batch=500)
        self._cases = cases
        # In the test mode every service of the catalogue can be bought: those without a case of their own succeed.
        self._otherwise = cases.get("test_success") if cases is SANDBOX_CASES else None
        self._clock = clock

    async def quotes(self) -> Sequence[Quote]:
        """Every case that sells a number, in every country that has numbers for fiction."""
        return [
            Quote(slug, country, "", SANDBOX_PRICE_MICROS // 2, 1000)
            for slug, case in self._cases.items()
            if case.failure in (None, "timeout")
            for country in sorted(COUNTRIES)
        ]

    async def buy(self, order: Order) -> Bought:
        """As the case says; the same order always gets the same number and reference."""
        case = self._cases.get(order.service, self._otherwise)
        if case is None:
            raise ProviderError("bad_request", f"no such sandbox service: {order.service}")
        if case.failure == "insufficient_funds":
            raise ProviderError("no_balance", "this case is for the wallet")
        if case.failure is not None:
            raise ProviderError(case.failure, "as the sandbox case says")
        if order.max_price_micros is not None and order.max_price_micros < order.price_micros // 2:
            raise ProviderError("price_moved")
        return self._bought(order, case)

    async def find(self, order: Order, *, taken: Collection[str] = ()) -> Bought | None:
        """The order that `buy` made or left in doubt, from the case's `found_after` on."""
        case = self._cases.get(order.service, self._otherwise)
        if case is None or case.failure not in (None, "timeout"):
            return None
        bought = self._bought(order, case)
        due = order.asked_at + timedelta(seconds=case.found_after)
        return None if self._clock() < due or bought.reference in taken else bought

    async def poll(self, references: Sequence[str]) -> Sequence[Polled]:
        """What has arrived by now. ValueError for more than `poll_batch` references: upstreams refuse too."""
        if len(references) > self.capabilities.poll_batch:
            raise ValueError(f"at most {self.capabilities.poll_batch} references at once")
        return [self._polled(reference) for reference in references]

    async def cancel(self, reference: str) -> None:
        """Accepts. Raises `already_received` when a message has come before."""
        if self._polled(reference).messages:
            raise ProviderError("already_received")

    async def finish(self, reference: str) -> None:
        """Accepts."""

    async def balance(self) -> None:
        """Nothing is paid for here."""

    async def another_code(self, reference: str) -> None:
        """Accepts; only `test_two_codes` has another code, 5 seconds after its first, asked for or not."""
        if self._open(reference) is None:
            raise ProviderError("bad_request", "no such order")

    def _bought(self, order: Order, case: SandboxCase) -> Bought:
        start_ms = (order.asked_at - _EPOCH) // timedelta(milliseconds=1)
        seed = hashlib.sha256(order.reference.encode()).hexdigest()[:16]
        style = "voice" if case.voice or order.capability == "voice" else "sms"
        slug = order.service if order.service in self._cases else case.slug
        reference = f"sbx.{slug}.{style}.{start_ms}.{seed}"
        start = _EPOCH + timedelta(milliseconds=start_ms)
        lifetime = self.capabilities.lifetime_seconds if case.expires_after is None else case.expires_after
        return Bought(
            reference=reference,
            number=fiction_number(order.country, int(seed, 16), area_code=order.area_code),
            operator=order.operator,
            can_cancel_at=start,
            expires_at=start + timedelta(seconds=lifetime),
            cost_micros=order.price_micros // 2,
            messages=self._polled(reference).messages,
        )

    def _open(self, reference: str) -> _Opened | None:
        prefix, _, rest = reference.partition(".")
        slug, _, rest = rest.partition(".")
        style, _, rest = rest.partition(".")
        start_ms, _, seed = rest.partition(".")
        case = self._cases.get(slug)
        if prefix != "sbx" or case is None or not seed or not start_ms.isdecimal() or len(start_ms) > 14:
            return None
        return _Opened(case, style == "voice", _EPOCH + timedelta(milliseconds=int(start_ms)))

    def _polled(self, reference: str) -> Polled:
        opened = self._open(reference)
        if opened is None:
            return Polled(reference, "gone")
        case, voice, start = opened
        now = self._clock()
        messages = tuple(
            _message(reference, place, start + timedelta(seconds=seconds), voice=voice)
            for place, seconds in enumerate(case.codes_after, 1)
            if now >= start + timedelta(seconds=seconds)
        )
        lifetime = self.capabilities.lifetime_seconds if case.expires_after is None else case.expires_after
        state: OrderState = "received" if messages else "waiting"
        return Polled(reference, "expired" if now >= start + timedelta(seconds=lifetime) else state, messages)


def _message(reference: str, place: int, received_at: datetime, *, voice: bool) -> UpstreamMessage:
    number = int.from_bytes(hashlib.sha256(f"{reference}.{place}".encode()).digest()[:8], "big")
    code = f"{number % 1_000_000:06}"
    text = _TRANSCRIPT if voice else _TEXTS[number // 1_000_000 % len(_TEXTS)]
    sender = "+12025550199" if voice else "Test"
    return UpstreamMessage(f"{reference}.{place}", sender, text.format(code=code), received_at)
