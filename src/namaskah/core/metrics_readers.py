"""Who may read `/metrics`: what METRICS_ALLOW says. Light to import, because the settings are checked by it."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def allowed_networks(text: str) -> tuple[Network, ...]:
    """What METRICS_ALLOW says. Raises ValueError for what is no address or network."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def may_read(address: str, allowed: Iterable[Network]) -> bool:
    """Whether a client of this address may read the metrics."""
    try:
        client = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None) or client
    return any(mapped in network for network in allowed)
