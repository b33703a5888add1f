"""Telling an upstream that an order has ended: again and again until it agrees, dead only when a person must look."""

import pytest

from namaskah.core.jobs import JobRunner
from namaskah.providers.base import ProviderError
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import Sandbox
from namaskah.verifications.upstream import upstream_jobs

_JOB = 'INSERT INTO jobs (kind, payload, max_attempts) VALUES ($1, \'{"provider": "sandbox", "reference": "r"}\', 1)'


class Says(Sandbox):
    """Answers every end with the same error, or accepts it."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    async def cancel(self, reference):
        if self._error is not None:
            raise self._error

    finish = cancel


async def run(database, db, kind, error):
    await db.execute(_JOB, kind)
    assert await JobRunner(database, upstream_jobs(Providers(sandbox=Says(error))), {}).run_due() == 1
    return await db.fetchrow("SELECT attempts, due_at > now() AS later, dead_at, last_error FROM jobs")


@pytest.mark.parametrize("kind", ["provider_cancel", "provider_finish"])
@pytest.mark.parametrize("error", [None, ProviderError("already_received")])
async def test_agreed_or_too_late_is_done(database, db, kind, error):
    assert await run(database, db, kind, error) is None


@pytest.mark.parametrize("kind", ["cannot_cancel_yet", "rate_limited", "down"])
async def test_not_now_is_tried_again_and_does_not_count(database, db, kind):
    row = await run(database, db, "provider_cancel", ProviderError(kind, retry_after=60.0))
    assert (row["later"], row["dead_at"]) == (True, None)


async def test_what_only_a_person_can_change_is_kept_as_dead(database, db):
    row = await run(database, db, "provider_cancel", ProviderError("bad_request"))
    assert row["dead_at"] is not None
    assert row["last_error"] == "ProviderError"
