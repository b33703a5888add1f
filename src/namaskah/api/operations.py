"""The table of everything that API v2 can do: the truth for routing, for the OpenAPI document and for the reference page."""

from typing import Final

from namaskah.api.account_operations import ACCOUNT_OPERATIONS
from namaskah.api.catalog_operations import CATALOG_OPERATIONS
from namaskah.api.documents import document_operations
from namaskah.api.operation import Operation
from namaskah.api.verification_operations import VERIFICATION_OPERATIONS
from namaskah.api.wallet_operations import WALLET_OPERATIONS


def _all() -> tuple[Operation, ...]:
    return OPERATIONS


OPERATIONS: Final[tuple[Operation, ...]] = (
    *VERIFICATION_OPERATIONS,
    *CATALOG_OPERATIONS,
    *WALLET_OPERATIONS,
    *ACCOUNT_OPERATIONS,
    *document_operations(_all),
)
