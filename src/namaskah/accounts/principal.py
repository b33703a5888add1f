"""Who acts in a request, once that has been proved by an API key or by a session's cookie."""

import msgspec


class Principal(msgspec.Struct, frozen=True, gc=False):
    """Whose things are read or changed, with which money (real or the test mode's), and by which key.

    `key_id` is None for a person who is signed in; such a person acts with real money unless test mode is
    chosen.
    """

    user_id: str
    livemode: bool = True
    key_id: str | None = None
