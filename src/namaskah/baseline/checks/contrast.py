"""Contrast of text as WCAG 2 counts it, for the colours that a style sheet states plainly, in its light and its dark half."""

import re
from typing import Final, NamedTuple

ENOUGH: Final = 4.5
_RULE: Final = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_DARK: Final = re.compile(r"@media[^{]*prefers-color-scheme:\s*dark[^{]*\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}")
_MEDIA: Final = re.compile(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}")
_HEX: Final = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})\b", re.IGNORECASE)
# What cannot be used need not be read (WCAG 1.4.3), and a pseudo-element is rarely text.
_LEFT_OUT: Final = (":disabled", "::before", "::after", ":focus-visible")


class Pair(NamedTuple):
    """A text colour on a ground, where it is from, and how they contrast."""

    scheme: str
    selector: str
    ink: str
    ground: str
    ratio: float


def contrast(one: str, two: str) -> float:
    """The contrast of two colours in #rgb or #rrggbb, 1 to 21 (WCAG 2.2, contrast ratio)."""
    brighter, darker = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def pairs_of(css: str) -> list[Pair]:
    """Every pair that a rule states itself; a text colour without a ground is judged on the page's and the cards' ground."""
    css = _COMMENT.sub("", css)
    dark = "".join(_DARK.findall(css))
    plain = _MEDIA.sub("", css)
    found = []
    for scheme, themes in (("light", plain), ("dark", plain + dark)):
        if scheme == "dark" and not dark:
            continue
        names = dict(re.findall(r"(--[\w-]+):\s*([^;}]+)", themes))
        rules = [(selector.strip(), _declared(body, names)) for selector, body in _RULE.findall(plain)]
        grounds = {told["ground"] for selector, told in rules if selector in ("body", ".card") and "ground" in told}
        for selector, told in rules:
            if "ink" not in told or any(part in selector for part in _LEFT_OUT):
                continue
            ink = told["ink"]
            on = [told["ground"]] if "ground" in told else sorted(grounds)
            found += [Pair(scheme, selector, ink, ground, contrast(ink, ground)) for ground in on]
    return found


def _declared(body: str, names: dict[str, str]) -> dict[str, str]:
    """The rule's own colours, where they are plain ones."""
    told = {}
    for name, kind in (("color", "ink"), ("background(?:-color)?", "ground")):
        found = re.search(rf"(?:^|[;\s]){name}:\s*([^;]+)", body)
        if found:
            value = re.sub(r"var\((--[\w-]+)\)", lambda match: names.get(match[1], ""), found[1])
            plain = _HEX.fullmatch(value.strip())
            if plain:
                told[kind] = plain[0]
    return told


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
