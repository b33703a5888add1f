"""Each check of `comprehensive_testing.py` fails on its own fault; that all pass is in tests/test_comprehensive.py."""

import asyncio

from namaskah.baseline.checks.bed import Bed
from namaskah.baseline.checks.catalogue import CHECKS, Result, run
from namaskah.baseline.target import target_of
from tests.baseline.broken import HEADER
from tests.baseline.conftest import VISITOR, Instance
from tests.baseline.faults import ELSEWHERE, FAULTS


def test_every_check_has_a_fault_that_it_must_see():
    assert {check.slug for check in CHECKS} == set(FAULTS) | ELSEWHERE
    assert len({check.title for check in CHECKS}) == len(CHECKS)


async def test_each_check_fails_on_its_fault_and_says_what_it_saw(instance: Instance):
    async def faulty(slug: str) -> Result:
        fault = FAULTS[slug]
        bed = Bed(target_of(instance.url, instance.key), visitor=VISITOR, patience=fault.patience, always={HEADER: slug})
        [check] = [check for check in CHECKS if check.slug == slug]
        [result] = await run(bed, [check])
        return result

    results = await asyncio.gather(*(faulty(slug) for slug in FAULTS))
    unseen = {
        result.check.slug: (result.outcome, result.words)
        for result in results
        if result.outcome != "failed" or FAULTS[result.check.slug].words not in result.words
    }
    assert unseen == {}
