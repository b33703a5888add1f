"""The table's part about money."""

from typing import Final

from namaskah.api import examples
from namaskah.api import wallet as handlers
from namaskah.api.errors import TestKeyNeeded
from namaskah.api.operation import Operation, Success
from namaskah.core.cursor import InvalidCursor
from namaskah.wallet.queries import Wallet

_TAG: Final = "Wallet"

WALLET_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET", path="/wallet", operation_id="readWallet", tag=_TAG, summary="Your money",
        description="`held` is set aside for open verifications; `available` can be spent. Test keys see test money.",
        handler=handlers.read_wallet,
        success={200: Success(description="The wallet.", shape=Wallet, example=examples.WALLET)},
    ),
    Operation(
        method="GET", path="/wallet/transactions", operation_id="listTransactions", tag=_TAG,
        summary="Your statement",
        description="Every movement, newest first. `amount` is what it did to the available money.",
        handler=handlers.list_transactions, query=handlers.TransactionsQuery, errors=(InvalidCursor,),
        success={200: Success(description="A page.", shape=handlers.TransactionPage, example=examples.TRANSACTIONS)},
    ),
    Operation(
        method="POST", path="/wallet/test-refill", operation_id="refillTestWallet", tag=_TAG,
        summary="Fill up the test money",
        description="To 100 USD that are none. For keys of the test mode only.",
        handler=handlers.refill_test_wallet, moves_money=True, errors=(TestKeyNeeded,),
        success={200: Success(description="The wallet.", shape=Wallet, example=examples.TEST_WALLET)},
    ),
)  # fmt: skip
