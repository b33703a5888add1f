"""Jobs: done once, tried again with growing pauses, leased while they run, kept when they are dead."""

import asyncio

import asyncpg
import pytest

from namaskah.core.jobs import JobRunner, RetryLater, backoff_seconds
from tests.figures import Growth

_ADD = "INSERT INTO jobs (kind, payload, max_attempts) VALUES ('k', $1, $2)"


class Work:
    """A handler that remembers what it was given, and fails as it is told."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.seen: list[object] = []

    async def __call__(self, payload: object) -> None:
        self.seen.append(payload)
        if self.failure is not None:
            raise self.failure


async def row(db):
    return await db.fetchrow("SELECT *, due_at - clock_timestamp() AS left FROM jobs")


async def test_a_job_is_done_once_and_gone(database, db):
    work = Work()
    await db.execute(_ADD, '{"n": 1}', 20)
    runner = JobRunner(database, {"k": work}, {})
    assert [await runner.run_due(), await runner.run_due()] == [1, 0]
    assert work.seen == [{"n": 1}]
    assert await row(db) is None


async def test_a_job_that_fails_comes_back_later_and_says_only_what_kind_of_error_it_was(database, db):
    await db.execute(_ADD, "{}", 20)
    runner = JobRunner(database, {"k": Work(RuntimeError("+12025550123"))}, {})
    assert await runner.run_due() == 1
    found = await row(db)
    assert (found["attempts"], found["last_error"], found["dead_at"], found["locked_until"]) == (1, "RuntimeError", None, None)
    assert found["left"].total_seconds() > 1
    assert await runner.run_due() == 0


async def test_when_its_attempts_are_used_up_it_is_dead_and_kept(database, db):
    await db.execute(_ADD, "{}", 1)
    runner = JobRunner(database, {"k": Work(RuntimeError())}, {})
    await runner.run_due()
    assert (await row(db))["dead_at"] is not None
    await db.execute("UPDATE jobs SET due_at = now() - interval '1 hour'")
    assert await runner.run_due() == 0


async def test_one_that_is_cut_off_does_not_count_as_done(database, db):
    await db.execute(_ADD, "{}", 20)
    done, begun = Growth("namaskah_jobs_run_total", kind="k", outcome="done"), asyncio.Event()

    async def work(_payload: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(JobRunner(database, {"k": work}, {}).run_due())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert done() == 0


async def test_the_others_are_waited_for_when_one_cannot_be_ended(database, db):
    for n in (1, 2):
        await db.execute(_ADD, f'{{"n": {n}}}', 20)
    finished: list[object] = []

    async def work(payload: dict[str, int]) -> None:
        if payload["n"] == 1:
            # Its failure cannot be written down.
            raise RetryLater(float("nan"), "not now")
        await asyncio.sleep(0.2)
        finished.append(payload)

    with pytest.raises(asyncpg.PostgresError):
        await JobRunner(database, {"k": work}, {}).run_due()
    assert finished == [{"n": 2}]


async def test_later_is_no_failure(database, db):
    await db.execute(_ADD, "{}", 20)
    await JobRunner(database, {"k": Work(RetryLater(300, "not now"))}, {}).run_due()
    found = await row(db)
    assert (found["last_error"], found["dead_at"]) == ("not now", None)
    assert 290 < found["left"].total_seconds() <= 300


async def test_later_does_not_count_against_the_attempts(database, db):
    await db.execute(_ADD, "{}", 2)
    for _ in range(3):
        await JobRunner(database, {"k": Work(RetryLater(0, "not now"))}, {}).run_due()
    await JobRunner(database, {"k": Work(RuntimeError())}, {}).run_due()
    found = await row(db)
    assert (found["attempts"], found["dead_at"]) == (1, None)


async def test_what_recurs_keeps_its_lease_for_as_long_as_it_takes(database, db, monkeypatch):
    monkeypatch.setattr("namaskah.core.jobs.LEASE_SECONDS", 0.2)
    begun, end = asyncio.Event(), asyncio.Event()

    async def long(_payload: object) -> None:
        begun.set()
        await end.wait()

    runner = JobRunner(database, {"k": long}, {"k": 60.0})
    await db.execute("INSERT INTO jobs (kind, unique_key) VALUES ('k', 'every:k')")
    running = asyncio.create_task(runner.run_due())
    await begun.wait()
    await db.execute("UPDATE jobs SET locked_until = clock_timestamp() - interval '1 second'")
    async with asyncio.timeout(5):
        while not await db.fetchval("SELECT locked_until > clock_timestamp() FROM jobs"):
            await asyncio.sleep(0.02)
    end.set()
    assert await running == 1
    assert (await row(db))["locked_until"] is None


async def test_a_kind_that_nobody_here_knows_is_left_to_others(database, db):
    await db.execute(_ADD, "{}", 20)
    assert await JobRunner(database, {"other": Work()}, {}).run_due() == 0


async def test_two_workers_share_the_jobs_and_do_each_once(database, db):
    works = [Work(), Work()]
    for n in range(50):
        await db.execute(_ADD, f'{{"n": {n}}}', 20)
    runners = [JobRunner(database, {"k": work}, {}) for work in works]
    while sum(await asyncio.gather(*(runner.run_due() for runner in runners))):
        pass
    assert sorted(p["n"] for work in works for p in work.seen) == list(range(50))


async def test_a_worker_that_died_gives_its_job_back_when_the_lease_ends(database, db):
    class Dies:
        async def __call__(self, payload):
            raise asyncio.CancelledError

    await db.execute(_ADD, "{}", 20)
    with pytest.raises(asyncio.CancelledError):
        await JobRunner(database, {"k": Dies()}, {}).run_due()
    work = Work()
    runner = JobRunner(database, {"k": work}, {})
    assert await runner.run_due() == 0
    await db.execute("UPDATE jobs SET locked_until = clock_timestamp() - interval '1 second'")
    assert await runner.run_due() == 1
    assert len(work.seen) == 1


async def test_what_recurs_is_planned_once_for_all_and_comes_back_also_after_a_failure(database, db):
    works = [Work(), Work(RuntimeError())]
    for work in works:
        runner = JobRunner(database, {"k": work}, {"k": 60.0})
        await runner.plan()
        await runner.plan()
        assert await db.fetchval("SELECT count(*) FROM jobs") == 1
        await db.execute("UPDATE jobs SET due_at = clock_timestamp()")
        assert await runner.run_due() == 1
        assert await db.fetchval("SELECT count(*) FROM jobs WHERE dead_at IS NULL AND due_at > clock_timestamp()") == 1


def test_the_pauses_grow_to_an_hour_and_are_spread():
    assert all(0.75 * 2**n <= backoff_seconds(n) <= 1.25 * 2**n for n in range(1, 12))
    assert 2700 <= backoff_seconds(10_00) <= 4500
    assert len({backoff_seconds(5) for _ in range(20)}) > 1
