"""Which e-mail addresses are taken."""

import pytest

from namaskah.accounts.email_address import checked_email
from namaskah.accounts.errors import InvalidEmail


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "anna", "anna@", "@example.com", "anna@example", "a@b@example.com", "anna@.com",
        "anna@example.", "anna@exa..mple.com", "an na@example.com", "anna@example.com\x00",
        "an\x00na@example.com", "an\nna@example.com", "anna@example.com\ud800", "an\u202ena@example.com",
        "an\u200bna@example.com", "an\u00a0na@example.com", "anna@-example.com", "anna@example-.com",
        "anna@" + "e" * 64 + ".com", "a" * 243 + "@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(InvalidEmail) as caught:
        checked_email(text)
    assert caught.value.status == 422
    assert caught.value.fields[0].name == "email"


@pytest.mark.parametrize(
    "text",
    [
        "anna@example.com",
        "Anna.K+sms@Mail.Example.co",
        "用户@例子.中国",
        "o'neil@example.ie",
        "a" * 242 + "@example.com",
    ],
)
def test_an_address_is_kept_as_typed(text: str) -> None:
    assert checked_email(f"  {text}\t") == text
