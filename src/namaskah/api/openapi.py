"""The OpenAPI 3.1 document, made from the table of operations and the structs that the API decodes and encodes.

Nothing here is written twice: limits and patterns in the document are those that are enforced.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from namaskah import __version__
from namaskah.accounts.errors import InvalidApiKey
from namaskah.api import errors
from namaskah.api.call import IDEMPOTENCY_PATTERN
from namaskah.api.operation import Operation, Success
from namaskah.api.problem import Problem, problem_of
from namaskah.core.db import DatabaseGone
from namaskah.core.errors import NamaskahError, PayloadTooLarge
from namaskah.core.observed import REQUEST_ID_PATTERN

Json = dict[str, Any]
ID_PATTERN: Final = "[0-9a-hjkmnp-tv-z]{26}"
_REF: Final = "#/components/schemas/{name}"
ABOUT: Final = """\
Rent a phone number for a service, see its code live, pay only if a code arrives.

**Keys.** Send `Authorization: Bearer nmk_...`. Keys that begin with `nmk_test_` move no real money and buy from a sandbox,
whose services say in their names what happens (`test_success`, `test_timeout`, `test_no_numbers`, ...).

**Money** is text in US dollars: `{"amount": "0.75", "currency": "USD"}`. The price is held when a verification starts; it is
taken when a code arrives in time, and given back when none does.

**Errors** are `application/problem+json` (RFC 9457). `code` is for programs; `charged` says whether money moved.

**Retries.** Give purchases an `Idempotency-Key`: the same key and body again answer what was answered first, for 30 days.

**Lists** have `limit` (1 to 100) and `cursor`; `next_cursor` is null on the last page. Times are RFC 3339.
"""
_REQUEST_HEADERS: Final[dict[str, Json]] = {
    "Idempotency-Key": {
        "description": "Any text that names this purchase, such as a UUID, bare or quoted as in RFC 8941.",
        "schema": {"type": "string", "pattern": IDEMPOTENCY_PATTERN, "minLength": 1, "maxLength": 512},
    },
    "Last-Event-ID": {
        "description": "The id of the last event that was seen: the stream begins after it.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
        "example": 42,
    },
    "If-None-Match": {
        "description": "The ETag of the answer that the client has: 304 when it still holds.",
        "schema": {"type": "string"},
        "example": '"5b1c7a9e0f2d4c6b8a9e0f2d"',
    },
}
_RESPONSE_HEADERS: Final[dict[str, Json]] = {
    "X-Request-ID": {
        "description": "Names this request; the client's own X-Request-ID when it sent a usable one.",
        "schema": {"type": "string", "pattern": REQUEST_ID_PATTERN},
    },
    "X-Process-Time": {"description": "Seconds that the answer took here.", "schema": {"type": "number"}},
    "Server-Timing": {"description": "The same in milliseconds.", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "What is left, and in how many seconds all is.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "How many requests in how many seconds.",
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit": {"description": "Requests a minute.", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests that are left now.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "Seconds until the whole allowance is there again.",
        "schema": {"type": "integer"},
    },
    "Retry-After": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer"}},
    "ETag": {"description": "Names this version of the answer.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` when this is the answer to an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "How to say who asks.", "schema": {"type": "string"}},
}
_ALWAYS: Final = ("X-Request-ID", "X-Process-Time", "Server-Timing")
_LIMITS: Final = (
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)


def document_json(operations: Sequence[Operation]) -> bytes:
    """The document as it is served at /api/v2/openapi.json."""
    return msgspec.json.format(msgspec.json.encode(document(operations)), indent=1)


def document(operations: Sequence[Operation]) -> Json:
    """The document as a dict."""
    shapes = _shapes(operations)
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    found = dict(zip(shapes, schemas, strict=True))
    paths: Json = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, found, operations)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Namaskah API", "version": "2.0.0", "description": ABOUT, "x-release": __version__},
        "servers": [{"url": "/api/v2", "description": "this host"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": _RESPONSE_HEADERS,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `nmk_live_...` or `nmk_test_...`.",
                }
            },
        },
    }


def errors_of(operation: Operation) -> tuple[type[NamaskahError], ...]:
    """Every error that the operation can answer: its own, and those that its shape brings with it."""
    found: list[type[NamaskahError]] = [*operation.errors, errors.InvalidHeader, errors.RateLimited]
    found += [errors.InvalidParameter, errors.InternalError, DatabaseGone]
    if operation.needs_auth:
        found += [errors.KeyMissing, InvalidApiKey]
    if operation.path_id is not None:
        found.append(operation.path_id.not_found)
    if operation.method == "POST":
        found += [PayloadTooLarge, errors.BodyTooSlow, errors.InvalidJson, errors.InvalidRequest]
        if operation.request is not None:
            found.append(errors.NotJson)
    return tuple(sorted(set(found), key=lambda error: (error.status, error.code)))


def parameters_of(operation: Operation) -> list[Json]:
    """The operation's parameters as OpenAPI writes them: id, query, headers."""
    found: list[Json] = []
    if operation.path_id is not None:
        prefix = operation.path_id.prefix
        schema = {"type": "string", "pattern": f"^{prefix}_{ID_PATTERN}$"}
        found.append(
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": operation.path_id.description,
                "schema": schema,
                "example": f"{prefix}_01kq3v8w5xk2m9t4n7b6c1d0ef",
            }
        )
    if operation.query is not None:
        _, components = msgspec.json.schema_components([operation.query], ref_template=_REF)
        for name, schema in components[operation.query.__name__]["properties"].items():
            description = schema.pop("description", name)
            found.append({"name": name, "in": "query", "required": False, "description": description, "schema": schema})
    found += [{"name": name, "in": "header", "required": False, **_REQUEST_HEADERS[name]} for name in operation.request_headers]
    return found


