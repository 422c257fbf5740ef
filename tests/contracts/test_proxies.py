"""Where a proxy stands before the service by construction, its callers are told apart."""

import tomllib
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
