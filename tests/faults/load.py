"""Customers and a number source under fire: each remembers what it was promised, and asks again where it heard nothing.

A purchase is repeated with its Idempotency-Key, a webhook with its message id, a cancel as it is: the outcome must then be
exactly one, however often the servers died in between.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tests.faults.shop import SERVICES, Buyer, Shop

Plan = Literal["code", "code_twice", "race", "cancel", "expire"]
# Definite, and no surprise: somebody else of ours is still at it, so the answer comes a moment later.
_AGAIN = frozenset({"idempotency_running", "cancel_too_early"})


@dataclass
class Order:
    """What one customer wanted, and what it was told."""

    place: int
    buyer: Buyer
    plan: Plan
    id: str = ""
    number: str = ""
    price: str = ""
    code: str = ""
    bought_at: float = 0.0
    code_accepted: bool = False
    cancelled: bool | None = None
    retries: int = 0


@dataclass
class History:
    """All orders, and when an answer was given to a request that began when."""

    orders: list[Order] = field(default_factory=list)
    successes: list[tuple[float, float]] = field(default_factory=list)
    unknown: int = 0
    surprises: list[Any] = field(default_factory=list)


class Load:
    """A number of customers at once, each with one order after the other until all are done."""

    def __init__(self, shop: Shop, *, orders: int, customers: int, expire_until: float, seed: int) -> None:
        self.history = History()
        self.done = 0
        # How many orders may be done by now; whoever breaks things raises it, so that a fast machine does not finish before.
        self.allowed = orders
        self._shop = shop
        self._wanted = orders
        self._customers = customers
        self._expire_until = expire_until
        self._began = time.monotonic()
        self._random = random.Random(seed)

    async def run(self) -> None:
        """Returns when every order has met its fate, but for those that are left to their deadline."""
        places = iter(range(self._wanted))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._customers):
                group.create_task(self._live(places))

    async def _live(self, places: Any) -> None:
        for place in places:
            while self.done >= self.allowed:
                await asyncio.sleep(0.01)
            order = Order(place, self._random.choice(self._shop.buyers), self._plan())
            self.history.orders.append(order)
            await self._buy(order)
            match order.plan:
                case "code" | "code_twice":
                    await self._code(order)
                case "cancel":
                    await self._cancel(order)
                case "race":
                    await asyncio.gather(self._code(order), self._cancel(order))
            self.done += 1

    def _plan(self) -> Plan:
        late = time.monotonic() - self._began > self._expire_until
        weights = {"code": 50, "code_twice": 10, "race": 15, "cancel": 20, "expire": 0 if late else 12}
        (plan,) = self._random.choices(list(weights), list(weights.values()))
        return plan  # type: ignore[return-value]

    async def _until_told(self, order: Order, ask: Any) -> Any:
        """Asks until somebody gives a definite answer; a minute without one is a failure."""
        deadline = time.monotonic() + 60
        while True:
            began = time.monotonic()
            answer = await ask()
            if answer is not None and not _running(answer):
                self.history.successes.append((began, time.monotonic()))
                return answer
            self.history.unknown += answer is None
            order.retries += 1
            trouble = f"{self._shop.last_trouble}\n{self._shop.served.output[-5000:]}"
            assert time.monotonic() < deadline, f"no answer for a minute: {order.plan} {order.retries} {trouble}"
            await asyncio.sleep(0.1)

    async def _buy(self, order: Order) -> None:
        body = {"service": SERVICES[order.place % len(SERVICES)], "country": "us"}
        key = {"idempotency-key": f"order-{order.place}"}
        answer = await self._until_told(
            order, lambda: self._shop.ask(order.buyer, "POST", "/verifications", json=body, headers=key)
        )
        if answer.status_code != 201:
            self.history.surprises.append((order, answer.status_code, answer.text))
            raise AssertionError(answer.text)
        shown = msgspec.json.decode(answer.content)
        order.id, order.number, order.price = shown["id"], shown["number"], shown["price"]["amount"]
        order.bought_at = time.time()

    async def _code(self, order: Order) -> None:
        order.code = f"{100_000 + order.place}"
        for number in range(2 if order.plan == "code_twice" else 1):
            text = f"Your code is {order.code}"
            for _ in range(self._random.choice([1, 1, 1, 2])):
                answer = await self._until_told(
                    order, lambda text=text, n=number: self._shop.deliver(f"sms-{order.place}-{n}", order.number, text)
                )
                if answer.status_code != 200:
                    self.history.surprises.append((order, answer.status_code, answer.text))
            order.code_accepted = True

    async def _cancel(self, order: Order) -> None:
        answer = await self._until_told(order, lambda: self._shop.ask(order.buyer, "POST", f"/verifications/{order.id}/cancel"))
        code = msgspec.json.decode(answer.content).get("code")
        if answer.status_code == 200:
            order.cancelled = True
        elif answer.status_code == 409 and code == "code_already_received":
            order.cancelled = False
        else:
            self.history.surprises.append((order, answer.status_code, answer.text))


def _running(answer: Any) -> bool:
    return answer.status_code == 409 and msgspec.json.decode(answer.content).get("code") in _AGAIN
