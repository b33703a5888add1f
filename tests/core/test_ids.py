"""Ids: their form, their order, and that they cannot collide or be guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from namaskah.core.ids import ALPHABET, is_id, milliseconds_of, new_id


def test_a_new_id_has_its_prefix_and_26_characters():
    made = new_id("ver")
    assert is_id(made, "ver")
    assert (len(made), set(made[4:]) <= set(ALPHABET)) == (30, True)


@pytest.mark.parametrize(
    "text",
    ["", "ver_", "ver", "ver_" + "0" * 25, "ver_" + "0" * 27, "ver_" + "u" * 26, "ver_" + "0" * 25 + "I", "VER_" + "0" * 26,
     "txn_" + "0" * 26, "ver_" + "0" * 26 + "\n", "ver_" + "0" * 25 + "\u0660", " ver_" + "0" * 26],
)  # fmt: skip
def test_what_only_looks_like_one_is_none(text):
    assert not is_id(text, "ver")


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_ids_sort_by_their_time_and_tell_it(first, second):
    a, b = new_id("ver", at_ms=first), new_id("ver", at_ms=second)
    assert (milliseconds_of(a), milliseconds_of(b)) == (first, second)
    if first != second:
        assert (a < b) == (first < second)


def test_no_two_are_the_same():
    assert len({new_id("txn", at_ms=0) for _ in range(20_000)}) == 20_000


def test_the_time_of_what_is_no_id_is_an_error():
    with pytest.raises(ValueError, match="not an id"):
        milliseconds_of("ver_")
