"""The ASGI application of API v2: finds the operation, asks who it is, calls the handler and sends the answer.

It stands outside FastAPI's own routing on purpose: a FastAPI endpoint costs 50 us of every request, this costs a few.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from starlette.types import Receive, Scope, Send

from namaskah.accounts.principal import Principal
from namaskah.api.call import Call, ClientGone, Reply, StreamReply
from namaskah.api.decode import decode
from namaskah.api.errors import InvalidParameter, KeyMissing, NotJson, RateLimited
from namaskah.api.operation import NoBody, Operation
from namaskah.api.operations import OPERATIONS
from namaskah.api.problem import reply_of, unexpected
from namaskah.api.rate_limit import RateLimit
from namaskah.api.router import Router
from namaskah.core import error_reports
from namaskah.core.errors import FieldError, NamaskahError, Unauthorized

if TYPE_CHECKING:
    from namaskah.platform import Platform

PREFIX: Final = "/api/v2"
CookiePrincipal = Callable[[Scope], Awaitable[Principal | None]]
_NO_STORE: Final = (b"cache-control", b"no-store")
# Keys travel in a header that a browser never adds by itself, so any page may call us, but never with cookies.
_CORS: Final = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"X-Request-ID, X-Process-Time, Server-Timing, Retry-After, ETag, "
        b"RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
    ),
)
_PREFLIGHT: Final = (
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, Last-Event-ID, If-None-Match, X-Request-ID",
    ),
    (b"access-control-max-age", b"86400"),
)


class ApiApp:
    """Serves every address below /api/v2. The scope carries the full path.

    `principal_from_cookie` is for the web page's own event stream: it answers who the session of a scope's cookie
    belongs to. No other operation looks at cookies.
    """

    def __init__(
        self,
        get_platform: "Callable[[], Platform]",
        *,
        principal_from_cookie: CookiePrincipal | None = None,
        operations: Sequence[Operation] = OPERATIONS,
    ) -> None:
        self.principal_from_cookie = principal_from_cookie
        self._get_platform = get_platform
        self._router = Router(operations)
        self._limit: RateLimit | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # There is nothing else to talk here; closing before accepting is answered as 403 by the server.
            await send({"type": "websocket.close"})
            return
        call = Call(scope)
        call.record.surface = "api"
        operation: Operation | None = None
        try:
            if scope["method"] == "OPTIONS":
                await self._send(call, send, self._options(call))
                return
            operation, call.id = self._router.find(scope["method"], scope["path"][len(PREFIX) :])
            call.operation_id = operation.operation_id
            call.record.route = operation.path
            reply = await self._answer(call, operation, receive)
        except NamaskahError as error:
            self._report(error, call)
            reply = reply_of(error, request_id=call.request_id, headers=self._allow(error, scope))
        except ClientGone:
            return
        except Exception as error:  # The last guard: whatever it is, the customer gets a clear answer.
            reply = reply_of(self._unforeseen(call, operation, error), request_id=call.request_id)
        if isinstance(reply, StreamReply):
            await self._stream(call, receive, send, reply)
        else:
            await self._send(call, send, reply)

    async def _answer(self, call: Call, operation: Operation, receive: Receive) -> Reply | StreamReply:
        platform = call.platform = self._get_platform()
        if self._limit is None:
            self._limit = RateLimit(platform.settings.requests_per_minute)
        call.check_headers()
        if operation.needs_auth:
            try:
                call.principal = await self._identify(call, operation)
                call.identify_again = partial(self._identify, call, operation)
            except Unauthorized:
                self._take(call, self._limit, _address(call.scope))
                raise
        self._take(call, self._limit, call.principal.user_id or _address(call.scope))
        if operation.path_id is not None:
            operation.path_id.check(call.id)
        if operation.query is None and call.scope["query_string"]:
            raise InvalidParameter("This address has no parameters.", fields=(FieldError("", "is not known"),))
        if operation.method == "POST":
            await self._read(call, operation, receive, platform.settings.body_limit_bytes)
        return await operation.handler(call)

    async def _identify(self, call: Call, operation: Operation) -> Principal:
        """Who asks. Raises KeyMissing and InvalidApiKey."""
        given = call.headers.get(b"authorization")
        if given is not None:
            scheme, _, secret = given.partition(b" ")
            if scheme.lower() != b"bearer":
                raise KeyMissing("Send the key as `Authorization: Bearer nmk_...`.")
            return await call.platform.keys.identify(secret.strip().decode("latin-1"))
        if operation.accepts_cookie and self.principal_from_cookie is not None and b"cookie" in call.headers:
            principal = await self.principal_from_cookie(call.scope)
            if principal is not None:
                return principal
        raise KeyMissing("Send it as `Authorization: Bearer nmk_...`.")

    def _take(self, call: Call, limit: RateLimit, who: str) -> None:
        allowance = call.allowance = limit.take(who, monotonic())
        if allowance.retry_after:
            raise RateLimited(
                f"At most {limit.per_minute} requests a minute are allowed. Nothing was done or charged.",
                retry_after=allowance.retry_after,
            )

    async def _read(self, call: Call, operation: Operation, receive: Receive, limit: int) -> None:
        """Reads the body, and refuses one that the operation has no use for."""
        await call.read_body(receive, limit)
        if operation.request is None:
            if call.body:
                decode(NoBody, call.body)
            return
        if not call.body and operation.body_optional:
            return
        kind = call.headers.get(b"content-type", b"")
        if kind != b"application/json" and kind.partition(b";")[0].strip().lower() != b"application/json":
            raise NotJson("Send the header `Content-Type: application/json`.")

    def _options(self, call: Call) -> Reply:
        methods = self._router.methods(call.scope["path"][len(PREFIX) :])
        if not methods:
            methods = ("OPTIONS",)
        names = ", ".join(methods).encode()
        headers = ((b"allow", names), (b"access-control-allow-methods", names), *_PREFLIGHT)
        return Reply(b"", 204, headers)

    def _allow(self, error: NamaskahError, scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
        if error.status != 405:
            return ()
        return ((b"allow", ", ".join(self._router.methods(scope["path"][len(PREFIX) :])).encode()),)

    def _report(self, error: NamaskahError, call: Call) -> None:
        # What the sandbox plays is no trouble of ours; who asks is not known yet when the database is away.
        if error.status >= 500 and (call.principal.livemode or not call.principal.user_id):
            error_reports.report(error, operation=call.operation_id, error_code=error.code)

    def _unforeseen(self, call: Call, operation: Operation | None, error: Exception) -> NamaskahError:
        return unexpected(
            error,
            request_id=call.request_id,
            operation_id=call.operation_id,
            moves_money=operation is not None and operation.moves_money,
        )

    async def _send(self, call: Call, send: Send, reply: Reply) -> None:
        body, status, extra, content_type = reply
        headers = self._headers(call, extra)
        if status not in (204, 304):
            headers.append((b"content-type", content_type))
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if call.scope["method"] == "HEAD" else body})

    async def _stream(self, call: Call, receive: Receive, send: Send, reply: StreamReply) -> None:
        headers = self._headers(call, reply.headers)
        headers.append((b"content-type", reply.content_type))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if call.scope["method"] != "HEAD":
                await reply.run(receive, send)
        except ClientGone:
            return
        except Exception as error:
            # The answer has begun, so it can only end; the client comes back by itself.
            unexpected(error, request_id=call.request_id, operation_id=call.operation_id, moves_money=False)
        finally:
            reply.close()
        await send({"type": "http.response.body", "body": b""})

    def _headers(self, call: Call, extra: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = list(extra)
        if not any(name == b"cache-control" for name, _ in extra):
            headers.append(_NO_STORE)
        if b"origin" in call.headers:
            headers.extend(_CORS)
        if call.allowance is not None and self._limit is not None:
            headers.extend(self._limit.headers(call.allowance))
        return headers


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return f"address:{client[0]}" if client else "address:"