def _shapes(operations: Iterable[Operation]) -> list[Any]:
    shapes: dict[Any, None] = {Problem: None}
    for operation in operations:
        if operation.request is not None:
            shapes[operation.request] = None
        for success in operation.success.values():
            if success.shape is not None:
                shapes[success.shape] = None
    return list(shapes)


def _operation(operation: Operation, schemas: dict[Any, Json], operations: Sequence[Operation]) -> Json:
    described: Json = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "security": [{"apiKey": []}] if operation.needs_auth else [],
        "parameters": parameters_of(operation),
        "responses": _responses(operation, schemas, operations),
    }
    if operation.request is not None:
        content: Json = {"schema": schemas[operation.request]}
        if operation.request_example is not None:
            content["example"] = dict(operation.request_example)
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": content},
        }
    return described


def _links(prefix: str, operations: Sequence[Operation]) -> Json:
    """What can be done with the id of something that was just made."""
    return {
        one.operation_id: {"operationId": one.operation_id, "parameters": {"id": "$response.body#/id"}}
        for one in operations
        if one.path_id is not None and one.path_id.prefix == prefix
    }


def _responses(operation: Operation, schemas: dict[Any, Json], operations: Sequence[Operation]) -> Json:
    responses: Json = {}
    for status, success in sorted(operation.success.items()):
        responses[str(status)] = _success(operation, status, success, schemas)
        if operation.creates is not None:
            responses[str(status)]["links"] = _links(operation.creates, operations)
    by_status: dict[int, list[type[NamaskahError]]] = {}
    for error in errors_of(operation):
        by_status.setdefault(error.status, []).append(error)
    for status, kinds in by_status.items():
        responses[str(status)] = _failure(status, kinds)
    return responses


def _success(operation: Operation, status: int, success: Success, schemas: dict[Any, Json]) -> Json:
    names = [*_ALWAYS, *_LIMITS]
    names += ["ETag"] if 304 in operation.success else []
    names += ["Idempotency-Replayed"] if operation.idempotent else []
    answer: Json = {"description": success.description, "headers": _headers(names)}
    if status not in (204, 304):
        schema = {"type": "string"} if success.media_type.startswith("text/") else {"type": "object"}
        content: Json = {"schema": schema if success.shape is None else schemas[success.shape]}
        if success.example is not None:
            content["example"] = success.example
        answer["content"] = {success.media_type: content}
    return answer


def _failure(status: int, kinds: list[type[NamaskahError]]) -> Json:
    """One answer per status, listing its codes."""
    listed = "\n".join(f"- `{code}`: {title}" for code, title in {kind.code: kind.title() for kind in kinds}.items())
    names = [*_ALWAYS, *(_LIMITS if status != 503 else ())]
    names += ["Retry-After"] if status in (429, 503) else []
    names += ["WWW-Authenticate"] if status == 401 else []
    examples = {
        kind.code: {"value": msgspec.to_builtins(problem_of(kind(), request_id=b"req_5f1c9a2e7b4d6000000002a"))} for kind in kinds
    }
    content = {"schema": {"$ref": _REF.format(name="Problem")}, "examples": examples}
    return {
        "description": f"{HTTPStatus(status).phrase}\n\n{listed}",
        "headers": _headers(names),
        "content": {"application/problem+json": content},
    }


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
