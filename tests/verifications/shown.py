"""An answer as its customer sees it."""

import msgspec

from namaskah.verifications.answer import Answer
from namaskah.verifications.shape import Verification


def shown(answer: Answer | bytes) -> Verification:
    """The verification inside an answer, or inside the JSON that a reader gave."""
    return msgspec.json.decode(answer.body if isinstance(answer, Answer) else answer, type=Verification)
