"""Which addresses webhooks may reach: the table, held against every notation and against the ranges of Python."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.services.addresses import BLOCKED_V4, BLOCKED_V6, AddressPolicy, networks_of, why_blocked

PUBLIC = ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"]
PUBLIC += ["128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"]
PUBLIC += ["198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15", "168.63.129.17"]
PUBLIC += ["2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "2001:200::1", "2003::", "2620:4f:8001::"]
WRONG_IN_PYTHON = ["64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "fec0::1", "224.0.0.251", "ff0e::1", "ff02::1"]
CARRYING = ["::ffff:{}", "::{}", "::ffff:0:{}", "64:ff9b::{}", "64:ff9b:1::{}", "2a00:1450::5efe:{}"]
DEFAULT = AddressPolicy()
OPEN = AddressPolicy(ports=frozenset({443, 8000}), networks=networks_of("10.1.0.0/16, fd00:1::/32"), plain_http=True)
LOCAL = AddressPolicy(loopback=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_reached(address: str) -> None:
    assert DEFAULT.refusal("https", address, 443) is None


@pytest.mark.parametrize(("network", "name"), [*BLOCKED_V4, *BLOCKED_V6], ids=str)
def test_the_first_and_the_last_address_of_a_range_are_refused(network: object, name: str) -> None:
    block = ip_network(str(network))
    for address in (block[0], block[-1]):
        assert why_blocked(address) is not None
        assert DEFAULT.refusal("https", str(address), 443) is not None


@pytest.mark.parametrize("address", WRONG_IN_PYTHON)
def test_what_python_once_took_for_global_is_refused(address: str) -> None:
    assert DEFAULT.refusal("https", address, 443) is not None


@pytest.mark.parametrize("form", CARRYING)
@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"])
def test_an_address_that_carries_another_is_refused_whatever_it_carries(form: str, inside: str) -> None:
    assert DEFAULT.refusal("https", form.format(inside), 443) is not None


@given(st.integers(0, 2**32 - 1))
def test_what_python_knows_to_be_private_is_refused(number: int) -> None:
    address = IPv4Address(number)
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert why_blocked(address) is not None


@given(st.integers(0, 2**128 - 1))
def test_nothing_outside_global_unicast_is_reached(number: int) -> None:
    address = IPv6Address(number)
    if number >> 125 != 1 or not address.is_global:
        assert why_blocked(address) is not None


@given(st.integers(0, 2**32 - 1))
def test_6to4_and_teredo_are_refused_whatever_they_carry(number: int) -> None:
    assert why_blocked(IPv6Address(0x2002 << 112 | number << 80)) == "6to4, RFC 3056"
    assert why_blocked(IPv6Address(0x20010000 << 96 | number)) == "Teredo, RFC 4380"


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1%eth0", "::1%lo"])
def test_an_address_of_one_interface_is_refused(address: str) -> None:
    for policy in (DEFAULT, LOCAL, AddressPolicy(networks=networks_of("::/0"))):
        assert policy.refusal("https", address, 443) is not None


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "1.1.1.1/32"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert AddressPolicy(networks=networks_of("0.0.0.0/0"), loopback=True).refusal("https", text, 443)


def test_only_https_and_listed_ports_are_used() -> None:
    assert DEFAULT.refusal("http", "1.1.1.1", 443)
    for port in (80, 22, 25, 6379, 8080, 0):
        assert DEFAULT.refusal("https", "1.1.1.1", port)
    assert DEFAULT.refusal("https", "1.1.1.1", 8443) is None


def test_an_operator_opens_networks_ports_and_plain_http() -> None:
    assert OPEN.refusal("http", "10.1.2.3", 8000) is None
    assert OPEN.refusal("https", "fd00:1::5", 443) is None
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::1", "::ffff:10.1.2.3"):
        assert OPEN.refusal("http", address, 8000) is not None
    assert OPEN.refusal("http", "10.1.2.3", 8001) is not None


def test_loopback_is_opened_for_itself_alone() -> None:
    for address in ("127.0.0.1", "127.8.9.10", "::1"):
        assert LOCAL.refusal("http", address, 5000) is None
        assert DEFAULT.refusal("https", address, 443) is not None
    for address in ("::ffff:127.0.0.1", "0.0.0.0", "::", "10.0.0.1", "169.254.169.254"):  # noqa: S104
        assert LOCAL.refusal("http", address, 443) is not None
    assert LOCAL.refusal("http", "1.1.1.1", 443) is not None


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "example.org", "10.0.0.0/8;::/0"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|host bits"):
        networks_of(text)


def test_each_range_stands_there_once_and_means_what_it_says() -> None:
    networks = [network for network, _ in (*BLOCKED_V4, *BLOCKED_V6)]
    assert len(set(networks)) == len(networks) == 40
    assert all(ip_address(str(network.network_address)) in network for network in networks)


@pytest.mark.parametrize(
    ("prefix", "public", "metadata", "private"),
    [
        ("64:ff9b::/96", "64:ff9b::101:101", "64:ff9b::a9fe:a9fe", "64:ff9b::a01:203"),
        ("64:ff9b:1:2::/96", "64:ff9b:1:2::101:101", "64:ff9b:1:2::a9fe:a9fe", "64:ff9b:1:2::a01:203"),
        ("64:ff9b:1::/48", "64:ff9b:1:101:1:100::", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a01:2:300::"),
        ("64:ff9b:1:200::/56", "64:ff9b:1:201:1:101::", "64:ff9b:1:2a9:fe:a9fe::", "64:ff9b:1:20a:1:203::"),
        ("64:ff9b:1:2::/64", "64:ff9b:1:2:1:101:100:0", "64:ff9b:1:2:a9:fea9:fe00:0", "64:ff9b:1:2:a:102:300:0"),
    ],
)
def test_where_nat64_is_opened_the_address_that_it_leads_to_is_judged(
    prefix: str, public: str, metadata: str, private: str
) -> None:
    opened = AddressPolicy(networks=networks_of(prefix))
    assert opened.refusal("https", public, 443) is None
    assert opened.refusal("https", metadata, 443) is not None
    assert opened.refusal("https", private, 443) is not None
    with_private = AddressPolicy(networks=networks_of(f"{prefix},10.0.0.0/8"))
    assert with_private.refusal("https", private, 443) is None
    assert with_private.refusal("https", metadata, 443) is not None
    assert AddressPolicy().refusal("https", public, 443) is not None
