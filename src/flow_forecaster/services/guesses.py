"""How often keys that are not accepted may come from one address, before it is not even looked whether they are.

A key cannot be guessed; but each try costs a look into the database, and a line in the log. A key that was accepted
lately passes, whatever else comes from its address.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from flow_forecaster.errors import TooManyWrongKeys

MOST_KEPT = 10_000
WINDOW_SECONDS = 60.0
_NETWORK_BITS = 64
"""Who has one IPv6 address has all of its network."""


@dataclass(slots=True, kw_only=True)
class Guesses:
    """Counts wrong keys by address: `quota` at once, refilled within a minute; 0 for any number.

    The addresses that are quiet the longest are forgotten, so that memory is bounded whoever comes.
    """

    quota: float
    clock: Callable[[], float]
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def check(self, address: str) -> None:
        """Let an address try another key.

        Raises:
            TooManyWrongKeys: it has tried too many, and when it may again.
        """
        if self.quota > 0 and (tokens := self._tokens(_network(address))) < 1.0:
            raise TooManyWrongKeys(wait_seconds=(1.0 - tokens) * WINDOW_SECONDS / self.quota)

    def note(self, address: str) -> None:
        """Count a wrong key."""
        if self.quota > 0:
            network = _network(address)
            self._levels[network] = max(0.0, self._tokens(network) - 1.0), self.clock()
            self._levels.move_to_end(network)
            if len(self._levels) > MOST_KEPT:
                self._levels.popitem(last=False)

    def _tokens(self, network: str) -> float:
        tokens, since = self._levels.get(network, (self.quota, self.clock()))
        return min(self.quota, tokens + (self.clock() - since) * self.quota / WINDOW_SECONDS)


def _network(address: str) -> str:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Address(int(found) >> _NETWORK_BITS << _NETWORK_BITS))
    return str(found)
