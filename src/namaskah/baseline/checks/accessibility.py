"""Accessibility checks of what the server sends: structure, names, labels, contrast; and axe-core where a browser is."""

from itertools import pairwise
from typing import Final

from namaskah.baseline.checks.bed import API, Bed, Check, Skipped, expect
from namaskah.baseline.checks.browser import Chromium
from namaskah.baseline.checks.contrast import ENOUGH, pairs_of
from namaskah.baseline.checks.page import Element, Page, read_page
from namaskah.baseline.checks.page_security import sign_in

_PAGES: Final = ("/", "/sign-in", "/sign-up", "/terms", "/no-such-page", f"{API}/docs")
_OUR_PAGES: Final = _PAGES[:-1]
_UNNAMED: Final = ("hidden", "submit", "button", "image", "reset")


async def pages_say_what_they_are(bed: Bed) -> None:
    """Every page has a language, a title of its own, a viewport that can be zoomed, and ids that are there once."""
    titles = []
    for path, page in await _pages(bed):
        html = page.all("html")
        expect(html and html[0].get("lang"), f"{path}: no language")
        title = [element.text for element in page.all("title") if not element.inside("svg")]
        expect(len(title) == 1 and title[0], f"{path}: no title")
        titles += title
        viewport = next((meta.get("content") or "" for meta in page.all("meta") if meta.get("name") == "viewport"), "")
        expect("width=device-width" in viewport, f"{path}: no viewport for phones")
        expect("user-scalable=no" not in viewport and "maximum-scale" not in viewport, f"{path}: it cannot be zoomed")
        twice = {name for name in page.ids if page.ids.count(name) > 1}
        expect(not twice, f"{path}: ids are there twice: {', '.join(sorted(twice))}")
    expect(len(set(titles)) == len(titles), "two pages have the same title")


async def headings_are_in_order(bed: Bed) -> None:
    """Every page has one main heading, and no level of headings is left out."""
    for path, page in await _pages(bed):
        levels = [int(element.tag[1]) for element in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
        expect(levels.count(1) == 1, f"{path}: {levels.count(1)} main headings")
        jumps = [(one, two) for one, two in pairwise(levels) if two > one + 1]
        expect(not jumps, f"{path}: a level of headings is left out (before, after): {jumps}")
        empty = [element for element in page.all("h1", "h2", "h3") if not element.text]
        expect(not empty, f"{path}: a heading is empty")


async def pages_have_landmarks(bed: Bed) -> None:
    """Our pages have a header, a main part and a footer, and a link that skips to the main part."""
    for path, page in await _pages(bed, _OUR_PAGES):
        for tag in ("header", "main", "footer"):
            expect(page.all(tag), f"{path}: no <{tag}>")
        expect(len(page.all("main")) == 1, f"{path}: more than one main part")
        skip = next((link.get("href") or "" for link in page.all("a")), "")
        expect(skip.startswith("#") and skip[1:] in page.ids, f"{path}: the first link does not skip to the content")


async def everything_has_a_name(bed: Bed) -> None:
    """Every field has a label, every button and link a text, every image an alt, and what is referred to is there."""
    for path, page in await _pages(bed):
        labelled = {label.get("for") for label in page.all("label") if label.text}
        for element in page.all("input", "select", "textarea"):
            if element.get("type") not in _UNNAMED:
                named = element.get("id") in labelled or element.inside("label") or _named(element, page)
                expect(named, f"{path}: the field {element.get('name') or element.get('id')} has no label")
        for element in page.all("button", "a"):
            expect(element.text or _named(element, page), f"{path}: a {element.tag} has no text")
        for image in page.all("img"):
            expect(image.get("alt") is not None, f"{path}: an image has no alt")
        for element in page.elements:
            for name in ("aria-labelledby", "aria-describedby", "for", "aria-controls"):
                missing = [one for one in (element.get(name) or "").split() if one not in page.ids]
                expect(not missing, f"{path}: {name} refers to {', '.join(missing)}, which is not there")


async def passwords_can_be_filled_in(bed: Bed) -> None:
    """Forms say what their fields are for, so that browsers and password managers can fill them in."""
    for path, wanted in (("/sign-in", {"username", "current-password"}), ("/sign-up", {"username", "new-password"})):
        [(_, page)] = await _pages(bed, (path,))
        found = {element.get("autocomplete") for element in page.all("input")}
        expect(wanted <= found, f"{path}: no field is for {', '.join(sorted(wanted - found))}")


async def text_can_be_read(bed: Bed) -> None:
    """Text has a contrast of 4.5 to its ground, in light and in dark, as far as the style sheet tells."""
    [(_, page)] = await _pages(bed, ("/",))
    sheets = [link.get("href") or "" for link in page.all("link") if link.get("rel") == "stylesheet"]
    expect(sheets, "the page has no style sheet")
    found = [pair for path in sheets for pair in pairs_of((await bed.probe.get(path, key=False)).text)]
    expect(len({pair.scheme for pair in found}) == 2 and len(found) >= 10, f"only {len(found)} pairs of colours could be judged")
    poor = [pair for pair in found if pair.ratio < ENOUGH]
    told = [f"{pair.selector} in {pair.scheme}: {pair.ink} on {pair.ground} is {pair.ratio:.1f}" for pair in poor]
    expect(not poor, "; ".join(told[:4]))


async def axe_finds_nothing(bed: Bed) -> None:
    """axe-core finds nothing to complain about in Chromium, on a phone and on a desk."""
    if not bed.browser:
        raise Skipped("needs a browser: --browser")
    if not bed.axe:
        raise Skipped("needs axe-core: `npm install axe-core`, or --axe FILE")
    cookie = "" if bed.visitor is None else await sign_in(bed, bed.visitor)
    async with Chromium(bed.browser) as browser:
        for path in _PAGES:
            for width in (360, 1280):
                found = await browser.axe(bed.target.url + path, bed.axe, width=width, cookie=cookie if path == "/" else "")
                expect(not found, f"{path} at {width} px: {'; '.join(found[:3])}")


async def _pages(bed: Bed, paths: tuple[str, ...] = _PAGES) -> list[tuple[str, Page]]:
    """The pages, with the customer's own among them where somebody can sign in."""
    found = []
    for path in paths:
        answer = await bed.probe.get(path, key=False)
        expect(answer.header("content-type").startswith("text/html"), f"{path} is no page, but {answer.status}")
        found.append((path, read_page(answer.text)))
    return found


def _named(element: Element, page: Page) -> bool:
    labels = (element.get("aria-labelledby") or "").split()
    return bool(element.get("aria-label") or element.get("title") or (labels and all(label in page.ids for label in labels)))


CHECKS = tuple(
    Check("accessibility", ask)
    for ask in (
        pages_say_what_they_are, headings_are_in_order, pages_have_landmarks, everything_has_a_name, passwords_can_be_filled_in,
        text_can_be_read, axe_finds_nothing,
    )
)  # fmt: skip
