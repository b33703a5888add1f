"""Which provider is meant by a name, and which ones a live order may go to, in which order."""

from collections.abc import Iterable

from namaskah.providers.base import Capability, Provider
from namaskah.providers.observed import ObservedProvider
from namaskah.providers.sandbox import Sandbox

# Our own numbers are no upstream: they are bought by a statement of the database and have no entry here.
INVENTORY = "inventory"


class UnknownProvider(LookupError):
    """An order names a provider that is not configured any more."""


class Providers:
    """All upstreams of a process. `upstreams` come in the order in which live orders try them."""

    def __init__(self, upstreams: Iterable[Provider] = (), *, sandbox: Provider | None = None) -> None:
        self.sandbox: Provider = ObservedProvider(Sandbox() if sandbox is None else sandbox)
        self._upstreams: tuple[Provider, ...] = tuple(map(ObservedProvider, upstreams))
        self._by_name: dict[str, Provider] = {self.sandbox.name: self.sandbox}
        for upstream in self._upstreams:
            if upstream.name == INVENTORY or upstream.name in self._by_name:
                raise ValueError(f"the provider name {upstream.name!r} is taken")
            self._by_name[upstream.name] = upstream

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the sandbox's first."""
        return tuple(self._by_name)

    def named(self, name: str) -> Provider:
        """The provider of that name. Raises UnknownProvider."""
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownProvider(f"no provider named {name!r} is configured") from None

    def live_routes(self, service: str, country: str, capability: Capability) -> list[Provider]:
        """The upstreams to ask for a live order, best first; never the sandbox, empty when none can do it."""
        return [
            upstream
            for upstream in self._upstreams
            if (upstream.capabilities.voice if capability == "voice" else upstream.capabilities.sms)
        ]
