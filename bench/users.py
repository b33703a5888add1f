"""Virtual users on the real flow: sign in, look at the home page, read the offers, buy, wait for the code, read the
history; with time to think between the steps, and a new session after some purchases.

It runs as a process of its own (`python -m bench.users`, the orders as JSON on standard input) and writes a line of
JSON for every stretch of time: what each step took, what failed, and what the generator itself used.

With a source of numbers (its id and secret) the codes come by its signed webhooks, and the time of a code counts from
the moment in which its webhook leaves. Without one everything happens in test mode, on services of the
sandbox, and the time of a code is that of reading it.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from bench.server import run
from bench.wire import Answer, ConnectionLost, Wire
from namaskah.core.webhook_signature import secret_bytes, sign

STEPS: Final = ("sign in", "home", "offers", "buy", "code", "history")
# What runs beside the steps; shown, but nobody waits for it.
BESIDE: Final = ("webhook", "refill")
SANDBOX: Final = ("test_instant", "test_success")
THINK_SPREAD: Final = 0.2
# From one address more than ten sign-ins at once would look like guessing.
SIGN_INS_OF_ONE_ADDRESS: Final = 4


class Account(msgspec.Struct):
    """Who signs in, and the key that then buys."""

    email: str
    password: str
    key: str


class Orders(msgspec.Struct, kw_only=True):
    """What to do. `urls` are the web processes, over which the users are spread; times are in seconds;
    `patience` is how long a code is waited for, and it comes between the two times of `delivery` after its purchase.

    `own_addresses`: the server believes X-Forwarded-For, so that every user comes from an address of its own.
    """

    urls: list[str]
    accounts: list[Account]
    users: int
    sign_ins_a_second: float
    seconds: float
    think: float
    purchases_a_session: int
    services: list[str]
    country: str = "us"
    source_id: str = ""
    source_secret: str = ""
    own_addresses: bool = False
    stretch: float = 10.0
    patience: float = 30.0
    delivery: tuple[float, float] = (1.0, 3.0)
    # Each user goes on until so many purchases are done, also when the time is over: for tests on slow machines.
    least_purchases: int = 0


class Stretch(msgspec.Struct, kw_only=True):
    """What happened in one stretch of time. `steady`: everybody was in. Milliseconds by step, reasons by step."""

    at: float
    steady: bool
    last: bool
    users: int
    seconds: float
    took: dict[str, list[float]]
    failed: dict[str, dict[str, int]]
    generator_seconds: float
    lag_ms: float


class Refused(Exception):
    """An answer that is not what the flow needs; the text is what the table shows."""


class Run:
    """What all virtual users share: the orders, the watch, and the gateway that delivers messages."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.over = asyncio.Event()
        self.users = 0
        self.sign_ins = asyncio.Semaphore(1_000_000 if orders.own_addresses else SIGN_INS_OF_ONE_ADDRESS)
        self.deliveries: set[asyncio.Task[None]] = set()
        self._gateways: list[Wire] = []
        self._secret = secret_bytes(orders.source_secret) if orders.source_secret else b""
        self._messages = 0
        self.took: dict[str, list[float]] = defaultdict(list)
        self.failed: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    async def think(self, chance: random.Random) -> None:
        """As long as a person, or until the run is over."""
        seconds = self.orders.think * chance.uniform(1 - THINK_SPREAD, 1 + THINK_SPREAD)
        await self.pause(seconds)

    async def pause(self, seconds: float) -> None:
        """So long, or until the run is over."""
        if seconds > 0 and not self.over.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self.over.wait()
            except TimeoutError:
                pass

    async def step(self, name: str, work: Callable[[], Awaitable[float | None]]) -> bool:
        """Runs one step; notes what it took (or what it says itself) or why it failed. Whether it worked."""
        started = time.perf_counter()
        try:
            own = await work()
        except (Refused, ConnectionLost, OSError, TimeoutError) as error:
            self.failed[name][str(error) if isinstance(error, Refused) else type(error).__name__] += 1
            return False
        self.took[name].append((time.perf_counter() - started if own is None else own) * 1000)
        return True

    def deliver(self, number: str, code: str, after: float) -> "asyncio.Future[float]":
        """Sends a code to a number a while later; answers when it left."""
        left: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            await asyncio.sleep(after)
            wire = self._gateways.pop() if self._gateways else Wire(self.orders.urls[self._messages % len(self.orders.urls)])
            self._messages += 1

            async def send() -> None:
                message_id = f"load-{self._messages}-{code}-{time.time_ns():x}"
                text = f"{code} is your verification code."
                body = json.dumps({"message_id": message_id, "to": number, "from": "Service", "text": text}).encode()
                now = int(time.time())
                signature = sign(self._secret, message_id, now, body)
                left.set_result(time.perf_counter())
                answer = await wire.post_json(
                    f"/inbound/sms/{self.orders.source_id}", body,
                    webhook_id=message_id, webhook_timestamp=str(now), webhook_signature=signature,
                )  # fmt: skip
                expect(answer, 200)

            await self.step("webhook", send)
            self._gateways.append(wire)

        task = asyncio.create_task(work())
        self.deliveries.add(task)
        task.add_done_callback(self.deliveries.discard)
        return left

    def close(self) -> None:
        """Closes the gateway's connections."""
        for wire in self._gateways:
            wire.close()


