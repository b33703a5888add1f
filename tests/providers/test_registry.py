"""Which provider a name means, and which ones live orders may reach."""

import pytest

from namaskah.providers.base import Capabilities, Provider
from namaskah.providers.observed import ObservedProvider
from namaskah.providers.registry import INVENTORY, Providers, UnknownProvider
from namaskah.providers.sandbox import Sandbox


class OnlyText(Sandbox):
    """An upstream that takes no calls."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.capabilities = Capabilities(voice=False)


def names(routes: list[Provider]) -> list[str]:
    return [route.name for route in routes]


def test_a_name_that_is_not_configured_is_an_error() -> None:
    with pytest.raises(UnknownProvider, match="'gone'"):
        Providers().named("gone")


@pytest.mark.parametrize("name", ["sandbox", INVENTORY, "twice"])
def test_a_name_can_mean_one_provider_only(name: str) -> None:
    with pytest.raises(ValueError, match="taken"):
        Providers([Sandbox(name="twice"), Sandbox(name=name)])


def test_live_orders_never_reach_the_sandbox() -> None:
    assert Providers().live_routes("telegram", "us", "sms") == []


def test_routes_come_in_their_order_and_only_those_that_can() -> None:
    providers = Providers([OnlyText("first"), Sandbox(name="second")])
    assert names(providers.live_routes("telegram", "us", "sms")) == ["first", "second"]
    assert names(providers.live_routes("telegram", "us", "voice")) == ["second"]


def test_every_provider_is_found_by_its_name() -> None:
    upstream = Sandbox(name="fake")
    providers = Providers([upstream])
    assert providers.names == ("sandbox", "fake")
    assert isinstance(providers.named("fake"), ObservedProvider) and providers.named("fake").inner is upstream
    assert providers.named("sandbox") is providers.sandbox
