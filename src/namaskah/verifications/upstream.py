"""Tells upstreams that an order has ended: jobs, written in the statement that ended it, tried until the upstream agrees."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from namaskah.core.jobs import Handler, RetryLater
from namaskah.providers.base import Provider, ProviderError
from namaskah.providers.registry import Providers


def upstream_jobs(providers: Providers) -> Mapping[str, Handler]:
    """The handlers of the job kinds `provider_cancel` and `provider_finish`."""

    async def cancel(payload: dict[str, Any]) -> None:
        await _tell(providers.named(payload["provider"]), lambda p: p.cancel(payload["reference"]))

    async def finish(payload: dict[str, Any]) -> None:
        await _tell(providers.named(payload["provider"]), lambda p: p.finish(payload["reference"]))

    return {"provider_cancel": cancel, "provider_finish": finish}


async def _tell(provider: Provider, call: Callable[[Provider], Awaitable[None]]) -> None:
    try:
        await call(provider)
    except ProviderError as error:
        if error.kind == "already_received":
            # The upstream keeps its money: the code came there after we gave ours back. What was released stays so.
            return
        if error.kind in ("cannot_cancel_yet", "rate_limited", "down"):
            raise RetryLater(error.retry_after or 30.0, error.kind) from error
        raise
