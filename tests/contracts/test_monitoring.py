"""The dashboard and the alerts ask for what a real service and a real worker tell when they are scraped under work."""

import json
import re
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    parse,
)

from conftest import serving
from flow_forecaster.services.catalogue import KINDS
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.settings import Settings
from pages import ROOT, codes, text
from persistence.rows import until
from servers.postgres import DatabaseServer
from servers.valkey import RedisServer
from workers.processes import ServiceProcess, worker_process
from workers.receivers import OK, receiver

FOLDER = ROOT / "deploy/monitoring"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
BODY = {"kind": "when", "history": {"throughput": [3, 5, 2, 6], "period": "week"}, "scope": {"items": 20}}
LARGE = BODY | {"method": "monte_carlo", "trials": 20_000}
ADDED_BY_PROMETHEUS = {"instance", "job"}
FIXED = {"part", "then", "verdict", "size", "method", "outcome", "route"}
"""Labels whose values the work of this module brings forth, or the code itself from the beginning."""


def dashboard() -> Any:
    return json.loads((FOLDER / "dashboard.json").read_text())


def asked() -> dict[str, str]:
    """Every expression, by the name of its alert or its panel."""
    alerts = {rule["alert"]: rule["expr"] for rule in RULES}
    panels = {
        f"{panel['title']} {panel['id']} {target['refId']}": target["expr"].replace("$__rate_interval", "5m")
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    }
    return alerts | panels


