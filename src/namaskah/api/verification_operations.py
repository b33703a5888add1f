"""The table's part about verifications and their events."""

from typing import Final

from namaskah.api import events, examples
from namaskah.api import verifications as handlers
from namaskah.api.operation import Operation, PathId, Success
from namaskah.api.verifications import VerificationPage
from namaskah.catalog.errors import UnknownCountry, UnknownService
from namaskah.core.cursor import InvalidCursor
from namaskah.core.money import InvalidAmount
from namaskah.verifications import errors
from namaskah.verifications.shape import Verification

_ID: Final = PathId("ver", errors.VerificationNotFound, "The verification's id.")
_TAG: Final = "Verifications"
_PURCHASE: Final = (
    UnknownService, UnknownCountry, errors.ServiceBlocked, errors.ServiceStopped, errors.AccountDisabled,
    errors.NoNumbers, errors.PriceAboveMax, errors.ProviderDown, errors.InsufficientFunds, errors.LimitReached,
    errors.IdempotencyMismatch, errors.StillRunning, InvalidAmount,
)  # fmt: skip


def _shown(description: str, example: examples.Json, *, status: int = 200) -> dict[int, Success]:
    return {status: Success(description=description, shape=Verification, example=example)}


VERIFICATION_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="POST", path="/verifications", operation_id="startVerification", tag=_TAG,
        summary="Get a number for a service",
        description="Holds the price and rents a number. Nothing is charged unless a code arrives before `expires_at`. "
        "The status is `pending`; it is `requesting` as long as it is not known whether an upstream has sold a number.",
        handler=handlers.start_verification, request=handlers.StartVerification,
        request_example={"service": "telegram", "country": "us", "max_price": "1.50", "metadata": {"order": "A-17"}},
        request_headers=("Idempotency-Key",), success=_shown("The verification.", examples.PENDING, status=201),
        errors=_PURCHASE, idempotent=True, moves_money=True, creates="ver",
    ),
    Operation(
        method="GET", path="/verifications", operation_id="listVerifications", tag=_TAG,
        summary="Your verifications", description="Newest first, those of the key's mode only.",
        handler=handlers.list_verifications, query=handlers.HistoryQuery, errors=(InvalidCursor,),
        success={
            200: Success(
                description="A page.", shape=VerificationPage,
                example={"data": [examples.COMPLETED], "next_cursor": None},
            )
        },
    ),
    Operation(
        method="GET", path="/verifications/{id}", operation_id="readVerification", tag=_TAG,
        summary="One verification",
        description="With `wait` the answer comes as soon as the state or the messages change, and at once when the "
        "verification is neither requesting nor pending. To follow many, use the event stream.",
        handler=handlers.read_verification, path_id=_ID, query=handlers.ReadQuery,
        success=_shown("The verification.", examples.COMPLETED),
    ),
    Operation(
        method="POST", path="/verifications/{id}/cancel", operation_id="cancelVerification", tag=_TAG,
        summary="Give the number back",
        description="From `can_cancel_at` on, before a code has arrived: the whole price is given back. Cancelling twice "
        "is the same as once. A code that arrived first wins (409, charged).",
        handler=handlers.cancel_verification, path_id=_ID, moves_money=True,
        success=_shown("The cancelled verification.", examples.CANCELLED),
        errors=(errors.CancelTooEarly, errors.CodeAlreadyReceived, errors.NumberAlreadyReleased),
    ),
    Operation(
        method="POST", path="/verifications/{id}/another-code", operation_id="askForAnotherCode", tag=_TAG,
        summary="Ask for another code",
        description="On the same number, after the first code and as long as the verification is open. Costs nothing.",
        handler=handlers.ask_for_another_code, path_id=_ID, success=_shown("The verification.", examples.COMPLETED),
        errors=(errors.NoCodeYet, errors.VerificationClosed, errors.AnotherCodeNotPossible),
    ),
    Operation(
        method="POST", path="/verifications/{id}/finish", operation_id="finishVerification", tag=_TAG,
        summary="Say that no more messages are needed",
        description="Closes a completed verification before its time is up. Finishing twice is the same as once.",
        handler=handlers.finish_verification, path_id=_ID, success=_shown("The verification.", examples.FINISHED),
        errors=(errors.NoCodeYet, errors.NumberAlreadyReleased),
    ),
    Operation(
        method="POST", path="/verifications/{id}/report", operation_id="reportVerification", tag=_TAG,
        summary="Report a bad number or code",
        description="A note on the quality of the number; it refunds nothing by itself. A later report replaces it.",
        handler=handlers.report_verification, path_id=_ID, request=handlers.ReportVerification,
        request_example={"reason": "The service says that the number is in use."},
        success=_shown("The verification.", examples.COMPLETED), errors=(errors.NothingToReport,),
    ),
    Operation(
        method="POST", path="/verifications/{id}/reuse", operation_id="reuseNumber", tag=_TAG,
        summary="Buy the same number again",
        description="A new verification on the number of a closed one, for the same service. Works for numbers of our own.",
        handler=handlers.reuse_verification, path_id=_ID, request=handlers.ReuseVerification, body_optional=True,
        request_example={"max_price": "1.50"}, request_headers=("Idempotency-Key",),
        success=_shown("The new verification.", examples.AGAIN, status=201),
        errors=(*_PURCHASE, errors.ReuseNotPossible), idempotent=True, moves_money=True, creates="ver",
    ),
    Operation(
        method="GET", path="/events", operation_id="streamEvents", tag="Events",
        summary="Everything that happens, live",
        description="Server-sent events of the account, in the key's mode: `verification.pending`, `.code_received`, "
        "`.message_received`, `.late_message`, `.cancelled`, `.expired`, `.failed`, `.finished`, and `wallet.updated`. Each "
        "has an `id`; with `Last-Event-ID` (browsers send it by themselves) the stream begins after that event, without "
        "it at now. A comment comes every 15 seconds. When the stream ends, come back after the time in `retry`.",
        handler=events.stream_events, query=events.EventsQuery, request_headers=("Last-Event-ID",),
        accepts_cookie=True,
        success={
            200: Success(
                description="The stream, event by event.", shape=events.ServerSentEvent,
                media_type="text/event-stream", example=examples.EVENT,
            )
        },
    ),
)  # fmt: skip
