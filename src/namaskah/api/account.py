"""The account, what it uses of its plan, and its API keys, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from namaskah.accounts import api_keys
from namaskah.accounts.api_keys import ApiKey
from namaskah.accounts.errors import UnknownApiKey
from namaskah.accounts.users import user_by_id
from namaskah.api.call import Call, Reply
from namaskah.api.errors import LiveKeyNeeded, RestrictedKey
from namaskah.core.money import Money, micros_from_text, money
from namaskah.wallet.queries import usage

_encode: Final = msgspec.json.Encoder().encode
# Printable characters of the scripts most people write in; what is invisible would only deceive in a list of keys.
_PRINTABLE: Final = "!-~À-ɏЀ-ԯؠ-يऀ-ॿぁ-ゖァ-ヺ一-鿋가-힣"


class Account(msgspec.Struct, kw_only=True):
    """Who the key belongs to. `livemode` is the mode of the key that asks."""

    id: str
    object: str = "account"
    email: str
    email_verified: bool
    plan: str
    livemode: bool
    created_at: datetime


class Key(msgspec.Struct, kw_only=True):
    """What may be shown of an API key; `hint` is its beginning."""

    id: str
    object: str = "api_key"
    name: str
    hint: str
    livemode: bool
    daily_spend_cap: Money | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


class NewKey(Key, kw_only=True):
    """A key that was just made. `secret` is shown this once and kept nowhere."""

    secret: str


class KeyList(msgspec.Struct):
    """All keys that are not revoked, newest first."""

    data: list[Key]
    next_cursor: None = None


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the new key is called and may do."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=f"^[{_PRINTABLE}][ {_PRINTABLE}]{{0,99}}$")]
    livemode: Annotated[bool, Meta(description="As the key that asks, when it is left out.")] | UnsetType = UNSET
    daily_spend_cap: (
        Annotated[
            str,
            Meta(
                pattern=r"^[1-9][0-9]{0,8}(?:\.[0-9]{1,6})?$",
                max_length=16,
                description="US dollars that it may spend on a day (UTC), 1 or more.",
            ),
        ]
        | None
    ) = None
    expires_in_days: Annotated[float, Meta(ge=1, le=3650, description="After how many days it ends by itself.")] | None = None


async def read_account(call: Call) -> Reply:
    """GET /account"""
    user = await user_by_id(call.platform.db, call.principal.user_id)
    account = Account(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        plan=user.plan,
        livemode=call.principal.livemode,
        created_at=user.created_at,
    )
    return Reply(_encode(account))


async def read_usage(call: Call) -> Reply:
    """GET /account/usage"""
    who = call.principal
    return Reply(_encode(await usage(call.platform.db, user_id=who.user_id, livemode=who.livemode)))


async def create_key(call: Call) -> Reply:
    """POST /api-keys"""
    wish = call.decode(CreateKey)
    livemode = call.principal.livemode if wish.livemode is UNSET else wish.livemode
    if livemode and not call.principal.livemode:
        raise LiveKeyNeeded()
    for key in await api_keys.list_keys(call.platform.db, user_id=call.principal.user_id):
        # Else whoever finds a key that is fenced in could make one that is not.
        if key.id == call.principal.key_id and (key.daily_spend_cap_micros or key.expires_at):
            raise RestrictedKey()
    made, secret = await api_keys.create(
        call.platform.db,
        user_id=call.principal.user_id,
        livemode=livemode,
        name=wish.name,
        daily_spend_cap_micros=micros_from_text(wish.daily_spend_cap) if wish.daily_spend_cap else None,
        expires_at=datetime.now(UTC) + timedelta(days=wish.expires_in_days) if wish.expires_in_days else None,
    )
    shown = _shown(made)
    return Reply(_encode(NewKey(**msgspec.structs.asdict(shown), secret=secret)), 201)


async def list_keys(call: Call) -> Reply:
    """GET /api-keys"""
    return Reply(_encode(KeyList([_shown(key) for key in await _visible(call)])))


async def revoke_key(call: Call) -> Reply:
    """DELETE /api-keys/{id}"""
    if not call.principal.livemode and call.id not in {key.id for key in await _visible(call, with_revoked=True)}:
        raise UnknownApiKey()
    await api_keys.revoke(call.platform.db, user_id=call.principal.user_id, key_id=call.id)
    return Reply(status=204)


async def _visible(call: Call, *, with_revoked: bool = False) -> list[ApiKey]:
    """A test key, which is often less well kept, sees and ends test keys only."""
    user_id = call.principal.user_id
    found = await api_keys.list_keys(call.platform.db, user_id=user_id, with_revoked=with_revoked)
    return [key for key in found if call.principal.livemode or not key.livemode]


def _shown(key: ApiKey) -> Key:
    cap = key.daily_spend_cap_micros
    return Key(
        id=key.id,
        name=key.name,
        hint=key.hint,
        livemode=key.livemode,
        daily_spend_cap=None if cap is None else money(cap),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        expires_at=key.expires_at,
    )
