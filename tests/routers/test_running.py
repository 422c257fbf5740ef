"""What runs beside the forecasts: documentation that loads nothing from elsewhere, ids of requests, and counts."""

import re
from html.parser import HTMLParser
from uuid import UUID

import httpx2
import pytest

from routers.asking import FORECASTS, UNKNOWN_ID, ask, body

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Links(HTMLParser):
    """Collects what a page refers to, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"src", "href", "action", "srcset", "data", "poster", "content"}
        self.addresses += [value or "" for name, value in attrs if name in names and tag != "meta"]
        self.scripts.append(tag)

    def handle_data(self, data: str) -> None:
        if self.scripts and self.scripts[-1] == "script":
            self.addresses += re.findall(r"(?:url|Url|URL)\"?: *['\"]([^'\"]*)['\"]", data)


async def links(service: httpx2.AsyncClient) -> list[str]:
    page = await service.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    parser = Links()
    parser.feed(page.text)
    return parser.addresses


async def test_the_documentation_refers_to_this_host_only_and_to_what_is_there(service: httpx2.AsyncClient) -> None:
    addresses = await links(service)
    assert "/openapi.json" in addresses
    assert {address.rpartition(".")[2] for address in addresses} >= {"js", "css", "json"}
    for address in addresses:
        assert address.startswith("/")
        assert not address.startswith("//")
        found = await service.get(address)
        assert (found.status_code, bool(found.content)) == (200, True), address


async def test_the_documentation_names_no_other_host_at_all(service: httpx2.AsyncClient) -> None:
    page = (await service.get("/docs")).text
    assert re.findall(r"(?<!:)//[\w.-]+\.\w", page.replace("<!--", "").replace("-->", "")) == []
    assert "http://" not in page
    assert "https://" not in page
    assert "StandaloneLayout" not in page  # it would ask a validator on another host


async def test_the_style_of_the_documentation_loads_nothing_from_elsewhere(service: httpx2.AsyncClient) -> None:
    (style,) = [address for address in await links(service) if address.endswith(".css")]
    text = (await service.get(style)).text
    loaded = re.findall(r"url\(\s*['\"]?([^'\")]{0,40})", text)
    assert [address for address in loaded if not address.startswith(("data:", "#"))] == []
    assert "@import" not in text


@pytest.mark.parametrize("path", ["../../app.py", "%2e%2e/%2e%2e/app.py", "..%2f..%2fapp.py", "/etc/passwd", ""])
async def test_nothing_but_the_assets_is_served(service: httpx2.AsyncClient, path: str) -> None:
    assert (await service.get(f"/docs/assets/{path}")).status_code == 404


async def test_every_request_has_an_id_of_its_own(service: httpx2.AsyncClient) -> None:
    paths = [
        "/healthz",
        "/readyz",
        "/docs",
        "/openapi.json",
        "/nope",
        FORECASTS,
        f"{FORECASTS}/{UNKNOWN_ID}",
        FORECASTS,
    ]
    ids = [(await service.get(path)).headers["X-Request-Id"] for path in paths]
    assert len(set(ids)) == len(paths)
    assert {UUID(number).version for number in ids} == {4}


async def test_requests_are_counted_by_route_and_not_by_address(service: httpx2.AsyncClient) -> None:
    await service.get((await ask(service, body())).headers["Location"])
    await service.get("/nothing-here")
    response = await service.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    counted = set(re.findall(r'http_requests_total\{method="(\w+)",route="([^"]+)",status="(\d+)"\}', response.text))
    assert ("GET", "/v1/forecasts/{forecast_id}", "200") in counted
    assert ("GET", "unmatched", "404") in counted
    assert not [route for _, route, _ in counted if UNKNOWN_ID in route or "nothing" in route]


async def test_methods_that_nobody_knows_are_counted_as_one(service: httpx2.AsyncClient) -> None:
    for number in range(3):
        assert (await service.request(f"BREW{number}", "/v1/forecasts")).status_code == 405
    told = (await service.get("/metrics")).text
    assert "BREW" not in told
    assert 'http_requests_total{method="OTHER",route="unmatched",status="405"}' in told.replace(
        "/v1/forecasts", "unmatched"
    )


async def test_problems_are_counted_by_their_code(service: httpx2.AsyncClient) -> None:
    await service.get(f"{FORECASTS}/{UNKNOWN_ID}")
    assert 'problems_total{code="forecast_not_found"}' in (await service.get("/metrics")).text
