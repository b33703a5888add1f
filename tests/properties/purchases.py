"""Buying: a number of our own, the same number again, the same request again; and from the test mode's upstream."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from namaskah.core.errors import NamaskahError
from namaskah.core.ids import new_id
from namaskah.inbound.sweep import handle_left_over
from namaskah.providers.sandbox import SANDBOX_CASES
from namaskah.verifications import ask, errors
from namaskah.verifications.answer import Answer
from namaskah.verifications.reuse import reuse
from namaskah.verifications.start import Purchase, StartRequest
from tests.factories import VAULT, buy
from tests.properties.life import CASES, SECONDS, Life, crashes, one_of, picks
from tests.properties.model import WINDOW, Account, Order, takeable

REFUSALS = {
    "test_no_numbers": errors.NoNumbers,
    "test_provider_down": errors.ProviderDown,
    "test_price_moved": errors.PriceAboveMax,
}
_OF_KEY = """
SELECT v.id, o.reference FROM idempotency_keys k JOIN verifications v ON v.id = k.verification_id
LEFT JOIN provider_orders o ON o.verification_id = v.id WHERE k.user_id = $1 AND k.livemode = $2 AND k.key = $3
"""
_FAIL = "SELECT * FROM verification_fail($1, 'provider_down', $2, NULL, $3)"
_NOT_HEARD = "UPDATE provider_orders SET state = 'unknown' WHERE verification_id = $1 AND state = 'asking'"


class Purchases(Life):
    """What may be bought, and what is in doubt after it."""

    # Buying

    def _refusal(self, account: Account, price: int, *, number_there: bool) -> type[NamaskahError] | None:
        if account.available < price:
            return errors.InsufficientFunds
        if not number_there:
            return errors.NoNumbers
        return errors.LimitReached if account.limit_refuses(price, self.now) else None

    @rule(place=st.integers(0, 1), dear=st.booleans(), crash=crashes)
    def buys(self, place: int, dear: bool, crash: Any) -> None:
        account, service = self.accounts[place], list(self.prices)[dear]
        price, key = self.prices[service], f"key-{next(self.count)}"
        free_ones = takeable(self.numbers, set(self.used), service, self.now)
        refusal = self._refusal(account, price, number_there=bool(free_ones))
        answer = self._surely(
            lambda db: buy(db, account.principal, service, idempotency_key=key, fingerprint=b"f", now=self.now), crash
        )
        self._bought_own(account, service, key, answer, refusal, {number.e164 for number in free_ones})

    def _bought_own(
        self,
        account: Account,
        service: str,
        key: str,
        answer: Any,
        refusal: type | None,
        may_be: set[str],
        *,
        again: bool = False,
    ) -> None:
        if refusal is not None:
            assert type(answer) is refusal, answer
            return
        assert isinstance(answer, Answer), answer
        shown = msgspec.json.decode(answer.body)
        assert shown["number"] in may_be
        (number,) = (n for n in self.numbers if n.e164 == shown["number"])
        order = Order(
            shown["id"], account, service, self.prices[service], self.now, self.now + WINDOW, number=number, key=key, again=again
        )
        account.hold(order)
        account.events += 1
        number.busy, number.last = True, order
        self.used[service, number.e164] = order

    @precondition(lambda self: any(o.number for a in self.accounts for o in a.orders))
    @rule(pick=picks, crash=crashes)
    def buys_the_same_number_again(self, pick: int, crash: Any) -> None:
        before = one_of([o for a in self.accounts for o in a.orders if o.number], pick)
        account, number, key = before.account, before.number, f"key-{next(self.count)}"
        purchase = Purchase(
            principal=account.principal, request=StartRequest(service="", country=""), idempotency_key=key, fingerprint=b"f",
            reuse_of=before.id, now=self.now,
        )  # fmt: skip
        answer = self._surely(lambda db: reuse(db, purchase=purchase, providers=self.providers, vault=VAULT), crash)
        rested = number.last is before or number.free_at is None or number.free_at <= self.now
        there = not number.busy and rested and self.used[before.service, number.e164] is before
        refusal = self._refusal(account, before.price, number_there=there)
        if before.closed_at is None or refusal is errors.NoNumbers:
            refusal = errors.ReuseNotPossible
        self._bought_own(account, before.service, key, answer, refusal, {number.e164}, again=True)

    @precondition(lambda self: any(o.key for a in self.accounts[:2] for o in a.orders))
    @rule(pick=picks, other=st.booleans())
    def asks_again_with_the_same_key(self, pick: int, other: bool) -> None:
        order = one_of([o for a in self.accounts[:2] for o in a.orders if not o.again], pick)
        fingerprint = b"other" if other else b"f"
        answer, _ = self._try(
            lambda db: buy(
                db, order.account.principal, order.service, idempotency_key=order.key, fingerprint=fingerprint, now=self.now
            ),
            None,
        )
        if other:
            assert isinstance(answer, errors.IdempotencyMismatch)
        else:
            assert answer.replayed
            assert msgspec.json.decode(answer.body)["id"] == order.id

    # Buying from the test mode's upstream, where the statements of a purchase are several

    @rule(case=st.sampled_from(CASES), crash=crashes)
    def buys_in_test_mode(self, case: str, crash: Any) -> None:
        account, price, key = self.test, self.prices[case], f"key-{next(self.count)}"
        work = lambda db: buy(  # noqa: E731
            db, account.principal, case, providers=self.providers, idempotency_key=key, fingerprint=b"f", now=self.now
        )
        refusal = self._refusal(account, price, number_there=True)
        answer, died_at = self._try(work, crash)
        if died_at == 0 or (died_at is not None and refusal):
            answer, died_at = self._try(work, None)
        if refusal is not None:
            assert type(answer) is refusal
            return
        statements = {"test_instant": 5}.get(case, 2)
        self._took_from_upstream(case, key, answer, statements if died_at is None else died_at)
        if died_at is not None:
            again, _ = self._try(work, None)
            if died_at == 1:
                assert isinstance(again, errors.StillRunning)
            elif case in REFUSALS:
                assert type(again) is REFUSALS[case]
            else:
                assert again.replayed

    def _took_from_upstream(self, case: str, key: str, answer: Any, done: int) -> None:
        """`done` statements of the purchase were done: the request, what the upstream said, then its messages."""
        account = self.test
        who = account.principal
        row = self.world.do(self.world.owner.fetchrow(_OF_KEY, who.user_id, False, key))
        order = Order(row["id"], account, case, self.prices[case], self.now, self.now + WINDOW, status="requesting", key=key)
        order.asking = done == 1
        account.hold(order)
        if done == 1:
            return
        if case in REFUSALS:
            account.release(order, "fail", self.now)
            assert answer is None or type(answer) is REFUSALS[case]
            return
        if case == "test_unknown_outcome":
            return
        self._assigned(order, row["reference"])
        if case == "test_instant" and done == 3:
            # The message is stored and not handled: the sweeper of such messages finds it.
            self.now += 3 * SECONDS
            self.world.do(handle_left_over(self.world.database, now=self.now))
        if case == "test_instant" and done >= 3:
            account.capture(order)
            account.events += 1
            order.messages += 1

    def _assigned(self, order: Order, reference: str | None) -> None:
        assert order.move("assign")
        order.asking, order.reference = False, reference
        lifetime = SANDBOX_CASES[order.service].expires_after
        order.expires_at = order.created_at + (WINDOW if lifetime is None else lifetime * SECONDS)
        order.account.events += 1

    def _unknown_ones(self) -> list[Order]:
        return [o for o in self.test.orders if o.reference is None and o.service not in REFUSALS]

    @precondition(lambda self: self._unknown_ones())
    @rule(pick=picks)
    def an_unknown_purchase_is_found_upstream(self, pick: int) -> None:
        order = one_of(self._unknown_ones(), pick)
        self.world.do(self.world.owner.execute(_NOT_HEARD, order.id))
        order.asking = False
        asked = ask.Asked(
            verification_id=order.id, service=order.service, country="us", operator="", area_code="", capability="sms",
            price_micros=order.price, now=self.now,
        )  # fmt: skip
        bought = self.world.do(self.providers.sandbox.find(asked.order(order.created_at)))
        if bought is None:
            return
        self.world.do(ask.assigned(self.world.database, order=asked, provider=self.providers.sandbox, bought=bought, vault=VAULT))
        if order.status != "requesting":
            order.reference = "given back"
            return
        self._assigned(order, bought.reference)
        for _ in bought.messages:
            self._meets(order, has_code=True)

    @precondition(lambda self: any(o.asking for o in self.test.orders))
    @rule(pick=picks)
    def an_upstream_never_got_the_question(self, pick: int) -> None:
        order = one_of([o for o in self.test.orders if o.asking], pick)
        row = self.world.do(self.world.database.fetchrow(_FAIL, order.id, new_id("txn"), self.now))
        assert row["done"] == (order.status == "requesting")
        order.asking, order.reference = False, "never"
        if row["done"]:
            self.test.release(order, "fail", self.now)
