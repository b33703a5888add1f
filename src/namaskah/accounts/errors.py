"""What can go wrong with accounts and keys. None of these texts says whether an e-mail address is known."""

from namaskah.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnprocessableContent,
)


class InvalidEmail(UnprocessableContent):
    """This is not an e-mail address."""

    code = "invalid_email"


class WeakPassword(UnprocessableContent):
    """This password is too easy to guess or cannot be used."""

    code = "weak_password"


class TermsNotAccepted(UnprocessableContent):
    """The current terms of acceptable use must be accepted."""

    code = "terms_not_accepted"


class EmailTaken(Conflict):
    """There is an account with this e-mail address already."""

    code = "email_taken"


class WrongCredentials(Unauthorized):
    """The e-mail address or the password is wrong."""

    code = "wrong_credentials"


class TooManySignIns(TooManyRequests):
    """There were too many failed attempts to sign in; try again in a few minutes."""

    code = "too_many_sign_ins"


class SignInBusy(Unavailable):
    """Too many people are signing in at this moment; try again in a few seconds."""

    code = "sign_in_busy"


class AccountDisabled(Forbidden):
    """This account has been disabled."""

    code = "account_disabled"


class UnknownUser(NotFound):
    """There is no such user."""

    code = "unknown_user"


class ReasonMissing(BadRequest):
    """An operator's action needs a reason."""

    code = "reason_missing"


class InvalidApiKey(Unauthorized):
    """The API key is not valid."""

    code = "invalid_api_key"


class UnknownApiKey(NotFound):
    """There is no such API key."""

    code = "unknown_api_key"


class TooManyApiKeys(Conflict):
    """The plan allows no further API key; revoke one first."""

    code = "too_many_api_keys"


class InvalidApiKeySettings(UnprocessableContent):
    """These settings make no sense for an API key."""

    code = "invalid_api_key_settings"
