"""The verbs of a verification over HTTP: each handler decodes, makes one domain call and passes its bytes through."""

import hashlib
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from namaskah.api import long_poll
from namaskah.api.call import Call, Headers, Reply
from namaskah.api.fields import COUNTRY, MAX_PRICE, SERVICE, Cursor, Limit, Metadata, Operator, given
from namaskah.verifications.another_code import another_code
from namaskah.verifications.answer import Answer
from namaskah.verifications.cancel import cancel
from namaskah.verifications.finish import finish
from namaskah.verifications.queries import history
from namaskah.verifications.report import report
from namaskah.verifications.reuse import reuse
from namaskah.verifications.shape import Verification
from namaskah.verifications.start import Purchase, StartRequest, start
from namaskah.verifications.states import Status

_REPLAYED: Final[Headers] = ((b"idempotency-replayed", b"true"),)
_canonical = msgspec.json.Encoder(order="deterministic").encode


class StartVerification(StartRequest, frozen=True, forbid_unknown_fields=True):
    """What to buy a number for. `max_price` is the most that it may cost, as decimal text in US dollars."""

    service: Annotated[str, SERVICE]
    country: Annotated[str, COUNTRY]
    operator: Operator | None = None
    area_code: Annotated[str, Meta(pattern="^[0-9]{1,6}$", description="Digits after the country's prefix.")] | None = None
    max_price: Annotated[str, MAX_PRICE] | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class ReuseVerification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of a second purchase of the same number; its service and country are those of the first."""

    max_price: Annotated[str, MAX_PRICE] | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class ReportVerification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was wrong with the number or its code."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00]+$", description="In your own words.")]


class ReadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a read may wait for news."""

    wait: Annotated[
        int,
        Meta(ge=0, le=30, description="Seconds to wait for a change while it is requesting or pending."),
    ] = 0


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which verifications are wanted."""

    status: Status | UnsetType = UNSET
    service: Annotated[str, SERVICE] | UnsetType = UNSET
    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET


class VerificationPage(msgspec.Struct):
    """A page of verifications, newest first."""

    data: list[Verification]
    next_cursor: str | None


async def start_verification(call: Call) -> Reply:
    """POST /verifications"""
    request = call.decode(StartVerification)
    if not request.country.islower():
        request = msgspec.structs.replace(request, country=request.country.lower())
    platform = call.platform
    purchase = _purchase(call, request)
    answer = await start(platform.db, purchase=purchase, providers=platform.providers, vault=platform.vault)
    return _reply(answer)


async def reuse_verification(call: Call) -> Reply:
    """POST /verifications/{id}/reuse"""
    wish = call.decode(ReuseVerification) if call.body else ReuseVerification()
    # The verb takes service and country from the earlier verification.
    request = StartRequest(service="", country="", max_price=wish.max_price, metadata=wish.metadata)
    platform = call.platform
    purchase = _purchase(call, request, reuse_of=call.id)
    return _reply(await reuse(platform.db, purchase=purchase, providers=platform.providers, vault=platform.vault))


async def read_verification(call: Call) -> Reply:
    """GET /verifications/{id}"""
    query = call.query(ReadQuery)
    body = await long_poll.read_when_changed(call.platform, call.principal, call.id, seconds=query.wait)
    if query.wait:
        # The key may have been revoked while its request waited.
        await call.identify_again()
    return Reply(body)


async def list_verifications(call: Call) -> Reply:
    """GET /verifications"""
    query = call.query(HistoryQuery)
    return Reply(
        await history(
            call.platform.db,
            principal=call.principal,
            status=given(query.status),
            service=given(query.service),
            limit=query.limit,
            cursor=given(query.cursor),
            vault=call.platform.vault,
        )
    )


async def cancel_verification(call: Call) -> Reply:
    """POST /verifications/{id}/cancel"""
    platform = call.platform
    answer = await cancel(
        platform.db,
        principal=call.principal,
        verification_id=call.id,
        vault=platform.vault,
        pause_seconds=platform.settings.inventory_cooldown_seconds,
    )
    return _reply(answer)


async def finish_verification(call: Call) -> Reply:
    """POST /verifications/{id}/finish"""
    platform = call.platform
    answer = await finish(
        platform.db,
        principal=call.principal,
        verification_id=call.id,
        vault=platform.vault,
        pause_seconds=platform.settings.inventory_cooldown_seconds,
    )
    return _reply(answer)


async def ask_for_another_code(call: Call) -> Reply:
    """POST /verifications/{id}/another-code"""
    platform = call.platform
    answer = await another_code(
        platform.db,
        principal=call.principal,
        verification_id=call.id,
        providers=platform.providers,
        vault=platform.vault,
    )
    return _reply(answer)


async def report_verification(call: Call) -> Reply:
    """POST /verifications/{id}/report"""
    reason = call.decode(ReportVerification).reason
    platform = call.platform
    answer = await report(platform.db, principal=call.principal, verification_id=call.id, reason=reason, vault=platform.vault)
    return _reply(answer)


def _purchase(call: Call, request: StartRequest, *, reuse_of: str | None = None) -> Purchase:
    key = call.idempotency_key()
    return Purchase(
        principal=call.principal,
        request=request,
        idempotency_key=key,
        fingerprint=b"" if key is None else _fingerprint(call, request),
        minutes=call.platform.settings.verification_minutes,
        reuse_of=reuse_of,
    )


def _fingerprint(call: Call, request: StartRequest) -> bytes:
    """What the request means: the same for other spacing, another order of fields, or a default that is spelt out."""
    asked = f"POST {call.scope['path']}\n".encode() + _canonical(request)
    return hashlib.sha256(asked).digest()


def _reply(answer: Answer) -> Reply:
    return Reply(answer.body, answer.status, _REPLAYED if answer.replayed else ())
