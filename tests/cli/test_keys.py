"""Keys on the command line, and a service that will not be open to everyone by accident."""

import json
import re
import shlex
import signal
import sqlite3
import time
from contextlib import closing

import httpx2
import pytest

from cli.running import Line
from cli.test_processes import serving


def test_a_key_is_made_listed_rotated_and_revoked(line: Line) -> None:
    made = line.here("keys", "create", "--name", "ci", "--tenant", "acme", "--scopes", "forecasts:read")
    key = made.answer().strip()
    assert key.startswith("ff_live_")
    assert key not in made.err
    assert "cannot be shown again" in made.err
    (listed,) = json.loads(line.here("keys", "list", "--json").answer())
    assert (listed["name"], listed["tenant"], listed["scopes"]) == ("ci", "acme", "forecasts:read")
    rotated = json.loads(line.here("keys", "rotate", listed["id"], "--overlap-hours", "1", "--json").answer())
    assert (rotated["id"], rotated["key"] == key) == (listed["id"], False)
    assert "revoked" in line.here("keys", "revoke", listed["id"]).answer()
    shown = line.here("keys", "list").answer()
    assert "revoked" in shown
    assert key.rpartition("_")[2] not in shown
    assert line.here("keys", "rotate", listed["id"]).refusal() == "There is no API key with this id."


def test_a_key_in_json_is_all_that_there_is_to_know(line: Line) -> None:
    made = json.loads(line.here("keys", "create", "--name", "ci", "--expires-in-days", "30", "--json").answer())
    assert made.keys() == {"id", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at", "key"}
    assert made["expires_at"] > made["created_at"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--name", ""], "--name"),
        (["--name", "a\nb"], "--name"),
        (["--name", "x" * 101], "--name"),
        (["--name", "x", "--scopes", "everything"], "--scopes"),
        (["--name", "x", "--scopes", ""], "--scopes"),
        (["--name", "x", "--expires-in-days", "0"], "--expires-in-days"),
        (["--name", "x", "--expires-in-days", "nan"], "--expires-in-days"),
        (["--name", "x", "--tenant", ""], "--tenant"),
        (["--name", "x", "--tenant", "y" * 65], "--tenant"),
    ],
)
def test_what_makes_no_key_is_refused_by_name(line: Line, options: list[str], named: str) -> None:
    assert named in line.here("keys", "create", *options).refusal()


def test_a_key_that_is_not_there_is_told(line: Line) -> None:
    line.here("migrate").answer()
    for command in ("rotate", "revoke"):
        assert "UUID" in line.here("keys", command, "mine").refusal()
        unknown = "0193f0a0-0000-7000-8000-000000000000"
        assert "no API key" in line.here("keys", command, unknown).refusal()


def test_who_has_a_hundred_keys_is_told_to_revoke_one(line: Line) -> None:
    made = json.loads(line.here("keys", "create", "--name", "ci", "--json").answer())
    file = line.environment["FLOW_FORECASTER_DATABASE_URL"].removeprefix("sqlite:///")
    columns = "tenant_id, name, scopes, digest, created_at"
    with closing(sqlite3.connect(file)) as connection, connection:
        for number in range(99):
            copied = f"INSERT INTO api_keys (id, {columns}) SELECT ?, {columns} FROM api_keys LIMIT 1"
            connection.execute(copied, [f"{number:032x}"])
    refused = line.here("keys", "create", "--name", "one more").refusal()
    assert refused == "The tenant has 100 API keys that have not ended; revoke one first."
    line.here("keys", "revoke", made["id"]).answer()
    line.here("keys", "create", "--name", "one more").answer()


def test_serve_does_not_start_open_on_an_address_that_others_reach(line: Line) -> None:
    for address in ("0.0.0.0", "::", "192.0.2.1"):  # noqa: S104
        told = line.apart("serve", "--host", address, "--port", "0").refusal()
        assert address in told
        assert "FLOW_FORECASTER_OPEN_TO_EVERYONE" in told
        assert "keys create" in told


