"""What can be wrong with a request before a domain sees it. Nothing was changed or charged in any of these."""

from namaskah.core.errors import (
    BadRequest,
    Forbidden,
    NamaskahError,
    NotFound,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
)


class UnknownAddress(NotFound):
    """There is nothing at this address."""

    code = "unknown_address"


class KeyMissing(Unauthorized):
    """An API key is needed."""

    code = "api_key_missing"


class InvalidHeader(BadRequest):
    """A header of the request makes no sense."""

    code = "invalid_header"


class InvalidJson(BadRequest):
    """The body is not valid JSON."""

    code = "invalid_json"


class InvalidRequest(UnprocessableContent):
    """A field of the body is missing, unknown or not as it must be."""

    code = "invalid_request"


class InvalidParameter(UnprocessableContent):
    """A parameter of the address is unknown, given twice or not as it must be."""

    code = "invalid_parameter"


class BodyTooSlow(NamaskahError):
    """The body did not arrive in time."""

    code, status = "request_timeout", 408


class NotJson(NamaskahError):
    """The body must be sent as application/json."""

    code, status = "unsupported_media_type", 415


class RateLimited(TooManyRequests):
    """There were too many requests in a short time."""

    code = "rate_limited"


class TestKeyNeeded(Forbidden):
    """Only a key of the test mode can do this."""

    __test__ = False  # Its name begins like a test's; pytest must not collect it.
    code = "test_key_needed"


class LiveKeyNeeded(Forbidden):
    """A key of the test mode cannot make keys that spend real money."""

    code = "live_key_needed"


class InternalError(NamaskahError):
    """Something went wrong on our side."""

    code, status = "internal_error", 500


class RestrictedKey(Forbidden):
    """A key with a spending cap or an end cannot make other keys."""

    code = "restricted_key"
