"""Scrubbing: whatever shape private data comes in, it is gone from the copy."""

import json

import pytest

from namaskah.core.scrub import FORBIDDEN, REMOVED, scrub, scrub_text

PRIVATE = [
    "+12025550123", "1 (202) 555-0123", "someone@example.com", "nmk_live_aB3dE6", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "Bearer abc.def", "postgresql://user:secret@db.example.com/x",
]  # fmt: skip


@pytest.mark.parametrize("private", PRIVATE)
def test_it_is_found_at_any_depth_in_any_container(private):
    made = scrub({"a": [{"b": (private, {"c": {private, "kept"}})}], "d": ValueError(f"about {private}!")})
    assert private not in json.dumps(made)
    assert "kept" in json.dumps(made)


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_a_forbidden_name_hides_its_value_however_it_is_written(name):
    assert scrub({name: "anything", name.upper(): ["anything"]}) == {name: REMOVED, name.upper(): REMOVED}


def test_what_refers_to_itself_comes_to_an_end():
    endless: dict[str, object] = {}
    endless["again"] = endless
    assert REMOVED in json.dumps(scrub(endless))


def test_names_that_are_kept_stay_as_they_are():
    assert scrub({"trace_id": "12345678901234567890123456789012"}, kept=frozenset({"trace_id"})) == {
        "trace_id": "12345678901234567890123456789012"
    }


def test_words_stay():
    assert scrub_text("GET /api/v2/verifications/{id} took 12 ms") == "GET /api/v2/verifications/{id} took 12 ms"
