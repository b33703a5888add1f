"""What can be wrong with a number source, in words for the operator or the webhook that names it.

How an upstream fails is another family, which no customer sees: `base.ProviderError`.
"""

from namaskah.core.errors import Conflict, NotFound, UnprocessableContent


class UnknownSource(NotFound):
    """There is no such number source, or it is disabled."""

    code = "unknown_source"


class SourceNameTaken(Conflict):
    """Another number source has this name."""

    code = "source_name_taken"


class BadSourceName(UnprocessableContent):
    """A number source needs a name of 1 to 100 characters."""

    code = "bad_source_name"
