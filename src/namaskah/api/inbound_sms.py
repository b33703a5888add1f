"""`POST /inbound/sms/{source_id}`: where the messages to our own numbers come in. Answered as soon as they are stored."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.types import Receive, Scope, Send

from namaskah.api.call import Call, ClientGone, Reply
from namaskah.api.problem import reply_of, unexpected
from namaskah.core import error_reports
from namaskah.core.errors import MethodNotAllowed, NamaskahError, NotFound
from namaskah.core.ids import is_id
from namaskah.inbound.webhook import receive_webhook

if TYPE_CHECKING:
    from namaskah.platform import Platform

PREFIX: Final = "/inbound/sms/"


class Taken(msgspec.Struct, frozen=True):
    """What the source is told; a duplicate changed nothing."""

    id: str
    duplicate: bool
    object: str = "message"


_encode = msgspec.json.Encoder().encode


class InboundSms:
    """The webhook's ASGI application; the scope carries the full path."""

    def __init__(self, get_platform: "Callable[[], Platform]") -> None:
        self._get_platform = get_platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope)
        call.operation_id = "inboundSms"
        call.record.surface, call.record.route = "inbound", PREFIX + "{source_id}"
        try:
            reply = await self._answer(call, receive)
        except NamaskahError as error:
            error_reports.report(error, operation=call.operation_id, error_code=error.code)
            allow = ((b"allow", b"POST"),) if error.status == 405 else ()
            reply = reply_of(error, request_id=call.request_id, headers=allow)
        except ClientGone:
            return
        except Exception as error:  # The last guard: the source tries again, and the same message counts once.
            unforeseen = unexpected(error, request_id=call.request_id, operation_id=call.operation_id, moves_money=False)
            reply = reply_of(unforeseen, request_id=call.request_id)
        headers = [
            *reply.headers,
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.body)),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, call: Call, receive: Receive) -> Reply:
        source_id = call.scope["path"][len(PREFIX) :]
        if not is_id(source_id, "src"):
            raise NotFound("There is no such number source.")
        if call.scope["method"] != "POST":
            raise MethodNotAllowed("Messages are sent by POST.")
        platform = self._get_platform()
        await call.read_body(receive, platform.settings.body_limit_bytes)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()}
        accepted = await receive_webhook(
            platform.db,
            vault=platform.vault,
            secrets=platform.inbound_secrets,
            source_id=source_id,
            headers=headers,
            body=call.body,
        )
        return Reply(_encode(Taken(accepted.message_id, accepted.duplicate)))
