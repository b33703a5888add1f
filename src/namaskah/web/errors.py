"""What can be wrong with a request to a page before a domain sees it. Nothing was changed or charged in any of these."""

from namaskah.core.errors import BadRequest, Forbidden, NamaskahError, NotFound, PayloadTooLarge, UnprocessableContent


class PageNotFound(NotFound):
    """There is no page at this address."""

    code = "page_not_found"


class ForeignForm(Forbidden):
    """This form was not sent from our own pages."""

    code = "foreign_form"


class FormExpired(Forbidden):
    """This form belongs to an earlier sign-in."""

    code = "form_expired"


class UnreadableForm(BadRequest):
    """The form could not be read."""

    code = "unreadable_form"


class FormTooLarge(PayloadTooLarge):
    """The form is too large."""

    code = "form_too_large"


class FormTooSlow(NamaskahError):
    """The form did not arrive in time."""

    code, status = "request_timeout", 408


class NotAForm(NamaskahError):
    """Only forms of our own pages are accepted here."""

    code, status = "unsupported_media_type", 415


class FieldMissing(UnprocessableContent):
    """A field of the form is missing or makes no sense."""

    code = "field_missing"


class PageBroken(NamaskahError):
    """Something went wrong on our side."""

    code, status = "internal_error", 500
