"""What browsers are told with each answer, which pages of other origins may ask, and how often a wrong key may come."""

from pathlib import Path

import httpx2
from structlog.testing import capture_logs

from conftest import serving
from flow_forecaster.settings import Settings
from routers.asking import FORECASTS, problem
from routers.keys import a_key, bearing, keyring

GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OURS = "https://app.example.org"
ASKING = {"Origin": OURS, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_every_answer_tells_browsers_to_run_frame_guess_and_keep_nothing(client: httpx2.AsyncClient) -> None:
    for path in ("/healthz", FORECASTS, "/nothing", "/docs", "/docs/assets/swagger-ui.css", "/metrics"):
        answer = await client.get(path)
        assert GUARDS.items() <= {name: answer.headers[name] for name in GUARDS}.items(), path
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert ("script-src" in policy) is (path == "/docs")
        assert answer.headers["Cache-Control"] == "private, no-cache"


async def test_an_answer_that_holds_a_secret_is_not_to_be_kept(client: httpx2.AsyncClient) -> None:
    made = await client.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/hook"})
    assert made.headers.get_list("Cache-Control") == ["no-store"]


async def test_no_page_of_another_origin_may_ask_unless_the_operator_says_so(
    client: httpx2.AsyncClient, settings: Settings
) -> None:
    assert not [name for name in (await client.options(FORECASTS, headers=ASKING)).headers if "access-control" in name]
    assert not [name for name in (await client.get(FORECASTS, headers=ASKING)).headers if "access-control" in name]
    async with serving(settings.model_copy(update={"cors_origins": f"{OURS}, https://b.example"})) as opened:
        asked = await opened.options(FORECASTS, headers=ASKING)
        assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, OURS)
        assert "Access-Control-Allow-Credentials" not in asked.headers
        answer = await opened.get(FORECASTS, headers={"Origin": OURS})
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        for other in ("https://evil.example", "null", f"{OURS}.evil.example"):
            refused = await opened.options(FORECASTS, headers=ASKING | {"Origin": other})
            assert "Access-Control-Allow-Origin" not in refused.headers
            assert "Access-Control-Allow-Origin" not in (await opened.get(FORECASTS, headers={"Origin": other})).headers


async def test_wrong_keys_from_one_address_are_looked_at_so_often_and_a_good_one_passes(
    sqlite_url: str, kernel_cache: Path
) -> None:
    settings = Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache, threads=1, rate_failures=3)
    async with keyring(sqlite_url) as keys, serving(settings) as client:
        known, late = await a_key(keys), await a_key(keys)
        assert (await client.get(FORECASTS, headers=bearing(known.text))).status_code == 200
        wrong = bearing(known.text[:-1] + ("0" if known.text[-1] != "0" else "1"))
        for headers in (wrong, bearing("nonsense"), {"Authorization": "Basic eA=="}):
            problem(await client.get(FORECASTS, headers=headers), 401, "api_key_invalid")
        with capture_logs() as lines:
            refused = await client.get(FORECASTS, headers=wrong)
        assert [line["address"] for line in lines if line["event"] == "request"] == ["127.0.0.1"]
        problem(refused, 429, "too_many_wrong_keys")
        assert 0 < int(refused.headers["Retry-After"]) <= 20
        problem(await client.get(FORECASTS, headers=bearing(late.text)), 429, "too_many_wrong_keys")
        problem(await client.get(FORECASTS), 401, "api_key_missing")
        assert (await client.get(FORECASTS, headers=bearing(known.text))).status_code == 200
