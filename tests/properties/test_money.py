"""The money, played: hypothesis makes up lives of two customers, with crashes in them, and every step is proved.

Each rule does the same to the platform and to the model. After every step all questions of the ledger's check must stay
without an answer, and wallets, limits, states, numbers and event numbers must be those of the model.
"""

import os
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from namaskah.core.batches import Pace
from namaskah.core.ids import new_id
from namaskah.inbound.accept import accept
from namaskah.inbound.sweep import handle_left_over
from namaskah.messages.record import NewMessage
from namaskah.verifications import errors
from namaskah.verifications.archive import archive_wallet
from namaskah.verifications.cancel import cancel
from namaskah.verifications.expire import expire_due
from namaskah.verifications.finish import finish
from namaskah.wallet.check import check
from tests.factories import VAULT
from tests.postgres import loop_in_a_thread
from tests.properties.life import SECONDS, crashes, one_of, picks
from tests.properties.model import PAUSE_SECONDS, Order, expire_all, free
from tests.properties.purchases import Purchases
from tests.properties.world import World

_ARCHIVED = "SELECT verification_id, status, price_micros FROM archived_orders WHERE verification_id = ANY ($1)"


class Money(Purchases):
    """Messages come, customers cancel and finish, deadlines pass."""

    # Messages

    def _arrives(self, order: Order | None, message: NewMessage, has_code: bool, crash: Any) -> None:
        self.sent.append(message)
        work = lambda db: accept(db, vault=VAULT, message=message, now=self.now)  # noqa: E731
        accepted, died_at = self._try(work, crash)
        if died_at is not None:
            again, _ = self._try(work, None)
            assert again.duplicate == (died_at > 0)
            if died_at == 1:
                self.now += 3 * SECONDS
                self.world.do(handle_left_over(self.world.database, now=self.now))
        outcome = self._meets(order, has_code=has_code)
        assert accepted is None or accepted.outcome == outcome

    @rule(place=st.integers(0, 4), has_code=st.booleans(), crash=crashes)
    def an_sms_comes(self, place: int, has_code: bool, crash: Any) -> None:
        number = self.numbers[place]
        text = "Your code is 482913" if has_code else "Welcome to our service!"
        message = NewMessage(
            origin="src_properties",
            origin_message_id=new_id("m"),
            number=number.e164,
            sender="Test",
            text=text,
            received_at=self.now,
        )
        self._arrives(number.last, message, has_code, crash)

    @precondition(lambda self: any((o.reference or "").startswith("sbx") for o in self.test.orders))
    @rule(pick=picks, has_code=st.booleans(), crash=crashes)
    def an_upstream_reports_an_sms(self, pick: int, has_code: bool, crash: Any) -> None:
        order = one_of([o for o in self.test.orders if (o.reference or "").startswith("sbx")], pick)
        text = "Your code is 482913" if has_code else "Welcome to our service!"
        message = NewMessage(
            origin="sandbox", origin_message_id=new_id("m"), reference=order.reference, number="+12025550100", sender="Test",
            text=text, received_at=self.now,
        )  # fmt: skip
        self._arrives(order, message, has_code, crash)

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def the_same_sms_comes_again(self, pick: int) -> None:
        message = one_of(self.sent, pick)
        assert self.world.do(accept(self.world.database, vault=VAULT, message=message, now=self.now)).duplicate

    # Ends

    @precondition(lambda self: any(a.orders for a in self.accounts))
    @rule(pick=picks, crash=crashes)
    def the_customer_cancels(self, pick: int, crash: Any) -> None:
        order = one_of([o for a in self.accounts for o in a.orders], pick)
        answer = self._surely(
            lambda db: cancel(
                db,
                principal=order.account.principal,
                verification_id=order.id,
                vault=VAULT,
                pause_seconds=PAUSE_SECONDS,
                now=self.now,
            ),
            crash,
        )
        if order.status == "completed":
            assert isinstance(answer, errors.CodeAlreadyReceived)
        elif order.status in ("expired", "failed"):
            assert isinstance(answer, errors.NumberAlreadyReleased)
        elif order.status == "requesting" and order.asking:
            assert isinstance(answer, errors.CancelTooEarly)
        else:
            assert msgspec.json.decode(answer.body)["status"] == "cancelled"
            if order.status != "cancelled":
                order.account.release(order, "cancel", self.now)

    @precondition(lambda self: any(a.orders for a in self.accounts))
    @rule(pick=picks, crash=crashes)
    def the_customer_finishes(self, pick: int, crash: Any) -> None:
        order = one_of([o for a in self.accounts for o in a.orders], pick)
        answer = self._surely(
            lambda db: finish(
                db,
                principal=order.account.principal,
                verification_id=order.id,
                vault=VAULT,
                pause_seconds=PAUSE_SECONDS,
                now=self.now,
            ),
            crash,
        )
        if order.status in ("pending", "requesting"):
            assert isinstance(answer, errors.NoCodeYet)
        elif order.status != "completed":
            assert isinstance(answer, errors.NumberAlreadyReleased)
        elif order.closed_at is None:
            order.closed_at, order.sweep = min(self.now, order.expires_at), False
            order.account.events += 1
            free(order, self.now)

    @rule(hours=st.sampled_from([1, 4, 13]))
    def old_orders_are_archived(self, hours: int) -> None:
        # All that is open ends first, and then grows old enough.
        self.now += timedelta(hours=1)
        self.sweep(None)
        self.now += timedelta(hours=hours)
        before = self.now - timedelta(hours=1)
        old = [o for a in self.accounts for o in a.orders if o.closed_at is not None and o.closed_at < before and not o.sweep]
        for account in self.accounts:
            who = account.principal
            self.world.do(
                archive_wallet(
                    self.world.archivist,
                    user_id=who.user_id,
                    livemode=who.livemode,
                    before=before,
                    pace=Pace(first=2, least=1, most=3),
                )
            )
        archived = self.world.do(self.world.owner.fetch(_ARCHIVED, [o.id for o in old]))
        assert {row["verification_id"]: (row["status"], row["price_micros"]) for row in archived} == {
            o.id: (o.status, o.price) for o in old
        }
        for account in self.accounts:
            account.orders = [o for o in account.orders if o not in old]
        # A message that came before can be told from a new one for as long as its order is there, which is for months.
        self.sent.clear()

    @rule(crash=crashes)
    def sweep(self, crash: Any) -> None:
        swept, died_at = self._try(lambda db: expire_due(db, pause_seconds=PAUSE_SECONDS, now=self.now), crash)
        expected = expire_all(self.accounts, self.now)
        if died_at is not None:
            self._try(lambda db: expire_due(db, pause_seconds=PAUSE_SECONDS, now=self.now), None)
        assert swept is None or tuple(swept) == expected
        assert self.world.violations(self.now, deadlines=True) == []


def test_no_life_of_a_customer_breaks_the_money(database_url: str) -> None:
    examples, steps = int(os.environ.get("NAMASKAH_PROPERTY_EXAMPLES", "80")), 40
    with loop_in_a_thread() as loop:
        world = World(database_url, loop)
        try:
            machine = type("MoneyHere", (Money,), {"world": world})
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip
            report = world.do(check(world.database, full=True))
            assert report.ok, report.findings
            archived = world.do(world.owner.fetchval("SELECT count(*) FROM archived_orders WHERE status = 'completed'"))
            assert archived > 0, "some of the lives were long enough for an archive"
        finally:
            world.close()
