"""Errors become application/problem+json (RFC 9457). The one place where the API turns an exception into an answer."""

import math
import traceback
from typing import Final, Literal

import msgspec
import structlog

from namaskah.api.call import Headers, Reply
from namaskah.api.errors import InternalError
from namaskah.core import error_reports
from namaskah.core.errors import NamaskahError, PayloadTooLarge, Unauthorized

CONTENT_TYPE: Final = b"application/problem+json"
_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class FieldProblem(msgspec.Struct):
    """What is wrong with one field, header or parameter."""

    name: str
    message: str


class Problem(msgspec.Struct, kw_only=True):
    """An error. `code` is for programs, `detail` for people; `charged` says whether money moved."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    charged: bool | Literal["unknown"]
    errors: list[FieldProblem]


def problem_of(error: NamaskahError, *, request_id: bytes) -> Problem:
    """How an error looks outside; its type is a page on our own host that explains the code."""
    return Problem(
        type=f"/api/v2/docs#error-{error.code}",
        title=error.title(),
        status=error.status,
        detail=error.detail,
        code=error.code,
        request_id=request_id.decode("ascii"),
        charged=error.charged,
        errors=[FieldProblem(field.name, field.message) for field in error.fields],
    )


def reply_of(error: NamaskahError, *, request_id: bytes, headers: Headers = ()) -> Reply:
    """The answer for an error of ours."""
    if error.retry_after is not None:
        headers = (*headers, (b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    if isinstance(error, Unauthorized):
        wrong = b"" if error.code == "api_key_missing" else b', error="invalid_token"'
        headers = (*headers, (b"www-authenticate", b'Bearer realm="namaskah"' + wrong))
    if isinstance(error, PayloadTooLarge):
        # The rest of the body is not wanted, so the connection cannot be used for another request.
        headers = (*headers, (b"connection", b"close"))
    return Reply(_encode(problem_of(error, request_id=request_id)), error.status, headers, CONTENT_TYPE)


def unexpected(error: Exception, *, request_id: bytes, operation_id: str, moves_money: bool) -> NamaskahError:
    """Logs an exception that nobody foresaw; answers what the customer may know of it.

    Of the exception only its class and where it happened are logged: its text may quote what the customer sent.
    """
    error_reports.report(error, operation=operation_id)
    _log.error(
        "request_failed",
        request_id=request_id.decode("ascii"),
        operation=operation_id,
        error=type(error).__name__,
        where=[
            f"{frame.f_globals.get('__name__')}:{line} {frame.f_code.co_name}"
            for frame, line in traceback.walk_tb(error.__traceback__)
        ],
    )
    if not moves_money:
        return InternalError("Nothing was charged. Tell us the request_id if it happens again.")
    return InternalError(
        "Ask again with the same Idempotency-Key, or read your verifications, to learn whether it was done.",
        charged="unknown",
    )
