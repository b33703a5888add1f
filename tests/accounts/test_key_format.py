"""What an API key looks like."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from namaskah.accounts.key_format import LENGTH, digest_of, hint_of, is_well_formed, new_secret

CHARACTERS = st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


@given(st.booleans(), st.integers(0, LENGTH - 1), CHARACTERS)
def test_a_key_with_one_wrong_character_is_recognised(livemode: bool, place: int, character: str) -> None:
    secret = new_secret(livemode=livemode)
    wrong = secret[:place] + character + secret[place + 1 :]
    assert is_well_formed(wrong) == (wrong == secret)


@given(st.text(max_size=60))
def test_any_other_text_is_no_key(text: str) -> None:
    assert not is_well_formed(text)


@pytest.mark.parametrize("prefix", ["nmk_live_", "nmk_test_"])
def test_an_invented_key_is_no_key(prefix: str) -> None:
    assert not is_well_formed(prefix + "A" * 36)
    assert not is_well_formed(prefix + "é" * 36)


@pytest.mark.parametrize(("livemode", "prefix"), [(True, "nmk_live_"), (False, "nmk_test_")])
def test_a_new_key_is_well_formed_and_unlike_any_other(livemode: bool, prefix: str) -> None:
    secrets = {new_secret(livemode=livemode) for _ in range(1_000)}
    assert len(secrets) == 1_000
    for secret in secrets:
        assert re.fullmatch(prefix + "[0-9A-Za-z]{36}", secret)
        assert is_well_formed(secret)


def test_the_checksum_stays_what_it_is_because_others_scan_for_it() -> None:
    assert is_well_formed("nmk_live_" + "0" * 30 + "0iAXZR")


def test_the_hint_and_the_digest_do_not_give_the_key_away() -> None:
    secret = new_secret(livemode=True)
    assert hint_of(secret) == secret[:13] + "…"
    assert len(digest_of(secret)) == 32
    assert secret.encode() not in digest_of(secret)
