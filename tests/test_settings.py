"""Settings come from the environment; what is wrong with them is told at once, by name, and without their secrets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url

from flow_forecaster.cli.complaints import complaint
from flow_forecaster.settings import PREFIX, Settings

BAD: dict[str, list[str]] = {
    "database_url": [
        "",
        "forecasts.db",
        "mysql://host/name",
        "postgresql+psycopg://host/name",
        "sqlite+pysqlite:///file",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql://host:port/name",
        "postgresql://user:s3cret@w0rd:5x@host/name",
    ],
    "database_pool_size": ["0", "-1", "101", "1.5", "many", ""],
    "database_timeout_seconds": ["0", "-1", "301", "nan", "inf", "soon"],
    "migrate_on_start": ["maybe", "2", ""],
    "redis_url": [
        "",
        "localhost:6379",
        "http://host",
        "redis:/host",
        "redis://host:port",
        "redis://host:70000",
        "redis://host/first",
        "redis://host?db=first",
        "unix:///run/valkey.sock?db=first",
        "unix://",
    ],
    "port": ["-1", "65536", "80.5", "http", ""],
    "open_to_everyone": ["maybe", "2", ""],
    "key_environment": ["", "Live", "a_b", "a" * 17, "ä"],
    "webhook_ports": ["", "443;80", "all", "443,", "1234567"],
    "webhook_networks": ["10.0.0.0/33", "10.0.0.1/8", "intranet"],
    "webhook_http": ["perhaps"],
    "webhook_loopback": ["perhaps"],
    "webhook_key": ["short", "n" * 32 + ",short"],
    "rate_requests": ["-1", "nan", "inf", "1e13", "many"],
    "rate_draws": ["-1", "nan", "inf", "1e16", "many"],
    "max_unfinished": ["0", "-1", "10000001", "1.5", "all"],
    "max_body_bytes": ["1023", "134217729", "1MB"],
    "inline_import_bytes": ["-1", "many"],
    "max_import_bytes": ["1023", "1073741825", "50MB"],
    "max_restore_bytes": ["1023", "1099511627777", "1GB"],
    "inline_draws": ["-1", "nan", "inf", "all"],
    "inline_seconds": ["0", "-1", "61", "nan", "quickly"],
    "threads": ["0", "257", "two"],
    "slots": ["0", "65", "one"],
    "range_draws": ["999", "-1", "nan", "inf", "many"],
    "max_running": ["0", "1000001", "all"],
    "retention_days": ["0", "0.5", "36501", "for ever"],
    "lease_seconds": ["0.5", "3601", "nan", "long"],
    "heartbeat_seconds": ["0", "0.09", "601", "nan", "often"],
    "max_attempts": ["0", "101", "never"],
    "max_waiting": ["0", "-1", "100001", "1.5"],
    "max_streams": ["0", "100001", "many"],
    "log_level": ["loud", "", "INFO "],
    "rate_failures": ["-1", "nan", "1e10"],
    "cors_origins": ["*", "", "app.example.org", "https://a.example/path", "https://a.example,"],
    "tracing": ["perhaps", ""],
    "metrics_port": ["-1", "65536", "web"],
    "log_format": ["xml", ""],
    "host": ["", " "],
    "metrics_host": ["", " "],
}
FREE = {"kernel_cache_dir"}
"""Fields for which only the operating system knows what is wrong."""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of whoever runs the tests."""
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def test_every_setting_has_a_default_and_a_description() -> None:
    Settings()
    assert all(field.description for field in Settings.model_fields.values())


def test_every_setting_is_tried_with_bad_values() -> None:
    assert BAD.keys() | FREE == Settings.model_fields.keys()


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_a_bad_variable_is_one_error_that_names_it(monkeypatch: pytest.MonkeyPatch, field: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + field.upper(), value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]
    line = complaint(caught.value)
    assert line is not None
    assert line.startswith(f"{PREFIX}{field.upper()}: ")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("database_pool_size", "3", 3),
        ("migrate_on_start", "false", False),
        ("redis_url", "rediss://user:word@host:6380/1", SecretStr("rediss://user:word@host:6380/1")),
        ("redis_url", "unix:///run/valkey.sock?db=1", SecretStr("unix:///run/valkey.sock?db=1")),
        ("port", "0", 0),
        ("inline_draws", "0", 0.0),
        ("threads", "7", 7),
        ("kernel_cache_dir", "some/where", Path("some/where")),
        ("log_level", "debug", "debug"),
    ],
)
def test_a_variable_is_read(monkeypatch: pytest.MonkeyPatch, field: str, value: str, read: object) -> None:
    monkeypatch.setenv(PREFIX + field.upper(), value)
    assert getattr(Settings(), field) == read


