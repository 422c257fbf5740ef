"""Slow and obvious twins of the metrics."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean, median

RULES = {
    "outside_limits": (1, 1, 3.0),
    "two_of_three": (2, 3, 2.0),
    "three_of_four": (3, 4, 1.5),
    "four_of_five": (4, 5, 1.0),
    "eight_on_a_side": (8, 8, 0.0),
}


def center_and_reach(values: Sequence[float], form: str) -> tuple[float, float]:
    middle, scale = (mean, 2.66) if form == "mean" else (median, 3.145)
    return middle(values), scale * middle([abs(b - a) for a, b in pairwise(values)])


def signals(values: Sequence[float], form: str = "mean") -> set[tuple[str, str, tuple[int, ...]]]:
    """Look at each window of each rule; windows whose ends are nearer than their length are one signal."""
    center, reach = center_and_reach(values, form)
    found: set[tuple[str, str, tuple[int, ...]]] = set()
    for rule, (points, of, sigmas) in RULES.items():
        for side, sign in (("above", 1), ("below", -1)):
            beyond = [sign * (value - center) > sigmas / 3 * reach for value in values]
            group: list[int] = []
            newest = -of
            for end in range(len(values)):
                window = [index for index in range(max(0, end - of + 1), end + 1) if beyond[index]]
                if not beyond[end] or len(window) < points:
                    continue
                if group and end - newest >= of:
                    found.add((rule, side, tuple(group)))
                    group = []
                group = sorted({*group, *window})
                newest = end
            if group:
                found.add((rule, side, tuple(group)))
    return found


def friedman(table: Sequence[Sequence[float]]) -> float:
    """Q with mid-ranks and the correction for ties, as Friedman's test is taught."""
    rounds, columns = len(table), len(table[0])
    ranks = [
        [sum(other < value for other in row) + (sum(other == value for other in row) + 1) / 2 for value in row]
        for row in table
    ]
    sums = [sum(row[column] for row in ranks) for column in range(columns)]
    ties = sum(row.count(value) ** 2 - 1 for row in table for value in row)
    plain = 12 / (rounds * columns * (columns + 1)) * sum(one**2 for one in sums) - 3 * rounds * (columns + 1)
    return plain / (1 - ties / (rounds * columns * (columns**2 - 1)))