def test_serve_starts_there_once_there_is_a_key_and_lets_nobody_else_in(line: Line) -> None:
    key = line.here("keys", "create", "--name", "ci").answer().strip()
    with serving(line, "--host", "0.0.0.0", "--port", "0") as service:  # noqa: S104
        address = re.sub("0[.]0[.]0[.]0", "127.0.0.1", shlex.split(service.wait_for("curl "))[2])
        assert httpx2.get(address).status_code == 401
        assert httpx2.get(address, headers={"Authorization": f"Bearer {key}"}).status_code == 200
        code, log = service.end(signal.SIGTERM)
    assert code == 0, log
    (listed,) = json.loads(line.here("keys", "list", "--json").answer())
    assert listed["last_used_at"] is not None  # noted at the end, if not before


def test_serve_starts_there_without_keys_if_it_is_told_so_in_so_many_words(line: Line) -> None:
    told = Line(environment={**line.environment, "FLOW_FORECASTER_OPEN_TO_EVERYONE": "true"})
    with serving(told, "--host", "0.0.0.0", "--port", "0") as service:  # noqa: S104
        address = re.sub("0[.]0[.]0[.]0", "127.0.0.1", shlex.split(service.wait_for("curl "))[2])
        assert httpx2.get(address, headers={"Host": "elsewhere.example"}).status_code == 200


def test_serve_lets_webhooks_reach_its_own_machine_only_where_no_other_reaches_it(line: Line) -> None:
    told = Line(environment={**line.environment, "FLOW_FORECASTER_OPEN_TO_EVERYONE": "true"})
    for by, host, status in ((told, "0.0.0.0", 422), (told, "127.0.0.1", 422), (line, "127.0.0.1", 201)):  # noqa: S104
        with serving(by, "--host", host, "--port", "0") as service:
            address = shlex.split(service.wait_for("curl "))[2].replace("0.0.0.0", "127.0.0.1")  # noqa: S104
            inwards = {"url": "http://127.0.0.1:9/hook"}
            made = httpx2.post(address.replace("forecasts", "webhook-endpoints"), json=inwards)
            assert made.status_code == status, made.text
            _, log = service.end(signal.SIGTERM)
        assert ("webhooks_reach_loopback" in log) is (status == 201)


def test_serve_believes_a_proxy_in_a_network_that_is_named_and_none_beyond(line: Line) -> None:
    for networks, statuses in (("127.0.0.0/8", [401, 401]), ("172.16.0.0/12,192.168.0.0/16", [401, 429])):
        named = {"FORWARDED_ALLOW_IPS": networks, "FLOW_FORECASTER_RATE_FAILURES": "1"}
        with serving(Line(environment={**line.environment, **named}), "--port", "0") as service:
            address = shlex.split(service.wait_for("curl "))[2]
            headers = [{"X-Forwarded-For": f"203.0.113.{end}", "Authorization": "Bearer none"} for end in (7, 8)]
            assert [httpx2.get(address, headers=each).status_code for each in headers] == statuses
            service.end(signal.SIGTERM)


def test_a_service_that_is_open_closes_when_the_first_key_is_made(line: Line) -> None:
    with serving(line, "--port", "0") as service:
        address = shlex.split(service.wait_for("curl "))[2]
        assert httpx2.get(address).status_code == 200
        line.here("keys", "create", "--name", "ci").answer()
        made = time.monotonic()
        while httpx2.get(address).status_code == 200:
            assert time.monotonic() < made + 5.0
            time.sleep(0.1)


def test_a_key_that_is_revoked_is_accepted_nowhere_five_seconds_later(line: Line) -> None:
    key = json.loads(line.here("keys", "create", "--name", "ci", "--json").answer())
    headers = {"Authorization": f"Bearer {key['key']}"}
    with serving(line, "--port", "0") as service:
        address = shlex.split(service.wait_for("curl "))[2]
        assert httpx2.get(address, headers=headers).status_code == 200
        line.here("keys", "revoke", key["id"]).answer()
        revoked = time.monotonic()
        while httpx2.get(address, headers=headers).status_code == 200:
            assert time.monotonic() < revoked + 5.0
            time.sleep(0.1)
