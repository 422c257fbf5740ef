"""Where a proxy stands before the service by construction, its callers are told apart."""

import tomllib
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pages import text

GATEWAY, OTHER_GATEWAY, FLY, APP = "172.18.0.1", "192.168.16.1", "172.19.4.2", "66.241.124.7"
CALLER = "203.0.113.7"


def allowed_in_compose() -> str:
    given = str(yaml.safe_load(text("docker-compose.yml"))["services"]["api"]["environment"]["FORWARDED_ALLOW_IPS"])
    return given.removeprefix("${FORWARDED_ALLOW_IPS:-").removesuffix("}")


def allowed_on_fly() -> str:
    return str(tomllib.loads(text("fly.toml"))["env"]["FORWARDED_ALLOW_IPS"])


async def told(allowed: str, peer: str, header: str) -> str:
    """Ask, as the server does, from where a request comes."""
    seen: list[str] = []

    async def api(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    scope: Any = {"type": "http", "client": (peer, 40_000), "headers": [(b"x-forwarded-for", header.encode())]}
    nothing: Any = None
    await ProxyHeadersMiddleware(api, allowed)(scope, nothing, nothing)
    return seen[0]


@pytest.mark.parametrize("written", ["", "192.0.2.66, "])
async def test_callers_behind_the_proxy_are_told_apart_whatever_they_write(written: str) -> None:
    for gateway in (GATEWAY, OTHER_GATEWAY):
        assert await told(allowed_in_compose(), gateway, f"{written}{CALLER}") == CALLER
    assert await told(f"{allowed_on_fly()},{APP}", FLY, f"{written}{CALLER}, {APP}") == CALLER


async def test_who_comes_without_the_proxy_is_not_believed() -> None:
    for allowed in (allowed_in_compose(), allowed_on_fly()):
        assert await told(allowed, CALLER, "192.0.2.66") == CALLER


def test_each_network_is_written_as_one() -> None:
    """The server takes what is none for a name, without a word, and then believes nobody."""
    for allowed in (allowed_in_compose(), allowed_on_fly()):
        for part in allowed.split(","):
            assert str(ip_network(part)) == part


async def test_each_network_is_believed_to_its_ends_and_no_further() -> None:
    for allowed in (allowed_in_compose(), allowed_on_fly()):
        for network in map(ip_network, allowed.split(",")):
            for inside in (network[0], network[1], network[-1]):
                assert await told(allowed, str(inside), CALLER) == CALLER
            for beyond in (str(network[0] - 1), str(network[-1] + 1)):
                assert await told(allowed, beyond, CALLER) == beyond


def test_only_networks_of_a_machine_or_an_organisation_are_believed() -> None:
    for allowed in (allowed_in_compose(), allowed_on_fly()):
        for network in map(ip_network, allowed.split(",")):
            assert network.is_private
            assert not any(ip_address(public) in network for public in (CALLER, APP, "2a09:8280:1::1"))
