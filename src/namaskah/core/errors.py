"""The one family of errors that customers can meet.

    NamaskahError
    ├── BadRequest 400             UnprocessableContent 422
    ├── Unauthorized 401           PaymentRequired 402      Forbidden 403
    ├── NotFound 404               Conflict 409
    ├── PayloadTooLarge 413        TooManyRequests 429
    └── Unavailable 503

The class says the code and the HTTP status, its docstring is the title, the instance says what happened in
this case and whether money moved. Domains raise; each surface has one translator.
"""

from typing import ClassVar, Literal, NamedTuple


class FieldError(NamedTuple):
    """What is wrong with one field of a request."""

    name: str
    message: str


class NamaskahError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str = "",
        *,
        charged: bool | Literal["unknown"] = False,
        retry_after: float | None = None,
        fields: tuple[FieldError, ...] = (),
    ) -> None:
        self.detail = detail or self.title()
        self.charged = charged
        self.retry_after = retry_after
        self.fields = fields
        # What an earlier request was told, told again: it did not happen twice.
        self.replayed = False
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The first line of the docstring, which is the same for every instance of the error."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class BadRequest(NamaskahError):
    """The request could not be understood."""

    code, status = "bad_request", 400


class Unauthorized(NamaskahError):
    """Who is asking is not known."""

    code, status = "unauthorized", 401


class PaymentRequired(NamaskahError):
    """There is not enough money for this."""

    code, status = "payment_required", 402


class Forbidden(NamaskahError):
    """This is not allowed."""

    code, status = "forbidden", 403


class NotFound(NamaskahError):
    """There is no such thing, or it is not yours."""

    code, status = "not_found", 404


class MethodNotAllowed(NamaskahError):
    """This address does not know that method."""

    code, status = "method_not_allowed", 405


class Conflict(NamaskahError):
    """The state of things does not allow this now."""

    code, status = "conflict", 409


class PayloadTooLarge(NamaskahError):
    """The request's body is too large."""

    code, status = "payload_too_large", 413


class UnprocessableContent(NamaskahError):
    """The request is well formed and makes no sense."""

    code, status = "unprocessable", 422


class TooManyRequests(NamaskahError):
    """That was too much in too short a time."""

    code, status = "too_many_requests", 429


class Unavailable(NamaskahError):
    """The platform cannot do this right now."""

    code, status = "unavailable", 503
