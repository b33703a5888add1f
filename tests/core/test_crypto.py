"""The vault: opens what it sealed, in its place only, and nothing that was touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from namaskah.core.crypto import CannotDecrypt, Vault, derive

KEY = bytes(range(32))
vault = Vault(KEY)


@pytest.mark.parametrize("size", [0, 1, 16, 31])
def test_a_short_key_is_refused(size):
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(bytes(size))


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_was_sealed_opens_in_its_context_only(data, context):
    blob = vault.encrypt(data, context=context)
    assert Vault(KEY).decrypt(blob, context=context) == data
    with pytest.raises(CannotDecrypt):
        vault.decrypt(blob, context=context + "x")
    with pytest.raises(CannotDecrypt):
        Vault(KEY[::-1]).decrypt(blob, context=context)


@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(place, change):
    blob = bytearray(vault.encrypt(b"the code is 482913", context="c"))
    blob[place % len(blob)] ^= change
    with pytest.raises(CannotDecrypt):
        vault.decrypt(bytes(blob), context="c")


@given(st.binary(max_size=60))
def test_what_is_no_ciphertext_is_a_clean_failure(blob):
    with pytest.raises(CannotDecrypt):
        vault.decrypt(blob, context="c")


def test_the_same_text_never_looks_the_same():
    assert vault.encrypt(b"same", context="c") != vault.encrypt(b"same", context="c")


def test_keyed_hashes_are_stable_and_belong_to_their_key():
    assert vault.keyed_hash("+12025550123") == Vault(KEY).keyed_hash("+12025550123")
    assert vault.keyed_hash("+12025550123") != Vault(KEY[::-1]).keyed_hash("+12025550123")
    assert len(vault.keyed_hash("")) == 32


def test_no_key_serves_two_purposes():
    assert derive(KEY, "one") != derive(KEY, "two")
