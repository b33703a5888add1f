"""The play itself: who does what, in which order, and what is printed of it."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress

from namaskah.accounts import api_keys
from namaskah.accounts.sign_up import CURRENT_TERMS_VERSION
from namaskah.catalog.set_plan import set_plan
from namaskah.core.crypto import Vault
from namaskah.core.money import MICROS
from namaskah.core.webhook_signature import secret_bytes
from namaskah.demo.actors import Customer, Source
from namaskah.demo.corpus import CorpusUnusable, Sample, read_corpus, same_code
from namaskah.demo.instance import LIFETIME_SECONDS, DidNotStart, Instance, running
from namaskah.demo.tally import Tally, broken, percentile
from namaskah.providers.inventory import NewNumber, add_numbers, create_source
from namaskah.providers.number_fiction import fiction_number
from namaskah.wallet.adjust import credit
from namaskah.wallet.check import check
from namaskah.wallet.register import register

NUMBERS, AT_ONCE, EXPIRING, CANCELLING, RACING, REPLAYED = 200, 12, 8, 8, 20, 10
_SERVICES = "SELECT slug FROM services WHERE NOT blocked AND NOT sandbox AND stopped_at IS NULL ORDER BY popularity"
_SETTLED = """
SELECT count(*) AS bought, count(*) FILTER (WHERE charged) AS charged,
       count(*) FILTER (WHERE status = 'cancelled') AS cancelled, count(*) FILTER (WHERE status = 'expired') AS expired,
       coalesce(sum(price_micros) FILTER (WHERE charged), 0)::bigint AS captured
FROM verifications WHERE user_id = $1
"""
_BALANCE = "SELECT balance_micros FROM wallets WHERE user_id = $1 AND livemode"


class Play:
    """One run of the demo: the actors, the counts, and where it talks."""

    def __init__(self, customer: Customer, source: Source, services: list[str], say: Callable[[str], None]) -> None:
        self.customer, self.source, self.say = customer, source, say
        self.tally = Tally()
        self.latencies: list[float] = []
        self._services = cycle(services)
        self._keys = 0

    async def bought(self) -> dict[str, Any]:
        """A number for the next service. RuntimeError when the platform refuses what it has to sell."""
        self._keys += 1
        answer = await self.customer.buy(next(self._services), f"demo-{self._keys}")
        if answer.status_code != 201:
            raise RuntimeError(f"a purchase was refused: {answer.text}")
        verification: dict[str, Any] = answer.json()
        return verification

    async def one_message(self, sample: Sample) -> None:
        """Buys, delivers, reads the code from the stream, and finishes."""
        verification = await self.bought()
        sent = time.monotonic()
        waiting = asyncio.create_task(self.customer.event("verification.code_received", verification["id"], 5))
        await self.source.deliver(verification["number"], sample.text, self.source.new_id())
        came = await waiting
        if came is None:
            self.tally.codes_wrong += 1
            self.say(f"[yellow]no code seen[/] in: {_short(sample.text)}")
            await self.customer.do(verification["id"], "cancel")
            return
        self.latencies.append((came[0] - sent) * 1000)
        right = same_code(came[1]["code"], sample.expected)
        self.tally.codes_right += right
        self.tally.codes_wrong += not right
        mark = "[green]code[/]" if right else "[red]wrong[/]"
        self.say(f"{mark} {came[1]['code']:<10} {verification['service']:<14} {_short(sample.text)}")
        await self.customer.do(verification["id"], "finish")

    async def race(self, place: int) -> None:
        """A code and a cancel set off at the same instant: exactly one of them wins."""
        verification = await self.bought()

        async def cancel() -> Any:
            # A message takes a little longer to be taken in than a cancel: without a head start it would seldom win.
            await asyncio.sleep(place % 4 * 0.004)
            return await self.customer.do(verification["id"], "cancel")

        message = self.source.deliver(verification["number"], f"Your code is {100_000 + place}", self.source.new_id())
        answers = await asyncio.gather(message, cancel())
        after = await self.customer.read(verification["id"])
        if any(answer.status_code >= 500 for answer in answers) or (after["status"] == "completed") != after["charged"]:
            raise RuntimeError("a race was not decided cleanly")
        self.tally.races += 1
        self.say(f"race: the {'code' if after['charged'] else 'cancel'} won")

    async def cancel_one(self) -> None:
        """The customer changes their mind."""
        verification = await self.bought()
        answer = await self.customer.do(verification["id"], "cancel")
        self.say(f"cancelled after {answer.elapsed.total_seconds() * 1000:.0f} ms, {verification['price']['amount']} USD back")

    async def repeat_webhook(self, place: int) -> None:
        """A source that did not hear our answer sends its message again."""
        verification = await self.bought()
        message_id = self.source.new_id()
        for attempt in range(3):
            answer = (await self.source.deliver(verification["number"], f"{200_000 + place} is your code", message_id)).json()
            if attempt and answer["duplicate"]:
                self.tally.duplicate_webhooks_ignored += 1
        after = await self.customer.read(verification["id"])
        if len(after["messages"]) != 1:
            raise RuntimeError("a repeated webhook was counted twice")

    async def repeat_purchase(self, place: int) -> None:
        """A customer who did not hear our answer asks again with the same key."""
        service = next(self._services)
        answers = [await self.customer.buy(service, f"replay-{place}") for _ in range(2)]
        same = answers[0].json()["id"] == answers[1].json()["id"]
        self.tally.replayed_purchases += same
        await self.customer.do(answers[0].json()["id"], "cancel")

    async def expire(self, verifications: list[dict[str, Any]]) -> None:
        """Waits for the deadlines of orders that nobody sends a message to."""
        for verification in verifications:
            if await self.customer.event("verification.expired", verification["id"], LIFETIME_SECONDS + 10) is None:
                raise RuntimeError("a verification did not expire in time")
        self.say(f"{len(verifications)} expired by themselves, their money is back")


async def _few_at_once(works: list[Awaitable[None]], done: Callable[[], None]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[None]) -> None:
        async with gate:
            await work
            done()

    await asyncio.gather(*(one(work) for work in works))


async def _set_up(instance: Instance) -> tuple[str, str, Source, list[str]]:
    """The operator's part: a source with numbers, a customer with money and a key."""
    db, vault = instance.db, Vault(instance.settings.key_bytes)
    source, secret = await create_source(db, name="demo", vault=vault, actor_id="demo")
    numbers: dict[str, NewNumber] = {}
    seed = 0
    while len(numbers) < NUMBERS:
        number = fiction_number("us", seed)
        numbers[number] = NewNumber(number)
        seed += 1
    await add_numbers(db, source_id=source.id, numbers=numbers.values())
    user = await register(db, email="customer@demo.test", password="a long demo phrase 42", terms_version=CURRENT_TERMS_VERSION)
    await set_plan(db, user_id=user.id, plan="enterprise", actor_id="demo", reason="demo")
    await credit(db, user_id=user.id, amount_micros=10_000 * MICROS, reason="demo", actor_id="demo")
    _key, api_key = await api_keys.create(db, user_id=user.id, livemode=True, name="demo")
    services = [row["slug"] for row in await db.fetch(_SERVICES)]
    return user.id, api_key, Source(instance.url, source.id, secret_bytes(secret)), services


