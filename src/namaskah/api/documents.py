"""The API's description of itself: the OpenAPI document and the reference page, made once per process."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

from namaskah.api import openapi, reference_page
from namaskah.api.call import Call, Reply
from namaskah.api.catalog import unless_known
from namaskah.api.operation import Operation, Success

_HTML = b"text/html; charset=utf-8"


def document_operations(described: Callable[[], Sequence[Operation]]) -> tuple[Operation, ...]:
    """The operations that show what there is; `described` gives all operations, these included."""
    openapi_json = cache(lambda: _tagged(openapi.document_json(described())))
    docs_html = cache(lambda: _tagged(reference_page.page(described()).encode()))

    async def read_openapi(call: Call) -> Reply:
        return unless_known(call, *openapi_json())

    async def read_docs(call: Call) -> Reply:
        reply = unless_known(call, *docs_html(), _HTML)
        return reply._replace(headers=(*reply.headers, *reference_page.HEADERS))

    unchanged = Success(description="What the client has still holds.")
    return (
        Operation(
            method="GET",
            path="/openapi.json",
            operation_id="readOpenapi",
            tag="Documents",
            needs_auth=False,
            summary="This description",
            description="The OpenAPI 3.1 document, for tools and generated clients.",
            handler=read_openapi,
            request_headers=("If-None-Match",),
            success={200: Success(description="The document.", example={"openapi": "3.1.0"}), 304: unchanged},
        ),
        Operation(
            method="GET",
            path="/docs",
            operation_id="readDocs",
            tag="Documents",
            needs_auth=False,
            summary="The reference page",
            description="This description as a page, with examples for curl.",
            handler=read_docs,
            request_headers=("If-None-Match",),
            success={
                200: Success(description="The page.", media_type="text/html", example="<!doctype html>"),
                304: unchanged,
            },
        ),
    )


def _tagged(body: bytes) -> tuple[bytes, str]:
    return body, f'"{hashlib.sha256(body).hexdigest()[:24]}"'
