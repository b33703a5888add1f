"""What is refused before anything is sent: live keys, other keys, addresses that hold more than an instance."""

import pytest

from namaskah.accounts.key_format import LIVE, TEST, checksum
from namaskah.baseline.target import Refused, target_of, usable_key

KEY = TEST + "0" * 30 + checksum(TEST + "0" * 30)


def test_a_live_key_is_refused_and_not_repeated():
    live = LIVE + "0" * 30 + checksum(LIVE + "0" * 30)
    with pytest.raises(Refused, match="live key") as refused:
        usable_key(live)
    assert live not in str(refused.value)


@pytest.mark.parametrize("key", ["", "  ", "nmk_test_short", "anything", KEY[:-1] + "é"])
def test_what_is_no_test_key_is_refused_and_not_repeated(key):
    with pytest.raises(Refused) as refused:
        usable_key(key)
    assert not key.strip() or key not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000", "ftp://example.com", "https://", "https://user:secret@example.com", "https://example.com/base",
        "https://example.com?x=1", "https://example.com:port", "https://[::1",
    ],
)  # fmt: skip
def test_an_address_that_is_no_instance_is_refused_and_its_password_not_repeated(url):
    with pytest.raises(Refused) as refused:
        target_of(url, KEY)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown", "is_local"),
    [
        ("https://sms.example.com", "https://sms.example.com", False),
        ("https://sms.example.com:443/", "https://sms.example.com", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("http://[::1]:8000", "http://[::1]:8000", True),
    ],
)
def test_an_instance_is_shown_without_what_is_understood(url, shown, is_local):
    target = target_of(url, f" {KEY}\n")
    assert (target.url, target.is_local, target.key) == (shown, is_local, KEY)


def test_a_key_is_taken_out_of_what_is_said():
    assert target_of("http://localhost", KEY).redact(f"answered {KEY}!") == "answered nmk_test_...!"
