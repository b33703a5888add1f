"""What a check works with: the instance, how it is asked, and how a check says that something is not as it should be."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, NamedTuple

from namaskah.baseline.probe import Answer, Probe
from namaskah.baseline.target import Target

API: Final = "/api/v2"
Json = dict[str, Any]


class CheckFailed(Exception):
    """The instance is not as it should be; the message says what was seen instead."""


class Skipped(Exception):
    """The check cannot be made here; the message says what is missing."""


def expect(condition: object, words: str) -> None:
    """Raises CheckFailed with `words` unless the condition holds."""
    if not condition:
        raise CheckFailed(words)


class Check(NamedTuple):
    """One question. Its function's docstring is what is printed, its function's name what `--only` takes."""

    area: str
    ask: Callable[["Bed"], Awaitable[None]]

    @property
    def slug(self) -> str:
        """The short name."""
        return self.ask.__name__.replace("_", "-")

    @property
    def title(self) -> str:
        """The whole sentence."""
        return (self.ask.__doc__ or self.slug).strip().splitlines()[0].rstrip(".")


@dataclass(frozen=True)
class Visitor:
    """Somebody who can sign in on the pages, for the checks that need it."""

    email: str
    password: str


class Bed:
    """The instance under test. `patience` is how many seconds a check waits for something that should come."""

    def __init__(
        self, target: Target, *, visitor: Visitor | None = None, browser: str | None = None, axe: str | None = None,
        patience: float = 15.0, always: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.target = target
        self.visitor = visitor
        self.browser = browser
        self.axe = axe
        self.patience = patience
        self.probe = Probe(target, always=always)
        self._orders: list[str] = []
        self._document: Json | None = None
        self._reading = asyncio.Lock()

    async def get(self, path: str) -> Json:
        """The JSON object of a GET below the API. Raises CheckFailed when the status is not 200."""
        return object_of(await self.probe.get(API + path), 200)

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Json:
        """The JSON object of a POST below the API. Raises CheckFailed when the status is another."""
        return object_of(await self.probe.post(API + path, body), status)

    async def start(self, service: str, *, country: str = "us", **wishes: Any) -> Answer:
        """Sends an order; what it makes is given back at the end."""
        headers = {"idempotency_key": wishes.pop("idempotency_key", "")}
        answer = await self.probe.post(f"{API}/verifications", {"service": service, "country": country, **wishes}, **headers)
        if answer.status == 201:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._orders.append(str(answer.json()["id"]))
        return answer

    async def buy(self, service: str, **wishes: Any) -> Json:
        """An order that must be taken."""
        return object_of(await self.start(service, **wishes), 201)

    async def until(self, order: str, condition: Callable[[Json], object], words: str, *, seconds: float | None = None) -> Json:
        """Reads an order by long-poll until the condition holds. Raises CheckFailed with `words` when it does not in time."""
        seconds = self.patience if seconds is None else seconds
        deadline = perf_counter() + seconds
        seen: Json = {}
        while (left := deadline - perf_counter()) > 0:
            seen = await self.get(f"/verifications/{order}?wait={max(1, min(int(left), 10))}")
            if condition(seen):
                return seen
            # A closed order answers a waiting read at once.
            await asyncio.sleep(0.1)
        raise CheckFailed(f"{words}; its status is {seen.get('status')} after {seconds:g} s")

    async def lines(self, order: str) -> list[Json]:
        """What the statement says about an order, the newest first."""
        page = await self.get("/wallet/transactions?limit=100")
        return [line for line in page["data"] if line["verification_id"] == order]

    async def document(self) -> Json:
        """The OpenAPI document, read once."""
        async with self._reading:
            if self._document is None:
                self._document = object_of(await self.probe.get(f"{API}/openapi.json", key=False), 200)
        return self._document

    async def close(self) -> None:
        """Gives back every order that is still open, and hangs up."""
        while self._orders:
            order = self._orders.pop()
            with contextlib.suppress(Exception):
                if (await self.probe.post(f"{API}/verifications/{order}/finish")).status != 200:
                    await self.probe.post(f"{API}/verifications/{order}/cancel")
        self.probe.hang_up()


def object_of(answer: Answer, status: int) -> Json:
    """The JSON object of an answer with this status. Raises CheckFailed."""
    expect(answer.status == status, f"the status is {answer.status} {_code(answer)}instead of {status}")
    try:
        body = answer.json()
    except ValueError:
        raise CheckFailed("the answer is not JSON") from None
    expect(isinstance(body, dict), "the answer is not a JSON object")
    return dict(body)


def problem_of(answer: Answer, status: int, code: str, *, charged: object = False) -> Json:
    """The problem that an answer holds, with everything that a client relies on. Raises CheckFailed."""
    expect(answer.status == status, f"the status is {answer.status} {_code(answer)}instead of {status} {code}")
    kind = answer.header("content-type").partition(";")[0]
    expect(kind == "application/problem+json", f"an error comes as {kind or 'nothing'} instead of application/problem+json")
    found = object_of(answer, status)
    expect(found.get("code") == code, f"the code is {found.get('code')} instead of {code}")
    expect(found.get("charged") == charged, f"`charged` is {found.get('charged')} instead of {charged}")
    expect(found.get("status") == status and found.get("title") and found.get("type"), "status, title or type is missing")
    expect(found.get("request_id") == answer.header("x-request-id"), "request_id is not that of the header X-Request-ID")
    return found


def _code(answer: Answer) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        return f"({answer.json().get('code') or 'no code'}) "
    return ""
