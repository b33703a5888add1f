"""What the checks of pages rest on: reading HTML, contrast, JSON shapes, and a real browser."""

from pathlib import Path

import pytest

from namaskah.baseline.checks.browser import Chromium, find_axe, find_chromium
from namaskah.baseline.checks.contrast import contrast, pairs_of
from namaskah.baseline.checks.page import read_page
from namaskah.baseline.checks.schema import misfits
from namaskah.baseline.target import Refused
from tests.requirements import require

CSS = """
:root { --ink: #111; --soft: #767676; --ground: #fff; } /* a comment { color: #fff } */
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --ground: #000; } }
body { background: var(--ground); color: var(--ink); }
.soft { color: var(--soft); }
.badge { background: #777; color: #fff; }
button:disabled { color: #ccc; }
@media (min-width: 40rem) { .wide { color: #fff; } }
"""


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#777", "#fff") < 4.5


def test_pairs_of_colours_are_found_in_light_and_dark():
    found = {(pair.scheme, pair.selector): (pair.ink, pair.ground) for pair in pairs_of(CSS)}
    assert found[("light", "body")] == ("#111", "#fff")
    assert found[("dark", "body")] == ("#eee", "#000")
    assert found[("dark", ".soft")] == ("#767676", "#000")
    assert found[("light", ".badge")] == ("#fff", "#777")
    assert not any("disabled" in selector or "wide" in selector for _, selector in found)


def test_a_page_is_read_as_a_tree():
    page = read_page('<p id="a">one <b>two</b><img alt="three"><br>four</p><form><label>x<input name="y"></label></form>')
    assert page.all("p")[0].text.split() == ["one", "fourtwo", "three"]
    assert page.all("input")[0].inside("label") and not page.all("input")[0].inside("p")
    assert page.ids == ["a"]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"id": "a1", "n": 1, "next": None}, []),
        ({"id": "a1", "n": 1, "next": {"id": "a2", "n": 2}}, []),
        ({"n": 1}, ["the answer.id is missing"]),
        ({"id": "b", "n": 1}, ["the answer.id does not match its pattern"]),
        ({"id": "a1", "n": True}, ["the answer.n is bool, not integer"]),
        ({"id": "a1", "n": 1, "more": 1}, ["the answer.more is not described"]),
        ({"id": "a1", "n": 1, "list": ["x", "z"]}, ["the answer.list[1] is none of the described values"]),
        ([], ["the answer is list, not object"]),
    ],
)
def test_json_is_compared_with_its_schema(value, wrong):
    thing = {
        "type": "object",
        "required": ["id", "n"],
        "properties": {
            "id": {"type": "string", "pattern": "^a"},
            "n": {"type": "integer"},
            "next": {"anyOf": [{"type": "null"}, {"$ref": "#/components/Thing"}]},
            "list": {"type": "array", "items": {"enum": ["x", "y"]}},
        },
    }
    assert misfits(value, {"$ref": "#/components/Thing"}, {"components": {"Thing": thing}}) == wrong


def test_a_browser_or_an_axe_that_is_not_there_is_said():
    with pytest.raises(Refused, match="no no-such-browser"):
        find_chromium("no-such-browser")
    with pytest.raises(Refused, match="no axe-core"):
        find_axe("/no/such/axe.js")


@pytest.mark.slow
async def test_a_real_browser_opens_a_page_as_a_phone_and_runs_what_it_is_given(tmp_path: Path):
    try:
        program = find_chromium()
    except Refused:
        program = ""
    require(program, "Chromium is needed")
    page = tmp_path / "page.html"
    page.write_text(
        "<meta http-equiv='content-security-policy' content=\"default-src 'none'\">"
        "<meta name='viewport' content='width=device-width'><p>no language</p>"
    )
    # Stands in for axe-core, which is no part of the project: one rule of it, answered in its form.
    axe = tmp_path / "axe.js"
    axe.write_text(
        "var axe = {run: async () => ({violations: document.documentElement.lang ? [] : "
        "[{id: 'html-has-lang', help: 'no lang, width ' + innerWidth, nodes: [{target: ['html']}]}]})}"
    )
    async with Chromium(program) as browser:
        assert await browser.axe(page.as_uri(), str(axe), width=360) == ["html-has-lang: no lang, width 360 (html)"]
        page.write_text("<html lang=en><p>fine</p>")
        assert await browser.axe(page.as_uri(), str(axe), width=1280) == []