async def _until_asked_to_stop(samples: list[Sample], console: Console) -> tuple[Tally, list[str]]:
    """SIGTERM ends the play as Ctrl-C does: with its processes and its folder."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await _play(samples, console)


async def _play(samples: list[Sample], console: Console) -> tuple[Tally, list[str]]:
    async with running() as instance:
        try:
            user_id, key, source, services = await _set_up(instance)
            console.print(f"[bold]Namaskah[/] on {instance.url}: {NUMBERS} numbers, one customer, {len(samples)} messages")
            async with Customer(instance.url, key) as customer:
                play = Play(customer, source, services, console.print)
                await _perform(play, samples, console)
            await source.close()
            return await _prove(instance, play, user_id, len(samples))
        finally:
            await instance.db.close()


async def _perform(play: Play, samples: list[Sample], console: Console) -> None:
    forgotten = [await play.bought() for _ in range(EXPIRING)]
    works: list[Awaitable[None]] = [play.one_message(sample) for sample in samples]
    works += [play.race(place) for place in range(RACING)]
    works += [play.cancel_one() for _ in range(CANCELLING)]
    works += [play.repeat_webhook(place) for place in range(REPLAYED)]
    works += [play.repeat_purchase(place) for place in range(REPLAYED)]
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("orders", total=len(works))
        await _few_at_once(works, lambda: progress.advance(task))
        await play.expire(forgotten)


async def _prove(instance: Instance, play: Play, user_id: str, messages: int) -> tuple[Tally, list[str]]:
    tally = play.tally
    row: Any = await instance.db.fetchrow(_SETTLED, user_id)
    tally.bought, tally.charged = row["bought"], row["charged"]
    tally.cancelled, tally.expired = row["cancelled"], row["expired"]
    tally.released = tally.cancelled + tally.expired
    tally.p50_ms, tally.p99_ms = (round(percentile(play.latencies, share), 2) for share in (0.5, 0.99))
    report = await check(instance.db, full=True)
    tally.ledger_ok, tally.drift_micros = report.ok, report.drift_micros
    balance = await instance.db.fetchval(_BALANCE, user_id)
    failures = broken(tally, messages=messages, spent_micros=10_000 * MICROS - balance, captured_micros=row["captured"])
    return tally, failures + [f"{found.invariant}: {found.subject}" for found in report.findings]


def run(*, corpus: Path | None, as_json: bool) -> int:
    """Plays the demo; answers the exit code: 0 only if everything holds. With `as_json` one object is all that is printed."""
    console = Console(file=sys.stderr if as_json else sys.stdout, quiet=as_json, highlight=False)
    if corpus is not None and not corpus.is_dir():
        print(f"demo: there is no folder {corpus}; playing our own messages instead", file=sys.stderr)
    try:
        tally, failures = asyncio.run(_until_asked_to_stop(read_corpus(corpus), console))
    except asyncio.CancelledError:
        print("demo: stopped, and everything that it had started", file=sys.stderr)
        return 1
    except (CorpusUnusable, DidNotStart, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(msgspec.json.encode(tally).decode())
    else:
        console.print("\n[bold]The ledger is proved.[/]" if tally.ledger_ok else "\n[bold red]The ledger does not hold.[/]")
        for name, value in msgspec.structs.asdict(tally).items():
            console.print(f"  {name.replace('_', ' '):<28}{value}")
    for failure in failures:
        print(f"demo: does not hold: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _short(text: str) -> str:
    flat = " ".join(text.split()).replace("[", "\\[")
    return flat if len(flat) <= 60 else flat[:59] + "…"
