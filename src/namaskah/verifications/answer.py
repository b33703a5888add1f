"""What a verb gives back: the finished JSON of the verification, ready to be sent."""

from typing import NamedTuple


class Answer(NamedTuple):
    """`status` is the HTTP status of the first answer; `replayed` says that an idempotency key was met again."""

    body: bytes
    status: int = 200
    replayed: bool = False
