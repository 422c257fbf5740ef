"""Start: from the start of the process to the answer that it is ready, once kernels and bytecode are compiled."""

import tempfile
from collections.abc import Iterator

from benchmarks.load import ask
from benchmarks.measuring import Figure, Target, elapsed, in_turn
from benchmarks.planning import Plan
from benchmarks.posts import SERVE
from benchmarks.processes import running

_BARE = """
import fastapi, uvicorn
app = fastapi.FastAPI()
@app.get("/readyz")
async def ready() -> dict[str, bool]:
    return {"ready": True}
uvicorn.run(app, port=0)
"""


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure starts on a migrated SQLite file; the round that is thrown away migrates it and writes the bytecode."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"FLOW_FORECASTER_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/forecasts.db"}
        if not plan.quick:  # to write bytecode takes as long as several starts
            environment |= {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode", "PYTHONDONTWRITEBYTECODE": ""}
        pairs = in_turn(
            lambda: _seconds_to_ready(SERVE, environment),
            lambda: _seconds_to_ready(("-c", _BARE), environment),
            plan.either(5, 1),
        )
    yield Figure.of("ready to serve", "s", "bare FastAPI process", pairs, Target(of="figure", at_most=3.0))


def _seconds_to_ready(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    with running(arguments, environment) as server:
        return server.seconds + elapsed(lambda: _check_ready(server.port))


def _check_ready(port: int) -> None:
    answer = ask(port, "GET", "/readyz")
    if answer.status != 200:
        raise RuntimeError(f"The service said that it was ready, and then: {answer}")
