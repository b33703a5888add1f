"""E-mail addresses as people type them: checked for what would break or deceive us, and otherwise left alone.

The case is kept as typed. Two addresses are the same when the database's `lower()` of both is the same.
"""

import unicodedata

from namaskah.accounts.errors import InvalidEmail
from namaskah.core.errors import FieldError

# Control, invisible, direction-changing, private, surrogate and unassigned characters, and all spaces.
_REFUSED_CATEGORIES = ("C", "Z")
MAX_LENGTH = 254


def checked_email(text: str) -> str:
    """The address without the spaces around it. Raises InvalidEmail.

    It can then be stored, shown and written to; that it exists is proved by a letter to it.
    """
    address = text.strip()
    if len(address) > MAX_LENGTH:
        raise _refused(f"An e-mail address has at most {MAX_LENGTH} characters.")
    if any(unicodedata.category(character)[0] in _REFUSED_CATEGORIES for character in address):
        raise _refused("An e-mail address has no spaces, control characters or invisible characters.")
    local, at, domain = address.partition("@")
    labels = domain.split(".")
    if not at or not local or "@" in domain or len(labels) < 2:
        raise _refused("An e-mail address looks like name@example.com.")
    if not all(label and len(label) <= 63 and label[0] != "-" and label[-1] != "-" for label in labels):
        raise _refused("The part after the @ is not the name of a domain.")
    return address


def _refused(message: str) -> InvalidEmail:
    return InvalidEmail(message, fields=(FieldError("email", message),))
