"""Which instance is looked at, and with which key: what is refused before the first request is sent.

Only test keys are taken, because they move no money; nothing here ever prints one.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from namaskah.accounts.key_format import LIVE, TEST, is_well_formed

_PORTS: Final = {"http": 80, "https": 443}
_HIDDEN: Final = f"{TEST}..."


class Refused(Exception):
    """What was asked for is not done; the message says why and what to do instead."""


class Unreachable(Exception):
    """Nobody answers there, or somebody who does not speak HTTP."""


@dataclass(frozen=True)
class Target:
    """An instance: where it is, and a test key of an account on it."""

    scheme: str
    host: str
    port: int
    key: str

    @property
    def url(self) -> str:
        """The address as it is shown, without a default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def host_header(self) -> str:
        """What goes into `Host`."""
        return self.url.partition("://")[2]

    @property
    def is_local(self) -> bool:
        """Whether it is reached without leaving this machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def redact(self, text: str) -> str:
        """`text` without the key, should it be in there."""
        return text.replace(self.key, _HIDDEN) if self.key else text


def target_of(url: str, key: str) -> Target:
    """The instance at `url`. Raises Refused for an address or a key that must not be used."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("The address cannot be read.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused("The address must begin with http:// or https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise Refused("The address must not hold a user or a password.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Refused("The address must end with the host and its port: the instance has no other base.")
    return Target(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], usable_key(key))


def usable_key(key: str) -> str:
    """The key, if it is one of the test mode. Raises Refused; never repeats the key."""
    key = key.strip()
    if not key:
        raise Refused(
            "A test key is needed: set NAMASKAH_TEST_KEY. "
            "`namaskah api-key create USER --name checks --test --reason ...` makes one."
        )
    if key.startswith(LIVE):
        raise Refused("This is a live key, which moves real money. Take a test key (nmk_test_...). Nothing was sent.")
    if not is_well_formed(key):
        raise Refused("This is not a test key: it begins with nmk_test_ and has 45 characters. Nothing was sent.")
    return key
