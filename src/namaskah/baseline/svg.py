"""Charts as plain SVG text: bars, bars with a mark, stacked bars and changes. Each has a title and a description in words.

Colours are the page's own custom properties, so that a chart follows light and dark; text is real text.
"""

from collections.abc import Sequence
from html import escape
from itertools import count
from typing import Final, NamedTuple

_WIDTH: Final = 340
_ROW: Final = 38
_TOP: Final = 8
_SIDE: Final = 4
_numbers = count(1)


class Bar(NamedTuple):
    """A line of a chart: its name, its value, a second value that is marked on the same line, and what is written beside it."""

    name: str
    value: float
    mark: float | None
    said: str
    bad: bool = False


class Part(NamedTuple):
    """A piece of a stacked bar; `kind` names its colour."""

    kind: str
    share: float


def bars(title: str, description: str, rows: Sequence[Bar], *, limit: float | None = None) -> str:
    """Horizontal bars on one scale; `mark` is a thin line, `limit` a dashed one through all of them."""
    largest = max([row.mark or 0.0 for row in rows] + [row.value for row in rows] + [0.001])
    if limit is not None and limit <= largest * 3:
        largest = max(largest, limit)
    parts = []
    for place, row in enumerate(rows):
        top = _TOP + place * _ROW
        parts += _label(top, row.name, row.said)
        parts.append(_rect(_SIDE, top + 19, _x(row.value, largest) - _SIDE, "bad" if row.bad else "bar"))
        if row.mark is not None:
            x = _x(row.mark, largest)
            parts.append(f'<path class="line" d="M{_x(row.value, largest):.1f} {top + 25}H{x:.1f}M{x:.1f} {top + 19}v12"/>')
    height = _TOP * 2 + len(rows) * _ROW
    if limit is not None and limit <= largest:
        x = _x(limit, largest)
        parts.append(f'<path class="limit" d="M{x:.1f} {_TOP}V{height - _TOP}"/>')
    return _drawn(title, description, height, parts)


def stacks(title: str, description: str, rows: Sequence[tuple[str, str, Sequence[Part]]]) -> str:
    """Bars of equal length, cut into parts: (name, what is written beside it, parts)."""
    parts = []
    for place, (name, said, pieces) in enumerate(rows):
        top = _TOP + place * _ROW
        parts += _label(top, name, said)
        left = float(_SIDE)
        for piece in pieces:
            width = piece.share * (_WIDTH - 2 * _SIDE)
            parts.append(_rect(left, top + 19, width, piece.kind))
            left += width
    return _drawn(title, description, _TOP * 2 + len(rows) * _ROW, parts)


def differences(title: str, description: str, rows: Sequence[tuple[str, float, float, str, str]]) -> str:
    """Bars to both sides of a middle line: (name, change, noise, verdict, what is written beside it). The noise is a band."""
    largest = max([abs(change) for _, change, *_ in rows] + [noise for _, _, noise, *_ in rows] + [0.1])
    middle, half = _WIDTH / 2, _WIDTH / 2 - _SIDE
    parts = []
    for place, (name, change, noise, verdict, said) in enumerate(rows):
        top = _TOP + place * _ROW
        parts += _label(top, name, said)
        band = noise / largest * half
        parts.append(f'<rect class="noise" x="{middle - band:.1f}" y="{top + 19}" width="{band * 2:.1f}" height="12"/>')
        length = abs(change) / largest * half
        kind = {"slower": "bad", "faster": "good"}.get(verdict, "bar")
        parts.append(_rect(middle if change > 0 else middle - length, top + 22, length, kind, 6))
        parts.append(f'<path class="line" d="M{middle:.1f} {top + 17}v16"/>')
    return _drawn(title, description, _TOP * 2 + len(rows) * _ROW, parts)


def _x(value: float, largest: float) -> float:
    return _SIDE + value / largest * (_WIDTH - 2 * _SIDE)


def _rect(x: float, y: float, width: float, kind: str, height: int = 12) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{max(width, 1):.1f}" height="{height}" rx="2"/>'


def _label(top: int, name: str, said: str) -> list[str]:
    end = _WIDTH - _SIDE
    return [
        f'<text x="{_SIDE}" y="{top + 13}">{escape(name)}</text>',
        f'<text class="said" x="{end}" y="{top + 13}" text-anchor="end">{escape(said)}</text>',
    ]


def _drawn(title: str, description: str, height: int, parts: Sequence[str]) -> str:
    name = f"chart-{next(_numbers)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>{"".join(parts)}</svg>'
    )
