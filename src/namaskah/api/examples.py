"""Example answers for the documents. A test decodes each of them with the shape that it stands for."""

from typing import Any, Final

Json = dict[str, Any]


def usd(amount: str) -> Json:
    """An amount as the API writes it."""
    return {"amount": amount, "currency": "USD"}


PENDING: Final[Json] = {
    "id": "ver_01kq3v8w5xk2m9t4n7b6c1d0ef",
    "object": "verification",
    "status": "pending",
    "service": "telegram",
    "country": "us",
    "operator": None,
    "capability": "sms",
    "number": "+12025550123",
    "price": usd("0.75"),
    "charged": False,
    "code": None,
    "messages": [],
    "created_at": "2026-11-22T10:00:00.120000+00:00",
    "expires_at": "2026-11-22T10:20:00.120000+00:00",
    "can_cancel_at": "2026-11-22T10:00:00.120000+00:00",
    "completed_at": None,
    "closed_at": None,
    "estimated_delivery_seconds": 9,
    "failure": None,
    "reuse_of": None,
    "livemode": True,
    "metadata": {"order": "A-17"},
}
COMPLETED: Final[Json] = {
    **PENDING,
    "status": "completed",
    "charged": True,
    "code": "482913",
    "messages": [
        {
            "id": "msg_01kq3v94d2r7h5s8f3g6j1k9ab",
            "from": "Telegram",
            "text": "Telegram code: 482913",
            "code": "482913",
            "received_at": "2026-11-22T10:00:09.480000Z",
            "late": False,
        }
    ],
    "completed_at": "2026-11-22T10:00:09.501000Z",
}
CANCELLED: Final[Json] = {
    **PENDING,
    "status": "cancelled",
    "closed_at": "2026-11-22T10:03:00+00:00",
}
FINISHED: Final[Json] = {**COMPLETED, "closed_at": "2026-11-22T10:05:00Z"}
AGAIN: Final[Json] = {
    **PENDING,
    "id": "ver_01kq3vn0c8w4e2y6t1r9p5z7xm",
    "reuse_of": PENDING["id"],
    "metadata": {},
}
EVENT: Final[Json] = {
    "id": "43",
    "event": "verification.code_received",
    "data": '{"id":"evt_43","type":"verification.code_received","created_at":"2026-11-22T10:00:09.501000+00:00",'
    '"livemode":true,"data":{"id":"ver_01kq3v8w5xk2m9t4n7b6c1d0ef","status":"completed","code":"482913"}}',
}
SERVICES: Final[Json] = {
    "data": [
        {
            "code": "telegram",
            "name": "Telegram",
            "category": "messaging",
            "price_from": usd("0.75"),
            "available": True,
        }
    ],
    "next_cursor": None,
}
COUNTRIES: Final[Json] = {"data": [{"code": "us", "name": "United States", "dial": "1"}], "next_cursor": None}
OFFERS: Final[Json] = {
    "data": [
        {
            "service": "telegram", "country": "us", "operator": None, "price": usd("0.75"), "stock": 412,
            "delivery_rate": 0.9421, "sample_size": 311, "median_seconds": 8.7,
        }
    ],
    "next_cursor": None,
}  # fmt: skip
WALLET: Final[Json] = {
    "object": "wallet", "balance": usd("20.00"), "held": usd("0.75"), "available": usd("19.25"), "livemode": True,
}  # fmt: skip
TEST_WALLET: Final[Json] = {**WALLET, "balance": usd("100.75"), "available": usd("100.00"), "livemode": False}
TRANSACTIONS: Final[Json] = {
    "data": [
        {
            "id": "txn_01kq3v8w5xk2m9t4n7b6c1d0eg", "object": "transaction", "type": "hold", "amount": usd("-0.75"),
            "balance_after": usd("20.00"), "available_after": usd("19.25"), "verification_id": PENDING["id"],
            "reason": "", "created_at": "2026-11-22T10:00:00.120000Z",
        }
    ],
    "next_cursor": None,
}  # fmt: skip
ACCOUNT: Final[Json] = {
    "id": "user_01kq3t2b9d5f8h1j4k7m0n3p6q", "object": "account", "email": "someone@example.com",
    "email_verified": True, "plan": "free", "livemode": True, "created_at": "2026-11-20T08:30:00Z",
}  # fmt: skip
USAGE: Final[Json] = {
    "object": "usage", "plan": "free", "open_verifications": 1, "max_open_verifications": 5,
    "purchases_this_hour": 3, "max_purchases_an_hour": 60, "spent_today": usd("2.25"),
    "max_spend_a_day": usd("50.00"), "delivery_share": 0.93, "min_delivery_share": 0.2,
}  # fmt: skip
KEY: Final[Json] = {
    "id": "key_01kq3t9x2c4v6b8n0m1k3j5h7g", "object": "api_key", "name": "CI", "hint": "nmk_test_h3Kd…",
    "livemode": False, "daily_spend_cap": usd("25.00"), "created_at": "2026-11-22T09:00:00Z", "last_used_at": None,
    "expires_at": None,
}  # fmt: skip
NEW_KEY: Final[Json] = {**KEY, "secret": "nmk_test_..."}
KEYS: Final[Json] = {"data": [KEY], "next_cursor": None}
