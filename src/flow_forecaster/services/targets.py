"""The URL of a receiver, read strictly: what two parsers could read in two ways is refused.

This is the first of two locks and is there to tell a caller early. The second, at dial time, holds without it.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urlsplit

MOST_URL = 2_000
_PORTS = {"http": 80, "https": 443}
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")  # RFC 3986 without the fragment
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]@]*\]|[^\[\]@:]*)(?::(?P<port>\d{1,5}))?")


class InvalidTarget(ValueError):
    """A URL that nothing is sent to; its text says why and echoes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a message goes. `host` is a name or an address without brackets; `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: who answers there."""
        return f"{self.scheme}://{self.authority}"


def parse_target(url: str) -> Target:
    """Read the URL of a receiver.

    Raises:
        InvalidTarget: it is not http(s), is too long, has user, password or fragment, or a host that is neither a name
            in ASCII nor an address in its one usual notation.
    """
    if len(url) > MOST_URL:
        raise InvalidTarget(f"A URL has at most {MOST_URL} characters.")
    if not _CHARACTERS.fullmatch(url):
        raise InvalidTarget("A URL is written in ASCII, without spaces, backslashes or a fragment.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidTarget("The URL cannot be read.") from None
    if parts.scheme not in _PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        raise InvalidTarget("A URL starts with https:// (or http://, where the operator allows it).")
    if "@" in parts.netloc:
        raise InvalidTarget("A URL has no user and no password.")
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None:
        raise InvalidTarget("The host or the port cannot be read.")
    port = _PORTS[parts.scheme] if found["port"] is None else int(found["port"])
    if not 1 <= port <= 65_535:
        raise InvalidTarget("The port is not one.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=_host(found["host"]), port=port, path=path)


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            address = IPv6Address(text[1:-1])
            if address.scope_id is not None:
                raise InvalidTarget("An address names no interface.")
            return str(address)
        labels = text.removesuffix(".").split(".")
        if _NUMBER.fullmatch(labels[-1]):  # the rule of browsers: what ends in a number is an IPv4 address
            return str(IPv4Address(text))
    except AddressValueError:
        raise InvalidTarget("An address is written as 192.0.2.1 or [2001:db8::1].") from None
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidTarget("The host is not a name; names in other scripts are written as xn--….")
    return text.lower()
