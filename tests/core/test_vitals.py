"""What a process tells of itself goes on being told when it has no file left."""

import os
import resource

import pytest

from namaskah.core.events import Hub
from namaskah.core.signals import Signals
from namaskah.core.vitals import Vitals, open_files
from tests.figures import value_of


@pytest.fixture
def few_files():
    """All files that this process may open are open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(int(name) for name in os.listdir("/proc/self/fd")) + 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    held = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        yield limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for file in held:
            os.close(file)


async def test_the_other_figures_are_told_when_no_file_is_left(database, few_files):
    silent = Signals("")
    Vitals("worker", database, Hub(database, silent), silent).tell(0.125, open_files())
    assert value_of("namaskah_event_loop_lag_seconds", role="worker") == 0.125
    assert value_of("namaskah_db_up") == 0
    assert few_files - 20 <= value_of("namaskah_process_open_fds", role="worker") <= few_files


def test_a_process_of_many_files_counts_each():
    before = open_files()
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    try:
        assert open_files() - before == 50
    finally:
        for file in held:
            os.close(file)
