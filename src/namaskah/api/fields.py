"""The fields that several requests share, with their limits. What stands here is enforced and documented alike."""

from typing import Annotated, Final, TypeVar

from msgspec import UNSET, Meta, UnsetType

Value = TypeVar("Value")

SERVICE: Final = Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", max_length=64, description="A service's id, see GET /services.")
COUNTRY: Final = Meta(pattern="^[A-Za-z]{2}$", min_length=2, max_length=2, description="ISO 3166 alpha-2, such as us.")
MAX_PRICE: Final = Meta(
    pattern=r"^[0-9]{1,9}(?:\.[0-9]{1,6})?$",
    max_length=16,
    description="The most that it may cost, in US dollars; above it nothing is bought (409 price_above_max).",
)
Operator = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
        max_length=64,
        description="A mobile network, see GET /offers; any without it.",
    ),
]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\x00]+$")],
        Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")],
    ],
    Meta(max_length=20, description="Up to 20 texts of your own, kept and given back as they are."),
]
Limit = Annotated[int, Meta(ge=1, le=100, description="How many rows at most.")]
# Whether it is one of ours is judged where it is read: every other text is an invalid_cursor.
Cursor = Annotated[
    str,
    Meta(description="The next_cursor of the page before; the other parameters must stay the same."),
]


def given(value: Value | UnsetType) -> Value | None:
    """The value of a parameter that may be left out. An empty text counts as given."""
    return None if value is UNSET else value