Scrape = dict[str, dict[str, set[str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scrapes(
    postgres: DatabaseServer,
    migrated_postgres: str,
    valkey: RedisServer,
    kernel_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """What a service and a worker tell after they did some of everything."""
    postgres.create_database("monitored", template=migrated_postgres)
    ground: dict[str, Any] = {
        "database_url": postgres.url("monitored"),
        "redis_url": valkey.url,
        "kernel_cache_dir": kernel_cache,
        "webhook_loopback": True,
    }
    with worker_process(tmp_path_factory.mktemp("worker"), **ground, metrics_port=0) as worker:
        await worker.has_told("worker_ready")
        async with serving(Settings(**ground)) as client, receiver(OK) as listening:
            await work(client, listening.url())
            await worker.has_told("webhook_attempt")
            yield seen((await client.get("/metrics")).text), seen(told_by(worker))
    postgres.drop_database("monitored")


@pytest.fixture(scope="module")
def scrape(scrapes: tuple[Scrape, Scrape]) -> Scrape:
    """All of it: values by label by metric."""
    both: Scrape = {}
    for name, labels in (item for each in scrapes for item in each.items()):
        values = both.setdefault(name, defaultdict(set))
        for label, found in labels.items():
            values[label] |= found
    return both


async def work(client: httpx2.AsyncClient, hook: str) -> None:
    assert (await client.post("/v1/webhook-endpoints", json={"url": hook})).status_code == 201
    assert (await client.post("/v1/forecasts", json=BODY)).status_code == 201
    assert (await client.post("/v1/forecasts", json={})).status_code == 422
    assert (await client.get("/v1/forecasts", headers={"Authorization": "Bearer x"})).status_code == 401
    queued = await client.post("/v1/forecasts", json=LARGE, headers={"Prefer": "respond-async"})
    await until(partial(ended, client, queued.headers["Location"]))


async def ended(client: httpx2.AsyncClient, location: str) -> bool:
    return (await client.get(location)).json()["status"] == "succeeded"


def told_by(worker: ServiceProcess) -> str:
    (told,) = [event for event in worker.events() if event["event"] == "metrics_served"]
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://127.0.0.1:{told['port']}/metrics", timeout=10
    ) as answer:
        return str(answer.read().decode())


def seen(*scrapes: str) -> Scrape:
    found: Scrape = {}
    for exposition in scrapes:
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                labels = found.setdefault(sample.name, defaultdict(set))
                for name, value in sample.labels.items():
                    labels[name].add(value)
    return found


def selectors(node: Any) -> Iterator[VectorSelector]:
    """Walk to what an expression asks for."""
    match node:
        case VectorSelector():
            yield node
        case MatrixSelector():
            yield node.vector_selector
        case BinaryExpr():
            yield from selectors(node.lhs)
            yield from selectors(node.rhs)
        case Call():
            for argument in node.args:
                yield from selectors(argument)
        case AggregateExpr() | ParenExpr() | UnaryExpr() | SubqueryExpr():
            yield from selectors(node.expr)


def groupings(node: Any) -> Iterator[tuple[set[str], list[VectorSelector]]]:
    """Walk to the labels that an expression groups by, each with what it groups."""
    match node:
        case AggregateExpr():
            if node.modifier is not None:
                yield set(node.modifier.labels), list(selectors(node.expr))
            yield from groupings(node.expr)
        case BinaryExpr():
            yield from groupings(node.lhs)
            yield from groupings(node.rhs)
        case Call():
            for argument in node.args:
                yield from groupings(argument)
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            yield from groupings(node.expr)


def complaints(expression: str, scrape: Scrape) -> list[str]:
    """Say what an expression asks for that no process tells."""
    tree = parse(expression)
    found = list(selectors(tree))
    wrong = [] if found else ["it asks for nothing"]
    for selector in found:
        if selector.name not in scrape:
            wrong.append(f"no metric {selector.name}")
            continue
        labels = scrape[selector.name]
        for matcher in selector.matchers.matchers:
            wrong += unknown(matcher, labels)
    for labels_wanted, grouped in groupings(tree):
        for selector in grouped:
            missing = labels_wanted - set(scrape.get(selector.name, ())) - ADDED_BY_PROMETHEUS
            wrong += [f"no label {label} of {selector.name}" for label in sorted(missing)]
    return wrong


def unknown(matcher: Any, labels: dict[str, set[str]]) -> list[str]:
    if matcher.name not in labels:
        return [f"no label {matcher.name}"]
    wanted = matcher.value.split("|")
    if matcher.name == "code":
        return [f"no code {code}" for code in wanted if code not in codes("docs/reference/errors.md", "Problems")]
    if matcher.name in FIXED:
        return [f"no {matcher.name} {value}" for value in wanted if value not in labels[matcher.name]]
    return [] if matcher.name == "status" else [f"who checks {matcher.name}?"]


@pytest.mark.asyncio(loop_scope="module")
async def test_every_expression_asks_for_what_a_real_scrape_has(scrape: Scrape) -> None:
    wrong = {name: complaints(expression, scrape) for name, expression in asked().items()}
    assert {name: said for name, said in wrong.items() if said} == {}


@pytest.mark.asyncio(loop_scope="module")
async def test_whatever_is_told_is_looked_at(scrape: Scrape) -> None:
    looked_at = {selector.name for expression in asked().values() for selector in selectors(parse(expression))}
    families = {re.sub("_(bucket|sum|count|created)$", "", name) for name in looked_at}
    told = {re.sub("_(bucket|sum|count|created)$", "", name) for name in scrape if name.startswith("flow_forecaster_")}
    assert told - families - {name.removesuffix("_total") for name in families} == set()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_tells_what_it_did(scrape: Scrape) -> None:
    assert "succeeded" in scrape["flow_forecaster_attempts_total"]["outcome"]
    assert scrape["flow_forecaster_draws_total"]["size"] == {"small", "large"}
    assert scrape["flow_forecaster_up"]["part"] == {"database", "schema", "kernels", "redis"}


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum(rate(flow_forecaster_nonsense_total[5m]))", "no metric flow_forecaster_nonsense_total"),
        ("sum by (flavour) (a)", "no label flavour of a"),
        ('max(a{part="moon"}) > 1', "no part moon"),
        ('-a{flavour="sour"} or (a)', "no label flavour"),
        ('a{code=~"internal_error|nonsense"}', "no code nonsense"),
        ("1 + 1", "it asks for nothing"),
    ],
)
def test_an_expression_that_asks_for_something_else_is_noticed(expression: str, wrong: str) -> None:
    assert complaints(expression, {"a": {"part": {"sun"}, "code": set()}}) == [wrong]


def test_every_alert_says_what_it_is_about_and_has_its_line_in_the_page() -> None:
    page = text("docs/how-to/monitor.md")
    for rule in RULES:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert f"`{rule['alert']}`" in page, rule["alert"]
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_the_panels_stand_beside_each_other() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@pytest.mark.asyncio(loop_scope="module")
async def test_the_api_is_absent_though_workers_live(scrapes: tuple[Scrape, Scrape]) -> None:
    """As are the figures by which the other alerts would tell of it."""
    (absent,) = [rule["expr"] for rule in RULES if rule["alert"] == "FlowForecasterAbsent"]
    (told,) = {selector.name for selector in selectors(parse(absent))}
    assert [told in each for each in scrapes] == [True, False]


def increases(expression: str) -> list[VectorSelector]:
    return list(selectors(parse(expression))) if "increase(" in expression else []


def test_the_first_event_of_an_alert_is_an_increase() -> None:
    """Which a series that begins with it is not."""
    fresh = seen(generate_latest(Metrics().registry).decode())
    counted = [selector for rule in RULES for selector in increases(rule["expr"])]
    for selector in counted:
        for matcher in selector.matchers.matchers:
            assert matcher.value in fresh[selector.name][matcher.name], selector.name
    assert fresh["flow_forecaster_attempts_total"]["kind"] == {*(kind.name for kind in KINDS), "import"}


def test_a_rate_is_nought_and_not_unknown_before_the_first_lease_ran_out() -> None:
    metrics = Metrics()
    assert metrics.registry.get_sample_value("flow_forecaster_leases_expired_total", {"then": "exhausted"}) == 0