class User:
    """One virtual user."""

    def __init__(self, run: Run, number: int) -> None:
        orders = run.orders
        self._run = run
        self._number = number
        self._account = orders.accounts[number % len(orders.accounts)]
        self._chance = random.Random(number)
        # Ten million addresses of a private network, one for each.
        headers = (
            {"x-forwarded-for": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"} if orders.own_addresses else {}
        )
        self._wire = Wire(orders.urls[number % len(orders.urls)], headers=headers, seconds=orders.patience + 5)
        self._bearer = f"Bearer {self._account.key}"
        self._cookie = ""
        self._bought = ""
        self._purchases = 0
        self._code: Callable[[], Awaitable[float | None]] = self._read_code

    async def live(self) -> None:
        """Until the run is over."""
        run = self._run
        try:
            await run.pause(self._number / run.orders.sign_ins_a_second)
            while not self._may_end():
                if not await self._session() and run.over.is_set():
                    return
        finally:
            self._wire.close()

    def _may_end(self) -> bool:
        return self._run.over.is_set() and self._purchases >= self._run.orders.least_purchases

    async def _session(self) -> bool:
        """Whether signing in worked."""
        run = self._run
        async with run.sign_ins:
            signed_in = await run.step("sign in", self._sign_in)
        if not signed_in:
            # As a person would: not at once again.
            await run.pause(max(run.orders.think, 0.2))
            return False
        await run.step("home", self._home)
        run.users += 1
        purchases = 0
        while not self._may_end() and (not run.orders.purchases_a_session or purchases < run.orders.purchases_a_session):
            await self._purchase()
            purchases += 1
            self._purchases += 1
        run.users -= 1
        return True

    async def _purchase(self) -> None:
        run, chance = self._run, self._chance
        if not run.orders.source_id:
            # The users of a test account share its wallet.
            await run.step("refill", self._refill)
        for name, work, thinks in (
            ("offers", self._offers, True), ("buy", self._buy, True), ("code", self._read_code_of_purchase, not run.orders.source_id),
            ("history", self._history, True),
        ):  # fmt: skip
            if thinks:
                await run.think(chance)
            # A code that is on its way is waited for, also at the end.
            if name != "code" and self._may_end():
                return
            if not await run.step(name, work) and name == "buy":
                await run.pause(0.2)
                return

    async def _sign_in(self) -> None:
        answer = await self._wire.post_form(
            "/sign-in", {"email": self._account.email, "password": self._account.password, "next": "/"}
        )
        expect(answer, 303)
        self._cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())

    async def _home(self) -> None:
        answer = expect(await self._wire.get("/", cookie=self._cookie), 200)
        if b"/sign-out" not in answer.body:
            raise Refused("signed out")

    async def _refill(self) -> None:
        expect(await self._wire.post_json("/api/v2/wallet/test-refill", b"", authorization=self._bearer), 200)

    async def _offers(self) -> None:
        self._service = self._chance.choice(self._run.orders.services)
        answer = expect(await self._wire.get(f"/api/v2/offers?service={self._service}", authorization=self._bearer), 200)
        if not json.loads(answer.body)["data"]:
            raise Refused("no offers")

    async def _buy(self) -> None:
        body = json.dumps({"service": self._service, "country": self._run.orders.country}).encode()
        key = f"load-{self._chance.getrandbits(64):x}-{time.time_ns():x}"
        answer = await self._wire.post_json("/api/v2/verifications", body, authorization=self._bearer, idempotency_key=key)
        verification = json.loads(expect(answer, 201).body)
        self._bought = verification["id"]
        self._code = self._code_by_webhook(verification["number"]) if self._run.orders.source_id else self._read_code

    def _code_by_webhook(self, number: str) -> Callable[[], Awaitable[float | None]]:
        code = f"{self._chance.randrange(1_000_000):06d}"
        after = self._chance.uniform(*self._run.orders.delivery) if self._run.orders.think else 0.0
        left = self._run.deliver(number, code, after)

        async def wait() -> float:
            if await self._wait_for_code() != code:
                raise Refused("another code")
            return time.perf_counter() - left.result()

        return wait

    async def _read_code_of_purchase(self) -> float | None:
        return await self._code()

    async def _read_code(self) -> float:
        """The sandbox takes its own time until there is a code; what counts is the read that shows it."""
        await self._wait_for_code()
        started = time.perf_counter()
        expect(await self._wire.get(f"/api/v2/verifications/{self._bought}", authorization=self._bearer), 200)
        return time.perf_counter() - started

    async def _wait_for_code(self) -> str:
        deadline = time.perf_counter() + self._run.orders.patience
        while (left := deadline - time.perf_counter()) > 0:
            path = f"/api/v2/verifications/{self._bought}?wait={max(1, round(left))}"
            code = json.loads(expect(await self._wire.get(path, authorization=self._bearer), 200).body)["code"]
            if code:
                return str(code)
        raise Refused("no code")

    async def _history(self) -> None:
        answer = expect(await self._wire.get("/api/v2/verifications?limit=20", authorization=self._bearer), 200)
        ids = [one["id"] for one in json.loads(answer.body)["data"]]
        # Users of one account see each other's purchases.
        if self._bought not in ids and len(self._run.orders.accounts) >= self._run.orders.users:
            raise Refused("not in the history")