def test_an_environment_without_the_prefix_is_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("DATABASE_URL", "mysql://host/name")
    assert Settings() == Settings.model_validate({})
    assert Settings().port == 8000


def test_a_misspelt_variable_is_one_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}DATABSE_URL", "postgresql://u:s3cret@host/name")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert len(caught.value.errors()) == 1
    line = complaint(caught.value)
    assert line is not None
    assert f"{PREFIX}DATABSE_URL" in line
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgres://u:p@host:5433/name", "postgresql+asyncpg://u:p@host:5433/name"),
        ("postgresql://u@host/name", "postgresql+asyncpg://u@host/name"),
        ("postgresql+asyncpg://u@host/name", "postgresql+asyncpg://u@host/name"),
        (
            "postgresql://u@/name?host=/run/sockets&port=5432",
            "postgresql+asyncpg://u@/name?host=/run/sockets&port=5432",
        ),
        ("postgres://u:p%40ss%2Fword@host/name", "postgresql+asyncpg://u:p%40ss%2Fword@host/name"),
        ("sqlite:///var/forecasts.db", "sqlite+aiosqlite:///var/forecasts.db"),
        ("sqlite:////abs/forecasts.db", "sqlite+aiosqlite:////abs/forecasts.db"),
        ("sqlite+aiosqlite:///forecasts.db", "sqlite+aiosqlite:///forecasts.db"),
        ("postgres://u@host/name?sslmode=require", "postgresql+asyncpg://u@host/name?ssl=require"),
        ("postgres://u@host/name?sslmode=disable&x=1", "postgresql+asyncpg://u@host/name?ssl=disable&x=1"),
    ],
)
def test_a_database_url_is_turned_into_one_for_the_drivers_in_use(given: str, read: str) -> None:
    found = make_url(Settings(database_url=given).database_url)
    assert found == make_url(read)
    assert found.password == make_url(given).password


def test_a_url_that_is_read_once_more_stays_the_same() -> None:
    once = Settings(database_url="postgres://u:p%40ss@host/name?sslmode=require").database_url
    assert Settings(database_url=once).database_url == once


@pytest.mark.parametrize(("lease", "heartbeat"), [(10, 5), (1, 0.5), (10, 9.9), (5, 600)])
def test_a_lease_outlives_two_heartbeats(monkeypatch: pytest.MonkeyPatch, lease: float, heartbeat: float) -> None:
    monkeypatch.setenv(f"{PREFIX}LEASE_SECONDS", str(lease))
    monkeypatch.setenv(f"{PREFIX}HEARTBEAT_SECONDS", str(heartbeat))
    with pytest.raises(ValidationError) as caught:
        Settings()
    line = complaint(caught.value)
    assert line is not None
    assert f"{PREFIX}LEASE_SECONDS" in line
    assert "HEARTBEAT_SECONDS" in line


def test_a_lease_just_over_two_heartbeats_will_do() -> None:
    assert Settings(lease_seconds=10.1, heartbeat_seconds=5).lease_seconds == 10.1


def test_secrets_are_not_shown() -> None:
    settings = Settings(database_url="postgresql://u:s3cret@host/name", redis_url=SecretStr("redis://:s3cret@host"))
    for shown in (repr(settings), str(settings), repr([settings]), f"{settings}"):
        assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("database_url", "mysql://u:s3cret@host/name"),
        ("database_url", "postgresql//u:s3cret@host/name"),
        ("database_url", "postgresql://u:s3cret@host:port/name"),
        ("database_url", "postgresql://u:pass@word:s3cret@host/name"),
        ("redis_url", "http://:s3cret@host"),
        ("redis_url", "redis://:s3cret@host:port"),
        ("lease_seconds", "1"),
    ],
)
def test_secrets_are_not_told_in_errors(monkeypatch: pytest.MonkeyPatch, field: str, value: str) -> None:
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", "postgresql://u:s3cret@host/name")
    monkeypatch.setenv(PREFIX + field.upper(), value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in str(complaint(caught.value))


def test_a_command_tells_a_bad_variable_in_one_line() -> None:
    environment = dict(os.environ) | {f"{PREFIX}DATABASE_URL": "mysql://u:s3cret@host/name"}
    command = [sys.executable, "-m", "flow_forecaster", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {PREFIX}DATABASE_URL: ")
    assert "s3cret" not in line
