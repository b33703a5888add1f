"""GET /verifications/{id}?wait=: a read that waits for news, for clients that cannot hold a stream open."""

from asyncio import get_running_loop
from time import perf_counter
from typing import TYPE_CHECKING

from namaskah.accounts.principal import Principal
from namaskah.core.observed import current_request
from namaskah.verifications.queries import read, standing
from namaskah.verifications.states import OPEN

if TYPE_CHECKING:
    from namaskah.core.events import Subscription
    from namaskah.platform import Platform


async def read_when_changed(platform: "Platform", principal: Principal, verification_id: str, *, seconds: int) -> bytes:
    """The verification: at once when it has ended or `seconds` is 0, else after its next event or that time.

    Raises VerificationNotFound.
    """
    if seconds and not platform.hub.draining:
        # Subscribed before the look: what happens from here on is either seen by it or wakes the wait.
        subscription = await platform.hub.subscribe(principal.user_id, principal.livemode)
        try:
            status, _ = await standing(platform.db, principal=principal, verification_id=verification_id)
            if status in OPEN:
                began = perf_counter()
                await _wait_for(subscription, verification_id, seconds)
                if (record := current_request.get()) is not None:
                    record.waited += perf_counter() - began
        finally:
            subscription.close()
    return await read(platform.db, principal=principal, verification_id=verification_id, vault=platform.vault)


async def _wait_for(subscription: "Subscription", verification_id: str, seconds: float) -> None:
    clock = get_running_loop().time
    deadline = clock() + seconds
    while (left := deadline - clock()) > 0:
        rows = await subscription.next(left)
        if not rows or any(row.object_id == verification_id for row in rows):
            # No rows: the time is over, or the process ends and wants its requests done.
            return