def expect(answer: Answer, status: int) -> Answer:
    """The answer, if it is as expected. Raises Refused with its status, and the problem's code where there is one."""
    if answer.status == status:
        return answer
    code = ""
    if "problem+json" in answer.headers.get("content-type", ""):
        code = " " + str(json.loads(answer.body).get("code", ""))
    raise Refused(f"{answer.status}{code}")


class _Lag:
    """How late this process wakes up: what it adds to every time that it measures."""

    def __init__(self) -> None:
        self._worst = 0.0

    async def watch(self) -> None:
        while True:
            due = time.perf_counter() + 0.05
            await asyncio.sleep(0.05)
            self._worst = max(self._worst, time.perf_counter() - due)

    def worst_ms(self) -> float:
        worst, self._worst = self._worst, 0.0
        return worst * 1000


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _play(orders: Orders) -> None:
    run, lag = Run(orders), _Lag()
    watching = asyncio.create_task(lag.watch())
    users = [asyncio.create_task(User(run, number).live()) for number in range(orders.users)]
    begin = time.perf_counter()
    steady_at = begin + orders.users / orders.sign_ins_a_second
    end = steady_at + orders.seconds
    last_used, last_at = _used(), begin
    while last_at < end:
        # A stretch is either before everybody is in, or after.
        until = min(last_at + orders.stretch, steady_at if last_at < steady_at else end)
        await asyncio.sleep(max(0.0, until - time.perf_counter()))
        signed_in = run.users
        if until >= end:
            run.over.set()
            await asyncio.wait(users, timeout=orders.patience + (60 if orders.least_purchases else 10))
            await asyncio.gather(*run.deliveries)
        now, used = time.perf_counter(), _used()
        line = Stretch(
            at=now - begin, steady=last_at >= steady_at, last=until >= end, users=signed_in, seconds=now - last_at, took=run.took,
            failed={name: dict(reasons) for name, reasons in run.failed.items()}, generator_seconds=used - last_used, lag_ms=lag.worst_ms(),
        )  # fmt: skip
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()
        run.took, run.failed = defaultdict(list), defaultdict(lambda: defaultdict(int))
        last_used, last_at = used, until
    watching.cancel()
    run.close()
    broken = [task.exception() for task in users if task.done() and not task.cancelled() and task.exception()]
    if broken:
        raise broken[0] or RuntimeError


def main() -> None:
    """Reads the orders and plays them."""
    run(_play(msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)))


if __name__ == "__main__":
    main()
