"""What can be wrong with a verification, in words that say whether money moved."""

from namaskah.core.errors import Conflict, Forbidden, NotFound, PaymentRequired, TooManyRequests, UnprocessableContent


class ServiceBlocked(Forbidden):
    """This service is not offered: its category is closed by our acceptable use policy."""

    code = "service_blocked"


class ServiceStopped(Conflict):
    """This service is not sold at the moment."""

    code = "service_stopped"


class AccountDisabled(Forbidden):
    """This account is closed."""

    code = "account_disabled"


class NoNumbers(Conflict):
    """There is no free number for this service and country now."""

    code = "no_numbers"


class PriceAboveMax(Conflict):
    """The price is above your max_price."""

    code = "price_above_max"


class ProviderDown(Conflict):
    """No upstream could be reached for this service and country."""

    code = "provider_down"


class InsufficientFunds(PaymentRequired):
    """The available balance does not cover the price."""

    code = "insufficient_funds"


class LimitReached(TooManyRequests):
    """A limit of your plan is reached."""

    code = "limit_reached"


class IdempotencyMismatch(UnprocessableContent):
    """This Idempotency-Key was used with another request."""

    code = "idempotency_mismatch"


class StillRunning(Conflict):
    """The first request with this Idempotency-Key is still running."""

    code = "idempotency_running"


class VerificationNotFound(NotFound):
    """There is no such verification, or it is not yours."""

    code = "verification_not_found"


class CancelTooEarly(Conflict):
    """This number cannot be cancelled yet."""

    code = "cancel_too_early"


class CodeAlreadyReceived(Conflict):
    """The code has arrived, so the verification is completed and paid."""

    code = "code_already_received"


class NumberAlreadyReleased(Conflict):
    """The verification has already ended and its money is back."""

    code = "already_released"


class NoCodeYet(Conflict):
    """No code has arrived yet; cancel instead, which costs nothing."""

    code = "no_code_yet"


class VerificationClosed(Conflict):
    """The verification is closed, its number is no longer yours."""

    code = "verification_closed"


class ReuseNotPossible(Conflict):
    """This number cannot be used again."""

    code = "reuse_not_possible"


class NothingToReport(Conflict):
    """This verification never had a number."""

    code = "nothing_to_report"


class AnotherCodeNotPossible(Conflict):
    """No further code can be asked for on this number."""

    code = "another_code_not_possible"
