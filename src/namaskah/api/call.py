"""One request as a handler sees it, and what a handler gives back. Built straight from the ASGI scope: no Request object.

Everything is read strictly: a header or a parameter that makes no sense is an error that names it, never a guess.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from namaskah.accounts.principal import Principal
from namaskah.api.decode import decode, field_error
from namaskah.api.errors import BodyTooSlow, InvalidHeader, InvalidParameter
from namaskah.api.rate_limit import Allowance
from namaskah.core.errors import FieldError, PayloadTooLarge
from namaskah.core.observed import request_of

if TYPE_CHECKING:
    from namaskah.platform import Platform

Struct = TypeVar("Struct", bound=msgspec.Struct)
Headers = tuple[tuple[bytes, bytes], ...]

NOBODY: Final = Principal("", False, None)
BODY_SECONDS: Final = 10.0
# As RFC 8941 writes a string, or bare: 1 to 255 visible ASCII characters.
IDEMPOTENCY_PATTERN: Final = r'^(?:"(?:[!#-\[\]-~]|\\["\\]){1,255}"|[!#-~][!-~]{0,254})$'

_IDEMPOTENCY: Final = re.compile(IDEMPOTENCY_PATTERN.encode())
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
# Given twice, it would not be clear which one holds.
_ONLY_ONCE: Final = frozenset({b"authorization", b"content-type", b"content-length", b"idempotency-key", b"last-event-id"})
_integers: dict[type[msgspec.Struct], frozenset[str]] = {}


class ClientGone(Exception):
    """The client went away before its request was complete, so there is nobody to answer."""


class Reply(NamedTuple):
    """A finished answer."""

    body: bytes = b""
    status: int = 200
    headers: Headers = ()
    content_type: bytes = b"application/json"


@dataclass(frozen=True, slots=True)
class StreamReply:
    """An answer without an end: `run` sends body after body, until it returns; `close` is called in any case."""

    run: Callable[[Receive, Send], Awaitable[None]]
    close: Callable[[], None]
    headers: Headers
    content_type: bytes


class Call:
    """One request: who asks, for what, with which parameters; and the platform that can do it."""

    __slots__ = (
        "allowance",
        "body",
        "headers",
        "id",
        "identify_again",
        "operation_id",
        "platform",
        "principal",
        "record",
        "request_id",
        "scope",
    )

    platform: "Platform"
    # For streams, which outlive the moment in which their key was looked at. Raises Unauthorized.
    identify_again: Callable[[], Awaitable[Principal]]

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.record = request_of(scope)
        self.headers = self.record.headers
        self.request_id = self.record.request_id
        self.principal = NOBODY
        self.id = ""
        self.operation_id = ""
        self.body = b""
        self.allowance: Allowance | None = None

    def check_headers(self) -> None:
        """Raises InvalidHeader when one that decides something is given twice."""
        if len(self.headers) == len(self.scope["headers"]):
            return
        seen: set[bytes] = set()
        for name, _ in self.scope["headers"]:
            if name in _ONLY_ONCE and name in seen:
                raise invalid_header(name.decode("latin-1"), "is given twice")
            seen.add(name)

    async def read_body(self, receive: Receive, limit: int) -> None:
        """Reads the body. Raises PayloadTooLarge, BodyTooSlow and ClientGone."""
        length = self.headers.get(b"content-length")
        if length == b"0" or (length is None and b"transfer-encoding" not in self.headers):
            return
        if length is not None and length.isdigit() and (len(length) > 10 or int(length) > limit):
            raise _too_large(limit)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                self.body = await _whole(receive, limit)
        except TimeoutError:
            raise BodyTooSlow(f"It must arrive within {BODY_SECONDS:.0f} seconds.") from None

    def decode(self, kind: type[Struct]) -> Struct:
        """The body as a struct. Raises InvalidJson and InvalidRequest."""
        return decode(kind, self.body)

    def query(self, kind: type[Struct]) -> Struct:
        """The address's parameters as a struct. Raises InvalidParameter, also for unknown and repeated names."""
        given = self.scope["query_string"]
        return parameters(kind, given) if given else kind()

    def idempotency_key(self) -> str | None:
        """The Idempotency-Key, without the quotes that RFC 8941 puts around it. Raises InvalidHeader."""
        given = self.headers.get(b"idempotency-key")
        if given is None:
            return None
        if not _IDEMPOTENCY.fullmatch(given):
            raise invalid_header("Idempotency-Key", "must be 1 to 255 visible ASCII characters, with or without quotes")
        text = given.decode("ascii")
        return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] == '"' else text


def invalid_header(name: str, message: str) -> InvalidHeader:
    """The error for a header that makes no sense."""
    return InvalidHeader(f"The header {name} {message}.", fields=(FieldError(name, message),))


def parameters(kind: type[Struct], query: bytes) -> Struct:
    """A query string as a struct, whose fields are the names that are allowed. Raises InvalidParameter."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=50,
        )
    except ValueError:
        raise InvalidParameter("The parameters of the address cannot be read.") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _invalid(FieldError(name, "is given twice"))
        values[name] = int(value) if name in _integer_fields(kind) and _INTEGER.fullmatch(value) else value
    unknown = values.keys() - set(kind.__struct_fields__)
    if unknown:
        raise InvalidParameter(
            f"Unknown: {', '.join(sorted(unknown))}. Known: {', '.join(kind.__struct_fields__) or 'none'}.",
            fields=tuple(FieldError(name, "is not a parameter of this address") for name in sorted(unknown)),
        )
    try:
        return msgspec.convert(values, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid(field_error(str(error))) from None


def _invalid(field: FieldError) -> InvalidParameter:
    return InvalidParameter(f"{field.name}: {field.message}.", fields=(field,))


def _integer_fields(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that are numbers: an address carries only text, and msgspec's own way would also take 1e1 and null."""
    found = _integers.get(kind)
    if found is None:
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        found = _integers[kind] = frozenset(field.name for field in info.fields if "IntType" in repr(field.type))
    return found


async def _whole(receive: Receive, limit: int) -> bytes:
    """The body, counted as it comes: what Content-Length said is not believed."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"A body may have at most {limit:,} bytes.")
