"""What a calibration says, as the tables of a page."""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.reliability import DAYS, PAST_WEEKS, SAME_HISTORY, WEEKS, YARDSTICK, Findings, Pool, Pools
from flow_forecaster.engine.forecasters import FORECASTERS, Point
from flow_forecaster.engine.rolling import Target
from flow_forecaster.engine.scoring import INTERVALS, PROMISES, Side

_AT_85, _IN_90 = PROMISES.index(0.85), INTERVALS.index(0.9)
_CELL = "In each cell: CRPS / that of {}, promises at 85 % kept, central 90 % intervals that held."
_WHOLE_WEEKS = (
    "A week is a large step, so a promise holds more than its confidence: after the stroke, how sure the forecasts "
    "themselves were of what they promised."
)
_POINTS = frozenset(each.name for each in FORECASTERS if isinstance(each, Point))


def tables(findings: Findings) -> str:
    """Set everything that was measured."""
    weeks = sum(len(series.weeks) for series in findings.series)
    parts = [
        f"Histories: {len(findings.series)}, with {weeks:,} weeks together.",
        *_left_out(findings),
        f"### Items finished in 4, 8 and 13 weeks, from {PAST_WEEKS} weeks of history",
        _whole(findings.weekly, WEEKS, "items", "weeks"),
        "### Weeks to finish what the mean pace takes 4, 8 and 13 weeks for",
        _WHOLE_WEEKS,
        _whole(findings.weekly, WEEKS, "periods", "weeks"),
        "### Items finished in 14 and 30 days, from a year of days",
        _whole(findings.daily, DAYS, "items", "days"),
        "### With short histories",
        f"{_CELL.format('the bootstrap of up to 12 weeks')} The rows of {PAST_WEEKS} weeks are from the first table.",
        _pasts(findings),
        "### By volatility",
        "Promises at 85 % kept, by thirds of the histories: standard deviation / mean of the items of a week.",
        _thirds(findings),
        "### Simulated teams whose pace is independent and stable",
        _CELL.format(f"`{SAME_HISTORY}` and, after the stroke, that of `{YARDSTICK}`"),
        _stable(findings),
    ]
    return "\n\n".join(parts)


def names(pools: Pools) -> list[str]:
    """List the forecasters that state a distribution, in their order."""
    return [name for name in dict.fromkeys(name for _, name in pools) if name not in _POINTS]


def _left_out(findings: Findings) -> Iterable[str]:
    if findings.left_out:
        yield f"Left out, because they are no such files or too short: {', '.join(findings.left_out)}."


def _whole(pools: Pools, horizons: Sequence[int], side: Side, unit: str) -> str:
    heads = [f"{promise:.0%}" for promise in PROMISES]
    rows = [
        [unit, "forecaster", "forecasts", f"CRPS / {YARDSTICK}'s", "mean of the histories", "bias", *heads, "in 90 %"]
    ]
    for horizon in horizons:
        target = Target(side=side, horizon=horizon)
        for name in dict.fromkeys(name for _, name in pools):
            pool = pools.get((target, name))
            if pool is not None:
                rows.append([str(horizon), name, *_cells(pool, side, is_point=name in _POINTS)])
    return _table(rows)


def _cells(pool: Pool, side: Side, *, is_point: bool) -> list[str]:
    sums = [f"{len(pool.scores):,}", f"{pool.ratio:.3f}", f"{pool.mean_ratio:.3f}", f"{pool.bias:+.1%}"]
    if is_point:
        return [*sums, *[""] * (len(PROMISES) + 1)]
    kept = [f"{pool.kept(index):.1%}" for index in range(len(PROMISES))]
    low, high = pool.kept_between(_AT_85)
    kept[_AT_85] += f" ({low:.0%} to {high:.0%})"
    if side == "periods":
        kept = [f"{each} / {pool.stated(index):.1%}" for index, each in enumerate(kept)]
    return [*sums, *kept, f"{pool.inside(_IN_90):.1%}"]


def _pasts(findings: Findings) -> str:
    rows = [["history", "forecaster", *(f"{horizon} weeks" for horizon in WEEKS)]]
    for past, pools in (*findings.pasts.items(), (PAST_WEEKS, findings.weekly)):
        rows += [[f"{past} weeks", name, *_by_horizon(pools, name, _short)] for name in names(pools)]
    return _table(rows)


def _thirds(findings: Findings) -> str:
    rows = [["histories", "forecaster", *(f"{horizon} weeks" for horizon in WEEKS)]]
    for third, pools in findings.thirds.items():
        rows += [[third, name, *_by_horizon(pools, name, _promise)] for name in names(pools)]
    return _table(rows)


def _stable(findings: Findings) -> str:
    rows = [["history", "forecaster", *(f"{horizon} weeks" for horizon in WEEKS)]]
    for past, pools in findings.stable.items():
        rows += [[f"{past} weeks", name, *_by_horizon(pools, name, _steady)] for name in names(pools)]
    return _table(rows)


def _by_horizon(pools: Pools, name: str, cell: Callable[[Pool], str]) -> list[str]:
    found = (pools.get((Target(side="items", horizon=horizon), name)) for horizon in WEEKS)
    return ["" if pool is None else cell(pool) for pool in found]


def _short(pool: Pool) -> str:
    return f"{pool.ratio:.3f} · {_promise(pool)} · {pool.inside(_IN_90):.1%}"


def _steady(pool: Pool) -> str:
    ratios = f"{pool.ratio_to_same_history:.3f} / {pool.ratio:.3f}"
    return f"{ratios} · {_promise(pool)} · {pool.inside(_IN_90):.1%}"


def _promise(pool: Pool) -> str:
    return f"{pool.kept(_AT_85):.1%}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))
