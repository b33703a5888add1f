"""All checks, and how they are run: those that mostly wait beside each other, the load alone and last."""

import asyncio
from collections.abc import Callable, Collection
from time import perf_counter
from typing import Final, Literal, NamedTuple

from namaskah.baseline.checks import accessibility, load, page_security, purchases, reads, security
from namaskah.baseline.checks.bed import Bed, Check, CheckFailed, Skipped
from namaskah.baseline.target import Refused, Unreachable

CHECKS: Final = (
    *reads.CHECKS, *purchases.CHECKS, *security.CHECKS, *page_security.CHECKS, *accessibility.CHECKS, *load.CHECKS,
)  # fmt: skip
AREAS: Final = ("integration", "security", "accessibility", "load")
# Requests and waiting in one check; no check takes longer than this however an instance behaves.
LONGEST_SECONDS: Final = 90.0
_BESIDE: Final = 12

Outcome = Literal["passed", "failed", "skipped"]


class Result(NamedTuple):
    """What came out of one check; `words` say what was seen, or what is missing."""

    check: Check
    outcome: Outcome
    words: str
    seconds: float


def chosen(areas: Collection[str], only: Collection[str]) -> list[Check]:
    """The checks of these areas whose short names contain one of `only`; all without them."""
    found = [check for check in CHECKS if not areas or check.area in areas]
    return [check for check in found if not only or any(part in check.slug for part in only)]


async def run(bed: Bed, checks: Collection[Check], *, told: Callable[[Result], None] = lambda _: None) -> list[Result]:
    """Runs the checks and answers their results in the order of the checks. Raises Unreachable when nobody is there at all."""
    await bed.probe.get("/livez", key=False)
    # What was spent before would make orders fail for want of test money.
    await bed.probe.post("/api/v2/wallet/test-refill")
    gate = asyncio.Semaphore(_BESIDE)

    async def one(check: Check) -> Result:
        async with gate:
            result = await _result(bed, check)
        told(result)
        return result

    try:
        found = await asyncio.gather(*(one(check) for check in checks if check.area != "load"))
        found += [await one(check) for check in checks if check.area == "load"]
    finally:
        await bed.close()
    order = list(checks)
    return sorted(found, key=lambda result: order.index(result.check))


async def _result(bed: Bed, check: Check) -> Result:
    began = perf_counter()
    outcome: Outcome = "failed"
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await check.ask(bed)
        outcome, words = "passed", ""
    except Skipped as why:
        outcome, words = "skipped", str(why)
    except (CheckFailed, Unreachable, Refused) as why:
        words = str(why)
    except TimeoutError:
        words = f"it was not over after {LONGEST_SECONDS:.0f} seconds"
    except Exception as why:  # An answer of another form than expected ends in one of many ways, and each is a failure.
        words = f"the answer has another form than expected ({type(why).__name__}: {why})"
    return Result(check, outcome, bed.target.redact(words), perf_counter() - began)
