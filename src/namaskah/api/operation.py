"""What an operation of the API is. The table of operations is the truth for routing and for the OpenAPI document alike."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from namaskah.api.call import Call, Reply, StreamReply
from namaskah.core.errors import NamaskahError
from namaskah.core.ids import is_id

Method = Literal["GET", "POST", "DELETE"]
Handler = Callable[[Call], Awaitable[Reply | StreamReply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """An answer that is not an error: JSON of the struct's shape, or text of another media type."""

    description: str
    shape: Any = None
    media_type: str = "application/json"
    example: Any = None


class NoBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Nothing, or {}: what an operation without fields accepts as a body."""


@dataclass(frozen=True, slots=True)
class PathId:
    """The id in an address: its prefix, and the error for one that is unknown or has another form."""

    prefix: str
    not_found: type[NamaskahError]
    description: str

    def check(self, text: str) -> None:
        """Raises the error when the text cannot be such an id."""
        if not is_id(text, self.prefix):
            raise self.not_found()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address. `path` is below /api/v2; it may have one parameter, as its second part."""

    method: Method
    path: str
    operation_id: str
    summary: str
    description: str
    tag: str
    handler: Handler
    success: Mapping[int, Success]
    errors: tuple[type[NamaskahError], ...] = ()
    request: type[msgspec.Struct] | None = None
    request_example: Mapping[str, Any] | None = None
    body_optional: bool = False
    path_id: PathId | None = None
    # The struct's fields are the parameters: names, types, limits and descriptions (in their Meta) come from there.
    query: type[msgspec.Struct] | None = None
    request_headers: tuple[str, ...] = ()
    needs_auth: bool = True
    accepts_cookie: bool = False
    idempotent: bool = False
    moves_money: bool = False
    # The prefix of the id of what it makes, so that the document can link to what can be done with it.
    creates: str | None = None
