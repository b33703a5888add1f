"""The table's part about the account and its API keys."""

from typing import Final

from namaskah.accounts.errors import (
    AccountDisabled,
    InvalidApiKeySettings,
    TooManyApiKeys,
    UnknownApiKey,
    UnknownUser,
)
from namaskah.api import account as handlers
from namaskah.api import examples
from namaskah.api.errors import LiveKeyNeeded, RestrictedKey
from namaskah.api.operation import Operation, PathId, Success
from namaskah.wallet.queries import Usage

_ACCOUNT: Final = "Account"
_KEYS: Final = "API keys"

ACCOUNT_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET", path="/account", operation_id="readAccount", tag=_ACCOUNT, summary="Who the key belongs to",
        description="The account, its plan, and the mode of the key.", handler=handlers.read_account,
        errors=(UnknownUser,),
        success={200: Success(description="The account.", shape=handlers.Account, example=examples.ACCOUNT)},
    ),
    Operation(
        method="GET", path="/account/usage", operation_id="readUsage", tag=_ACCOUNT,
        summary="What is used of your plan",
        description="The plan's limits and how much of them is used now. `delivery_share` is the part of your latest "
        "purchases that received a code; below `min_delivery_share` fewer purchases an hour are allowed.",
        handler=handlers.read_usage,
        success={200: Success(description="The figures.", shape=Usage, example=examples.USAGE)},
    ),
    Operation(
        method="POST", path="/api-keys", operation_id="createApiKey", tag=_KEYS, summary="Make a key",
        description="Its secret is shown this once. A test key makes test keys only; a key with a spending cap or an end "
        "makes none.",
        handler=handlers.create_key, request=handlers.CreateKey, creates="key",
        request_example={"name": "CI", "livemode": False, "daily_spend_cap": "25.00"},
        success={201: Success(description="The key.", shape=handlers.NewKey, example=examples.NEW_KEY)},
        errors=(
            TooManyApiKeys, InvalidApiKeySettings, LiveKeyNeeded, RestrictedKey, AccountDisabled, UnknownUser,
        ),
    ),
    Operation(
        method="GET", path="/api-keys", operation_id="listApiKeys", tag=_KEYS, summary="Your keys",
        description="Those that are not revoked, newest first. A test key sees test keys only.",
        handler=handlers.list_keys,
        success={200: Success(description="The keys.", shape=handlers.KeyList, example=examples.KEYS)},
    ),
    Operation(
        method="DELETE", path="/api-keys/{id}", operation_id="revokeApiKey", tag=_KEYS, summary="Revoke a key",
        description="It is refused everywhere within a second. Revoking twice is the same as once.",
        handler=handlers.revoke_key, path_id=PathId("key", UnknownApiKey, "The key's id."),
        success={204: Success(description="Revoked.")},
    ),
)  # fmt: skip
