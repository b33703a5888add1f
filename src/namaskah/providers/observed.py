"""An upstream as we use it: every call is timed and counted by its outcome, whoever makes it."""

from collections.abc import Awaitable, Collection, Sequence
from time import perf_counter
from typing import TypeVar

from namaskah.core import metrics, tracing
from namaskah.providers.base import Bought, Capabilities, Order, Polled, Provider, ProviderError, Quote

Answer = TypeVar("Answer")


class ObservedProvider:
    """Passes every call on to `inner`. A call that is cut off by its caller's time limit counts as `timeout`."""

    def __init__(self, inner: Provider) -> None:
        self.inner = inner
        self.name = inner.name

    @property
    def capabilities(self) -> Capabilities:
        """Those of the upstream."""
        return self.inner.capabilities

    async def quotes(self) -> Sequence[Quote]:
        """See Provider."""
        return await self._observed("quotes", self.inner.quotes())

    async def buy(self, order: Order) -> Bought:
        """See Provider."""
        return await self._observed("buy", self.inner.buy(order))

    async def find(self, order: Order, *, taken: Collection[str] = ()) -> Bought | None:
        """See Provider."""
        return await self._observed("find", self.inner.find(order, taken=taken))

    async def poll(self, references: Sequence[str]) -> Sequence[Polled]:
        """See Provider."""
        return await self._observed("poll", self.inner.poll(references))

    async def cancel(self, reference: str) -> None:
        """See Provider."""
        await self._observed("cancel", self.inner.cancel(reference))

    async def finish(self, reference: str) -> None:
        """See Provider."""
        await self._observed("finish", self.inner.finish(reference))

    async def another_code(self, reference: str) -> None:
        """See Provider."""
        await self._observed("another_code", self.inner.another_code(reference))

    async def balance(self) -> int | None:
        """See Provider."""
        return await self._observed("balance", self.inner.balance())

    async def _observed(self, operation: str, call: Awaitable[Answer]) -> Answer:
        started = perf_counter()
        outcome = "timeout"
        try:
            if tracing.current_span.get() is None:
                answer = await call
            else:
                with tracing.inside(f"{self.name} {operation}", "client", {"namaskah.provider": self.name}):
                    answer = await call
            outcome = "ok"
            return answer
        except ProviderError as error:
            outcome = error.kind
            raise
        except Exception:
            outcome = "broken"
            raise
        finally:
            metrics.PROVIDER_REQUESTS.labels(self.name, operation, outcome).inc()
            metrics.PROVIDER_SECONDS.labels(self.name, operation).observe(perf_counter() - started)
