"""What must never leave the process in a log line, an error report or a trace, and how it is cut out: one place for all.

What may be written is decided where it is written; this is the second guard, not the first.
"""

import re
from collections.abc import Mapping
from typing import Final

REMOVED: Final = "[removed]"
# Fields whose name says that they hold something private, whatever is in them.
FORBIDDEN: Final = frozenset(
    {"number", "phone", "text", "message_text", "code", "email", "password", "secret", "token", "authorization", "cookie"}
    | {"cookies", "set-cookie", "key", "api_key", "sender", "body", "params", "parameters", "query_string", "vars"}
    | {"db.params", "http.query", "url.query", "http.fragment", "url.full", "user_agent"}
)
# Phone numbers, our keys, webhook secrets, session and bearer tokens, e-mail addresses.
_LOOKS_SECRET: Final = re.compile(
    r"\+?\d[\d ()-]{7,}\d|nmk_(?:live|test)_\w+|whsec_\S+|\bBearer\s+\S+|[^\s@\"'<>()=,;]+@[^\s@\"'<>()=,;]+\.[a-z]{2,}",
    re.IGNORECASE,
)
# Deeper than anything of ours; what refers to itself must not keep us for ever.
_DEPTH: Final = 20


def scrub_text(text: str) -> str:
    """The text without what looks like a phone number, a key, a token or an e-mail address."""
    return _LOOKS_SECRET.sub(REMOVED, text)


def is_forbidden(name: object) -> bool:
    """Whether a field of this name is never written."""
    return str(name).lower() in FORBIDDEN


def scrub(value: object, *, kept: frozenset[str] = frozenset(), depth: int = 0) -> object:
    """A copy that may be written: forbidden fields replaced, texts cut, in whatever depth; `kept` are names left as they are."""
    if isinstance(value, str):
        return scrub_text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth >= _DEPTH:
        return REMOVED
    if isinstance(value, Mapping):
        return {
            name: inner if name in kept else REMOVED if is_forbidden(name) else scrub(inner, kept=kept, depth=depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [scrub(inner, kept=kept, depth=depth + 1) for inner in value]
    # Whatever else there is would be written out as its repr, which nobody has looked at.
    return scrub_text(repr(value))
