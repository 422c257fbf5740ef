"""Settings, from the environment: each variable is the field's name in capitals after FLOW_FORECASTER_."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from platformdirs import user_cache_path
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "FLOW_FORECASTER_"
LEAST_KEY = 32
_ORIGIN = re.compile(r"https?://([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?")
_ASYNC_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}


@contextmanager
def blaming(variable: str) -> Iterator[None]:
    """Name the variable that a refusal of the file system comes from."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{PREFIX}{variable}: {error}") from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cache() -> Path:
    return user_cache_path("flow-forecaster") / "kernels"


def _is_redis(url: str) -> bool:
    try:
        parsed = urlsplit(url)
        number = parsed.path.removeprefix("/")
        if not all(chosen.isdecimal() for chosen in parse_qs(parsed.query).get("db", [])):
            return False
        if parsed.scheme == "unix":
            return len(parsed.path) > 1
        return parsed.scheme in {"redis", "rediss"} and parsed.port != 0 and (not number or number.isdecimal())
    except ValueError:
        return False


class Settings(BaseSettings):
    """How this process runs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    database_url: Annotated[
        str,
        Field(description="Database: sqlite:///file or postgresql://user:password@host/name.", repr=False),
    ] = "sqlite+aiosqlite:///var/flow-forecaster.db"
    database_pool_size: Annotated[int, Field(ge=1, le=100, description="Connections kept open a process.")] = 10
    database_timeout_seconds: Annotated[
        float, Field(gt=0, le=300, description="Longest wait for a connection or a statement.")
    ] = 15.0
    migrate_on_start: Annotated[
        bool, Field(description="Bring the schema up to date when serving starts (several processes may try).")
    ] = True
    redis_url: Annotated[
        SecretStr | None,
        Field(description="Redis as the doorbell of separate workers; without it the API process works itself."),
    ] = None
    host: Annotated[str, Field(description="Address to serve on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to serve on.")] = 8000
    open_to_everyone: Annotated[
        bool,
        Field(description="Let everyone in who reaches the service, from other machines too, while it has no keys."),
    ] = False
    key_environment: Annotated[
        str, Field(pattern=r"^[a-z0-9]{1,16}$", description="What keys made here are marked with: ff_live_…")
    ] = "live"
    webhook_ports: Annotated[
        str, Field(pattern=r"^\d{1,5}(,\d{1,5})*$", description="Ports that webhooks may be sent to.")
    ] = "443,8443"
    webhook_networks: Annotated[
        str | None, Field(description="Networks that webhooks may be sent to though they are not public.")
    ] = None
    webhook_http: Annotated[bool, Field(description="Whether webhooks may be sent unencrypted.")] = False
    webhook_loopback: Annotated[
        bool | None,
        Field(description="Whether webhooks may be sent to this machine; if absent, while it alone is served."),
    ] = None
    webhook_key: Annotated[
        SecretStr | None,
        Field(description="What the secrets of webhooks follow from, with commas between the newest and older ones."),
    ] = None
    rate_requests: Annotated[
        float, Field(ge=0, le=1e12, description="Requests that a key may make a minute; 0 for as many as it likes.")
    ] = 6_000.0
    rate_draws: Annotated[
        float, Field(ge=0, le=1e15, description="Draws that a key may have computed a minute; 0 for any number.")
    ] = 10_000_000_000.0
    rate_failures: Annotated[
        float, Field(ge=0, le=1e9, description="Wrong keys that may come from one address a minute; 0 for any number.")
    ] = 60.0
    cors_origins: Annotated[
        str | None,
        Field(description="Origins whose pages may ask from a browser, with commas between; none if absent."),
    ] = None
    max_unfinished: Annotated[
        int, Field(ge=1, le=10_000_000, description="Forecasts of one tenant that may wait or run at once.")
    ] = 10_000
    max_waiting: Annotated[
        int,
        Field(ge=1, le=100_000, description="Small forecasts of one tenant that may wait for a thread of a process."),
    ] = 32
    max_streams: Annotated[
        int, Field(ge=1, le=100_000, description="Event streams and waiting requests that a process keeps open.")
    ] = 1_000
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**27, description="Largest request body.")] = 1_048_576
    max_import_bytes: Annotated[int, Field(ge=1024, le=2**30, description="Largest file to import.")] = 52_428_800
    max_restore_bytes: Annotated[int, Field(ge=1024, le=2**40, description="Largest export to restore over HTTP.")] = (
        268_435_456
    )
    inline_import_bytes: Annotated[
        int, Field(ge=0, description="Files up to this size are imported at once, larger ones are queued.")
    ] = 5_242_880
    inline_draws: Annotated[
        float,
        Field(
            ge=0,
            allow_inf_nan=False,
            description="Forecasts up to this many draws are answered at once, larger ones are queued.",
        ),
    ] = 50_000_000
    inline_seconds: Annotated[
        float, Field(gt=0, le=60, description="A forecast that was to be answered at once is queued after so long.")
    ] = 1.0
    threads: Annotated[
        int, Field(ge=1, le=256, default_factory=_cores, description="Threads that one large forecast is computed on.")
    ]
    range_draws: Annotated[
        float,
        Field(
            ge=1_000,
            allow_inf_nan=False,
            description="A forecast of 8 times as many draws and more is divided into ranges of so many.",
        ),
    ] = 500_000_000.0
    max_running: Annotated[
        int, Field(ge=1, le=1_000_000, description="Forecasts and ranges of one tenant that workers compute at once.")
    ] = 1_000
    slots: Annotated[int, Field(ge=1, le=64, description="Large forecasts that a worker process computes at once.")] = 1
    lease_seconds: Annotated[
        float, Field(ge=1, le=3600, description="How long a worker's claim lasts without a heartbeat.")
    ] = 10.0
    heartbeat_seconds: Annotated[float, Field(ge=0.1, le=600, description="How often a worker renews its claim.")] = 2.5
    max_attempts: Annotated[int, Field(ge=1, le=100, description="Attempts before a forecast is given up.")] = 3
    retention_days: Annotated[
        float | None, Field(ge=1, le=36_500, description="Days that finished forecasts are kept; if absent, for ever.")
    ] = None
    kernel_cache_dir: Annotated[Path, Field(default_factory=_cache, description="Where compiled kernels are kept.")]
    metrics_host: Annotated[str, Field(description="Address on which a worker serves its metrics.")] = "127.0.0.1"
    metrics_port: Annotated[
        int | None, Field(ge=0, le=65535, description="Port on which a worker serves its metrics; without it, nowhere.")
    ] = None
    tracing: Annotated[
        bool, Field(description="Send traces by OpenTelemetry, if the extra otel is installed; its OTEL_… say where.")
    ] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="Least severe log level.")] = (
        "info"
    )
    log_format: Annotated[Literal["console", "json"], Field(description="Logs for people or for machines.")] = "console"

    @field_validator("database_url")
    @classmethod
    def _with_async_driver(cls, url: str) -> str:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise ValueError("is not a database URL such as postgresql://user:password@host/name") from None
        if parsed.drivername not in _ASYNC_DRIVERS:
            raise ValueError("names a database other than sqlite or postgresql")
        if parsed.drivername.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
            raise ValueError("names no file; forecasts in memory would be lost")
        chosen = parsed.set(drivername=_ASYNC_DRIVERS[parsed.drivername])
        if "sslmode" in chosen.query:  # libpq's name, in the URLs that hosts hand out; asyncpg calls it ssl
            mode = chosen.query["sslmode"]
            chosen = chosen.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
        return chosen.render_as_string(hide_password=False)

    @field_validator("host", "metrics_host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        if not host.strip():
            raise ValueError("is empty; name an address such as 127.0.0.1, or 0.0.0.0 for all of this machine")
        return host

    @field_validator("webhook_networks")
    @classmethod
    def _networks(cls, text: str | None) -> str | None:
        for part in (text or "").split(","):
            if part.strip():
                ip_network(part.strip())
        return text

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, text: str | None) -> str | None:
        for part in (text or "").split(","):
            if text is not None and not _ORIGIN.fullmatch(part.strip()):
                raise ValueError("is no list of origins such as https://app.example.org")
        return text

    @field_validator("webhook_key")
    @classmethod
    def _long_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None and any(len(key) < LEAST_KEY for key in keys.get_secret_value().split(",")):
            raise ValueError(f"holds a key of fewer than {LEAST_KEY} characters")
        return keys

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis(url.get_secret_value()):
            raise ValueError("is not a Redis URL such as redis://host:6379/0 or unix:///path/to/socket")
        return url

    @model_validator(mode="before")
    @classmethod
    def _no_misspelt_variable(cls, values: dict[str, Any]) -> dict[str, Any]:
        known = {PREFIX + name.upper() for name in cls.model_fields}
        for name in sorted(os.environ):
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                raise ValueError(f"{name.upper().removeprefix(PREFIX)} is not the name of a setting")
        return values

    @model_validator(mode="after")
    def _lease_outlives_heartbeat(self) -> Self:
        if self.lease_seconds <= 2 * self.heartbeat_seconds:
            raise ValueError("LEASE_SECONDS must be more than twice HEARTBEAT_SECONDS")
        return self
