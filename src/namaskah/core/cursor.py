"""The cursor of a list: the place after a row, as text that callers hand back without looking into it."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from namaskah.core.errors import UnprocessableContent

_LONGEST: Final = 512
# What PostgreSQL and every time zone's offset can bear.
_YEARS: Final = range(1970, 9999)


class InvalidCursor(UnprocessableContent):
    """The cursor is not one that we gave out."""

    code = "invalid_cursor"


def make_cursor(place: Sequence[str]) -> str:
    """The text for a place, which is named by what the list is ordered by."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(place))).decode().rstrip("=")


def read_cursor(cursor: str, *, parts: int) -> list[str]:
    """The place that a cursor names. Raises InvalidCursor when it is none of ours or of another list."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(raw, type=list[str])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InvalidCursor() from None
    # PostgreSQL has no text with a NUL in it.
    if len(place) != parts or any("\0" in part for part in place):
        raise InvalidCursor()
    return place


def page_after(moment: datetime, row_id: str) -> str:
    """The cursor after a row of a list that is ordered by time and id."""
    return make_cursor([moment.isoformat(), row_id])


def moment_and_id(cursor: str) -> tuple[datetime, str]:
    """The time and id that such a cursor names. Raises InvalidCursor."""
    moment, row_id = read_cursor(cursor, parts=2)
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        raise InvalidCursor() from None
    if parsed.tzinfo is None or parsed.year not in _YEARS:
        raise InvalidCursor()
    return parsed, row_id
