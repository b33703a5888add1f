"""What every part of the state machine stands on: a world, a clock, money that comes and goes, a process that may die."""

import itertools
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from namaskah.core.errors import NamaskahError
from namaskah.messages.record import NewMessage
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import Sandbox
from namaskah.wallet.adjust import DebitTooLarge, credit, debit
from tests.properties.crashing import CrashingDatabase, Died
from tests.properties.model import Account, Order, outcome_of_message
from tests.properties.world import World

SECONDS = timedelta(seconds=1)
# How a process dies: at which of its statements, and on which side of it. None: it lives.
crashes = st.none() | st.tuples(st.integers(1, 5), st.sampled_from(["before", "after"]))
# Which of those that there are: numbers are given out at random, so that nothing else may decide what is drawn.
picks = st.integers(0, 10**6)
pauses = st.sampled_from([1, 29, 59, 60, 61, 600, 1199, 1200, 1201, 3600, 3601, 4 * 3600, 13 * 3600])
CASES = (
    "test_instant",
    "test_success",
    "test_timeout",
    "test_no_numbers",
    "test_provider_down",
    "test_price_moved",
    "test_unknown_outcome",
)
_WALLETS = """
SELECT balance_micros, held_micros, open_count, hour_count,
       CASE WHEN day_started_on = ($3::timestamptz AT TIME ZONE 'UTC')::date THEN day_spent_micros ELSE 0 END, event_seq,
       (SELECT count(*) FROM events e WHERE e.user_id = w.user_id AND e.livemode = w.livemode),
       (SELECT max(seq) FROM events e WHERE e.user_id = w.user_id AND e.livemode = w.livemode)
FROM wallets w WHERE user_id = $1 AND livemode = $2
"""
_STATES = "SELECT id, status, charged, message_count, closed_at FROM verifications WHERE user_id = $1 AND livemode = $2"
_BUSY = "SELECT e164 FROM numbers WHERE busy AND retired_at IS NULL"
_KEY_SPEND = "SELECT day, spent_micros FROM api_key_spend WHERE key_id = $1 AND spent_micros > 0"
Work = Callable[[Any], Coroutine[Any, Any, Any]]


def one_of(those: list[Any], pick: int) -> Any:
    """One of those that there are."""
    return those[pick % len(those)]


class Life(RuleBasedStateMachine):
    """Two customers, three wallets, five numbers, two services, the test mode's upstream; and what must always hold."""

    world: World

    @initialize()
    def begin(self) -> None:
        world = self.world
        self.now = world.next_epoch()
        self.tight, self.roomy, self.test = world.new_accounts()
        self.accounts = [self.tight, self.roomy, self.test]
        self.numbers = world.new_numbers(5)
        self.prices = dict([world.new_service(300_000), world.new_service(700_000)])
        self.prices |= {case: world.price_of(case) for case in CASES}
        self.providers = Providers(sandbox=Sandbox(clock=lambda: self.now))
        self.used: dict[tuple[str, str], Order] = {}
        self.sent: list[NewMessage] = []
        self.count = itertools.count(1)
        for account in self.accounts:
            self._pay_in(account, 4_000_000)

    def teardown(self) -> None:
        if hasattr(self, "accounts"):
            self.now += timedelta(days=1)
            self.sweep(None)
            self.as_the_model_says()

    # Doing something in a process that may die, and again in the next one

    def _try(self, work: Work, crash: Any) -> tuple[Any, int | None]:
        """The answer or the refusal, and how many statements were done when the process died (None: it lived)."""
        database: Any = self.world.database if crash is None else CrashingDatabase(self.world.database, *crash)
        try:
            return self.world.do(work(database)), None
        except Died:
            return None, crash[0] - (crash[1] == "before")
        except NamaskahError as refusal:
            return refusal, None

    def _surely(self, work: Work, crash: Any) -> Any:
        """The answer or the refusal, after trying again if the process died."""
        answer, died_at = self._try(work, crash)
        return answer if died_at is None else self._try(work, None)[0]

    # Time and money

    @rule(seconds=pauses)
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECONDS

    def _pay_in(self, account: Account, micros: int) -> None:
        who = account.principal
        self.world.do(
            credit(
                self.world.database,
                user_id=who.user_id,
                livemode=who.livemode,
                amount_micros=micros,
                reason="r",
                actor_id="system",
                now=self.now,
            )
        )
        account.balance += micros
        account.events += 1

    @rule(place=st.integers(0, 2), micros=st.sampled_from([1, 10_000, 300_000, 999_999]))
    def money_comes(self, place: int, micros: int) -> None:
        self._pay_in(self.accounts[place], micros)

    @rule(place=st.integers(0, 2), micros=st.sampled_from([1, 300_000, 2_000_000, 10**12]))
    def money_goes(self, place: int, micros: int) -> None:
        account = self.accounts[place]
        who = account.principal
        answer, _ = self._try(
            lambda db: debit(
                db, user_id=who.user_id, livemode=who.livemode, amount_micros=micros, reason="r", actor_id="ops", now=self.now
            ),
            None,
        )
        assert isinstance(answer, DebitTooLarge) == (account.available < micros)
        if not isinstance(answer, NamaskahError):
            account.balance -= micros
            account.events += 1

    def _meets(self, order: Order | None, *, has_code: bool) -> str:
        outcome = outcome_of_message(order, has_code, self.now)
        if order is not None and outcome != "no_verification":
            order.messages += 1
            order.account.events += 1
            if outcome == "captured":
                order.account.capture(order)
        return outcome

    # What must hold after every step

    @invariant()
    def the_ledger_holds(self) -> None:
        assert self.world.violations(self.now, deadlines=False) == []

    @invariant()
    def as_the_model_says(self) -> None:
        owner = self.world.owner
        for account in self.accounts:
            who = account.principal
            row = tuple(self.world.do(owner.fetchrow(_WALLETS, who.user_id, who.livemode, self.now)))
            spent = account.day_spent if account.day == self.now.date() else 0
            events = account.events
            expected = (account.balance, account.held, account.open_count, account.hour_count, spent, events, events, events)
            assert row == expected, who
            states = self.world.do(owner.fetch(_STATES, who.user_id, who.livemode))
            assert {row["id"]: tuple(row)[1:] for row in states} == {
                o.id: (o.status, o.status == "completed", o.messages, o.closed_at) for o in account.orders
            }
        busy = {row["e164"] for row in self.world.do(owner.fetch(_BUSY))}
        assert busy == {number.e164 for number in self.numbers if number.busy}
        spend = self.world.do(owner.fetch(_KEY_SPEND, self.tight.principal.key_id))
        assert {row["day"]: row["spent_micros"] for row in spend} == {d: s for d, s in self.tight.key_spent.items() if s}
