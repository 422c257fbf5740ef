"""Where webhooks may go: a table of what is no public unicast address, and who reads it.

Python's `ipaddress.is_global` calls NAT64, 6to4, IPv4-compatible, site-local and multicast addresses global, so the
table is our own. Sources: the IANA registries of special-purpose IPv4 and IPv6 addresses (RFC 6890, RFC 8190), of IPv4
multicast (RFC 5771) and of IPv6 address space (RFC 4291, global unicast is 2000::/3), and beside each line. An address
that carries an IPv4 address inside (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) is blocked whatever it
carries: who wants to be reached over IPv4 has an IPv4 address. Where an operator opens NAT64, since there is no other
way to IPv4, the IPv4 address inside is judged by the table of IPv4.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

BLOCKED_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "this network, RFC 791"),
        ("10.0.0.0/8", "private, RFC 1918"),
        ("100.64.0.0/10", "carrier-grade NAT, RFC 6598; the metadata service of a cloud"),
        ("127.0.0.0/8", "loopback, RFC 1122"),
        ("168.63.129.16/32", "the platform's own channel in a cloud"),
        ("169.254.0.0/16", "link-local, RFC 3927; the metadata service of most clouds"),
        ("172.16.0.0/12", "private, RFC 1918"),
        ("192.0.0.0/24", "protocol assignments, RFC 6890"),
        ("192.0.2.0/24", "documentation, RFC 5737"),
        ("192.31.196.0/24", "AS112, RFC 7535"),
        ("192.52.193.0/24", "automatic multicast tunnels, RFC 7450"),
        ("192.88.99.0/24", "6to4 relays, RFC 7526"),
        ("192.168.0.0/16", "private, RFC 1918"),
        ("192.175.48.0/24", "AS112, RFC 7534"),
        ("198.18.0.0/15", "benchmarks, RFC 2544"),
        ("198.51.100.0/24", "documentation, RFC 5737"),
        ("203.0.113.0/24", "documentation, RFC 5737"),
        ("224.0.0.0/4", "multicast, RFC 5771"),
        ("240.0.0.0/4", "reserved, RFC 1112; broadcast, RFC 919"),
    )
)
GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
BLOCKED_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("::/128", "unspecified, RFC 4291"),
        ("::1/128", "loopback, RFC 4291"),
        ("::/96", "IPv4-compatible, RFC 4291"),
        ("::ffff:0:0/96", "IPv4-mapped, RFC 4291"),
        ("::ffff:0:0:0/96", "IPv4-translated, RFC 2765"),
        ("64:ff9b::/96", "NAT64, RFC 6052"),
        ("64:ff9b:1::/48", "NAT64 of a site, RFC 8215"),
        ("100::/64", "discard, RFC 6666"),
        ("100:0:0:1::/64", "dummy, RFC 9780"),
        ("2001::/32", "Teredo, RFC 4380"),
        ("2001::/23", "protocol assignments, RFC 2928: benchmarks, ORCHID, AMT and others"),
        ("2001:db8::/32", "documentation, RFC 3849"),
        ("2002::/16", "6to4, RFC 3056"),
        ("2620:4f:8000::/48", "AS112, RFC 7534"),
        ("3ffe::/16", "the former 6bone, RFC 3701"),
        ("3fff::/20", "documentation, RFC 9637"),
        ("5f00::/16", "segment routing, RFC 9602"),
        ("fc00::/7", "unique local, RFC 4193; the metadata service of a cloud"),
        ("fe80::/10", "link-local, RFC 4291"),
        ("fec0::/10", "site-local, RFC 3879"),
        ("ff00::/8", "multicast, RFC 4291"),
    )
)
_NAT64, _NAT64_OF_A_SITE = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
_PREFIXES_OF_A_SITE, _LONGEST_PREFIX = (48, 56, 64), 96
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # RFC 5214: the interface's upper half, before an IPv4 address
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What the operator lets webhooks reach beyond https on public addresses."""

    ports: frozenset[int] = frozenset({443, 8443})
    networks: tuple[Network, ...] = ()
    """Networks that may be reached although the table blocks them."""
    plain_http: bool = False
    loopback: bool = False
    """Whether http and https may reach loopback, on any port."""
    loopback_without_keys: bool = False
    """Whether they may while the service has no keys: whoever calls it then is on this machine already."""

    def among(self, *, keys: bool) -> "AddressPolicy":
        """Give the policy as it is while the service has keys, or has none."""
        return replace(self, loopback=self.loopback or (self.loopback_without_keys and not keys))

    def refusal(self, scheme: str, address: str, port: int) -> str | None:
        """Say why nothing is sent there, or None if it may be. `address` is what a socket would connect to."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return "It is no address."
        if self.loopback and is_loopback(parsed):
            return None
        blocked = self._blocked(parsed)
        if blocked is not None:
            return f"The address is not public ({blocked})."
        if scheme != "https" and not self.plain_http:
            return "Only https is sent there."
        return None if port in self.ports else "The port is not one that webhooks may use."

    def _blocked(self, address: Address) -> str | None:
        """Name the block that holds an address and is not opened; where NAT64 is, also that of where it leads to."""
        blocked = why_blocked(address)
        opened = [network.prefixlen for network in self.networks if _lies_in(address, network)]
        if blocked is None or not opened:
            return blocked
        translated = _translated(address, max(opened))
        return None if translated is None else self._blocked(translated)


def why_blocked(address: Address) -> str | None:
    """Name the block of special addresses that holds this one, or None if it is public."""
    if isinstance(address, IPv4Address):
        return next((name for network, name in BLOCKED_V4 if address in network), None)
    if address.scope_id is not None:
        return "an address of one interface, RFC 4007"
    found = next((name for network, name in BLOCKED_V6 if address in network), None)
    if found is not None:
        return found
    if address not in GLOBAL_UNICAST_V6:
        return "outside global unicast, RFC 4291"
    return "ISATAP, RFC 5214" if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP else None


def is_loopback(address: Address) -> bool:
    """Tell whether an address is this machine's own, in its plain form."""
    return any(_lies_in(address, network) for network in _LOOPBACK)


def networks_of(text: str) -> tuple[Network, ...]:
    """Read networks with commas between, such as `10.1.0.0/16,fd00::/8`.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _translated(address: Address, prefix_bits: int) -> IPv4Address | None:
    """Find where NAT64 leads to, as it has a prefix of so many bits (RFC 6052, 2.2: the ninth octet is passed over)."""
    octets = address.packed
    if address in _NAT64 or (address in _NAT64_OF_A_SITE and prefix_bits == _LONGEST_PREFIX):
        return IPv4Address(octets[-4:])
    if address not in _NAT64_OF_A_SITE:
        return None
    start = (prefix_bits if prefix_bits in _PREFIXES_OF_A_SITE else min(_PREFIXES_OF_A_SITE)) // 8
    return IPv4Address((octets[:8] + octets[9:])[start : start + 4])


def _lies_in(address: Address, network: Network) -> bool:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return address.version == network.version and address in network
