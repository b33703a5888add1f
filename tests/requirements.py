"""What a test needs from the machine: said aloud when it is missing, and never skipped over in CI."""

import os

import pytest


def require(condition: object, why: str) -> None:
    """Goes on when `condition` holds; otherwise skips the test and says why, or fails it when CI=true."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"This test must not be skipped in CI: {why}", pytrace=False)
    pytest.skip(why)
