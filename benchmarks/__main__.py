"""Run the benchmarks: every topic that needs no data, or those that are named."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from benchmarks import (
    alarms,
    backtests,
    calibration,
    choosing,
    engine,
    exporting,
    importing,
    memory,
    metering,
    models,
    posts,
    reliability,
    reliability_page,
    reliability_plot,
    reporting,
    shares,
    start,
    what_ifs,
)
from benchmarks.measuring import Figure
from benchmarks.planning import Plan
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.settings import Settings

Topic: TypeAlias = Callable[[Plan], Iterator[Figure]]
TOPICS: Mapping[str, Topic] = MappingProxyType(
    {
        "engine": engine.figures,
        "model": models.figures,
        "backtests": backtests.figures,
        "what-if": what_ifs.figures,
        "alarms": alarms.figures,
        "memory": memory.figures,
        "workers": shares.figures,
        "imports": importing.figures,
        "exports": exporting.figures,
        "metrics": metering.figures,
        "deliveries": choosing.figures,
        "http": posts.figures,
        "start": start.figures,
    }
)
DRIFT, RELIABILITY = "calibration-drift", "calibration"
_DATA = "DATA="
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    wanted = f"{', '.join(TOPICS)}; or {DRIFT} or {RELIABILITY} {_DATA}DIR, a folder of CSV files with date,completed"
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=wanted)
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--markdown", action="store_true", help="print the tables of docs/reference/performance.md")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write them into FILE, between its two marks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every measurement into FILE")
    options = parser.parse_args()
    topics = [topic for topic in options.topics if not topic.startswith(_DATA)]
    unknown = set(topics) - {*TOPICS, DRIFT, RELIABILITY}
    if unknown:
        parser.error(f"there is no topic {', '.join(sorted(unknown))}")
    folders = [topic.removeprefix(_DATA) for topic in options.topics if topic.startswith(_DATA)]
    data = next((Path(folder) for folder in folders if folder), None)
    needs = next((topic for topic in topics if topic in {DRIFT, RELIABILITY}), None)
    if needs and (data is None or not data.is_dir()):
        parser.error(f"{needs} needs {_DATA}DIR, a folder of CSV files with date,completed")
    try:
        _run(topics, Plan(quick=options.quick, data=data), options)
    except reliability.NoHistories as reason:
        parser.error(f"{RELIABILITY} needs {_DATA}DIR, a folder of CSV files with date,completed: {reason}")


def _run(topics: list[str], plan: Plan, options: argparse.Namespace) -> None:
    make_ready(Settings().kernel_cache_dir)
    print(f"{reporting.machine()}\n{reporting.moment()}")
    if DRIFT in topics:
        print(calibration.report(plan))
    if RELIABILITY in topics:
        _reliability(plan, options)
    figures = list(_measured([topic for topic in topics or TOPICS if topic in TOPICS], plan))
    if not figures:
        return
    print(reporting.markdown(figures) if options.markdown else reporting.text(figures))
    if options.json:
        options.json.write_text(reporting.document(figures), encoding="utf-8")
    if options.page:
        _fill(options.page, reporting.markdown(figures))


def _measured(topics: Iterable[str], plan: Plan) -> Iterator[Figure]:
    for topic in topics:
        yield from TOPICS[topic](plan)


def _reliability(plan: Plan, options: argparse.Namespace) -> None:
    """Print the tables, and write them into a page with their drawing beside it."""
    findings = reliability.measure(plan)
    print(reliability_page.tables(findings))
    if options.page:
        _fill(options.page, reliability_page.tables(findings))
        options.page.with_suffix(".svg").write_text(reliability_plot.plot(findings), encoding="utf-8")


def _fill(page: Path, tables: str) -> None:
    head, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    tail = rest.partition(_END)[2]
    told = f"{reporting.machine()}; {reporting.moment()} at the end of the run."
    page.write_text(f"{head}{_BEGIN}\n{told}\n\n{tables}\n{_END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
