"""The contract with an upstream that sells numbers: what we ask of it, what it answers, how it fails.

An adapter is one file: it turns these calls into the upstream's protocol and back, keeps no state, sees no
database and lets nothing out but ProviderError. Amounts are micros of US dollars, times are aware and UTC.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

Capability = Literal["sms", "voice"]
OrderState = Literal["waiting", "received", "cancelled", "expired", "gone"]
ErrorKind = Literal[
    "no_numbers", "price_moved", "bad_request", "no_balance", "rate_limited",
    "down", "timeout", "cannot_cancel_yet", "already_received",
]  # fmt: skip

# Those that the same call would meet again until a person changes something.
_PERMANENT: frozenset[ErrorKind] = frozenset({"bad_request", "no_balance", "already_received"})


class ProviderError(Exception):
    """An upstream did not do what it was asked. Customers never see this; the caller decides what it means.

    | kind | it holds when | the caller |
    | --- | --- | --- |
    | no_numbers | nothing is in stock for this order | tries the next route |
    | price_moved | it asks more than `Order.max_price_micros` | tries the next route, refreshes quotes |
    | bad_request | it knows no such service, country or order | tries the next route, warns the operator |
    | no_balance | our own account there is empty or blocked | tries the next route, warns the operator |
    | rate_limited | we asked too often | tries the next route; polls wait `retry_after` seconds |
    | down | nobody is there, or a 5xx before anything was done | tries the next route; polls later |
    | timeout | the request was sent and no answer came | obeys `outcome_known` |
    | cannot_cancel_yet | it forbids early cancels | cancels again after `retry_after` seconds |
    | already_received | a message came before the cancel | polls once more; what was released stays so |

    `outcome_known` false means that the upstream may have done it: such a purchase is never repeated and no
    other route is tried, it is looked up with `find`. `permanent` means that only a person can change it:
    the same call will fail the same way.
    """

    def __init__(
        self,
        kind: ErrorKind,
        detail: str = "",
        *,
        permanent: bool | None = None,
        outcome_known: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.kind: ErrorKind = kind
        self.permanent = kind in _PERMANENT if permanent is None else permanent
        self.outcome_known = kind != "timeout" if outcome_known is None else outcome_known
        self.retry_after = retry_after
        super().__init__(f"{kind}: {detail}" if detail else kind)


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream can do, and the times it keeps. All durations are seconds."""

    sms: bool = True
    voice: bool = False
    another_code: bool = False
    # Whether it keeps our reference. If not, `find` guesses from its list of active orders, see there.
    finds_by_reference: bool = False
    cancel_lock_seconds: int = 0
    lifetime_seconds: int = 1200
    # How long after an order's end a late message can still be read there.
    late_seconds: int = 0
    # How many references one call of `poll` may name.
    poll_batch: int = 1


class Quote(msgspec.Struct, frozen=True):
    """What one service costs us in one country. Operator '' means any; stock is the upstream's own claim."""

    service: str
    country: str
    operator: str
    price_micros: int
    stock: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A number that we want. It can be made again from the verification's row, for `find`."""

    reference: str  # ours: the verification's id
    service: str  # our slug; the adapter knows the upstream's word for it
    country: str  # ISO 3166 alpha-2 in lower case
    operator: str = ""  # '' is any
    area_code: str = ""
    capability: Capability = "sms"
    price_micros: int  # what the customer pays
    max_price_micros: int | None = None  # the most the upstream may ask of us
    asked_at: datetime


class UpstreamMessage(msgspec.Struct, frozen=True):
    """A message as the upstream shows it.

    `message_id` is the same at every poll; where the upstream has none, the adapter makes it from the order's
    reference and the message's place. `text` is the whole text, or the bare code where that is all there is.
    """

    message_id: str
    sender: str
    text: str
    received_at: datetime


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """A number that is ours now. None for a time means what `Capabilities` says of all orders."""

    reference: str  # the upstream's id of the order
    number: str  # E.164, with the plus
    operator: str = ""
    can_cancel_at: datetime | None = None
    expires_at: datetime | None = None
    cost_micros: int
    messages: tuple[UpstreamMessage, ...] = ()


class Polled(msgspec.Struct, frozen=True):
    """How an order stands. `messages` are all that it has, oldest first, also those reported before.

    An `expired` order may still get a late message; `gone` means that the upstream knows no such order.
    """

    reference: str
    state: OrderState
    messages: tuple[UpstreamMessage, ...] = ()


class Provider(Protocol):
    """An upstream. Every method raises ProviderError and nothing else, and answers within ten seconds."""

    @property
    def name(self) -> str:
        """As stored in `verifications.provider`: it never changes once the first order was made."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def quotes(self) -> Sequence[Quote]:
        """Its whole price list in our slugs; what we have no word for is left out."""

    async def buy(self, order: Order) -> Bought:
        """Buys one number, once. ProviderError says of each failure what it asks of the caller."""

    async def find(self, order: Order, *, taken: Collection[str] = ()) -> Bought | None:
        """Looks for an order whose outcome is unknown; None as long as the upstream shows none.

        Upstreams that do not keep our reference are searched for an active order of that service and country
        made since `asked_at`; `taken` are their references that belong to other verifications, which are
        never answered.
        """

    async def poll(self, references: Sequence[str]) -> Sequence[Polled]:
        """The state of at most `capabilities.poll_batch` orders, in any order, each exactly once."""

    async def cancel(self, reference: str) -> None:
        """Gives the number back for our money. Doing it twice, or after the order's end, is no error."""

    async def finish(self, reference: str) -> None:
        """Says that we need no more messages. Doing it twice is no error."""

    async def another_code(self, reference: str) -> None:
        """Asks for one more message on the same number."""

    async def balance(self) -> int | None:
        """Our money there in micros; None where there is none to tell. Being the cheapest call, it also says who is up."""
