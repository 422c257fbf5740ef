"""What trials cost: effort and money of each, counted in cells that are as fine as a large amount needs.

Amounts are whole numbers of a small unit. Below 8,192 each has a cell of its own; above, each doubling is cut into
4,096 cells, so that no cell is wider than 1/4,096 of what it holds. Such a histogram needs no bounds that would have
to be guessed, and its counts and sums are integers that add up in any order to the same bytes.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.kernels.trials import TrialTables, outcomes
from flow_forecaster.engine.kernels.variations import UNKNOWN

FINE = 12
WITHIN, BOTH, PERIODS = 0, 1, 2
_BLOCK = 256
_HALF = 0.5


class Bill(NamedTuple):
    """What is paid in units of money: a contributor-period, and a period after period `after`."""

    rate: float
    delay: float
    after: int


class Tariff(NamedTuple):
    """What is paid and what is hoped for, in units.

    rate: units of money a contributor-period. delay: units of money a period after period `after`.
    effort: units of effort a contributor-period. effort_cells: how many cells the effort has.
    budget: units of money, -1 if even nothing is too much. deadline: periods.
    """

    rate: float
    delay: float
    after: int
    effort: float
    effort_cells: int
    budget: int
    deadline: int


@njit(nogil=True)
def cell_of(amount: int) -> int:
    """Find the cell of an amount: with s the fewest bits that shift it below 2^13, s x 2^12 + (amount >> s)."""
    shift = 0
    while amount >> shift >= 2 << FINE:
        shift += 1
    cell: int = (shift << FINE) + (amount >> shift)
    return cell


@njit(nogil=True)
def price(
    tables: TrialTables, seed: np.uint64, horizon: int, tariff: Tariff, first: int, last: int, counts: Counts
) -> None:
    """Add trials first .. last-1 to counts.

    These hold one after the other: trials within the budget; those that make the deadline as well; trials by T = 0 ..
    horizon + 1, the last of which are unfinished and noted nowhere else; of effort and then of money, trials by cell,
    their units above the lower end of the cell, and the squares of those. Squares may run over 2^63: read as unsigned
    they are right below 2^64.
    """
    efforts_at = PERIODS + horizon + 2
    money_at = efforts_at + 3 * tariff.effort_cells
    money_cells = (counts.size - money_at) // 3
    periods, efforts = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.float64)
    for begin in range(first, last, _BLOCK):
        size = min(_BLOCK, last - begin)
        outcomes(tables, seed, horizon, begin, periods[:size], efforts[:size])
        for index in range(size):
            period, effort = periods[index], efforts[index]
            counts[PERIODS + period] += 1
            if period > horizon:
                continue
            _note(counts, efforts_at, tariff.effort_cells, np.int64(tariff.effort * effort + _HALF))
            money = np.int64(tariff.rate * effort + tariff.delay * max(period - tariff.after, 0) + _HALF)
            _note(counts, money_at, money_cells, money)
            counts[WITHIN] += money <= tariff.budget
            counts[BOTH] += (money <= tariff.budget) & (period <= tariff.deadline)


@njit(nogil=True)
def spend(periods: Counts, efforts: Floats, horizon: int, bill: Bill, money: Counts) -> None:
    """Fill in what trials cost on top of what is paid once, in units, UNKNOWN for one that is not finished.

    All are of shape (n,).
    """
    for index in range(periods.size):
        late = max(periods[index] - bill.after, 0)
        paid = bill.rate * efforts[index] + bill.delay * late
        money[index] = np.int64(paid + _HALF) if periods[index] <= horizon else UNKNOWN


@njit(nogil=True)
def note(money: Counts, counts: Counts) -> None:
    """Add amounts to counts, as `price` has those of money: by cell, units above its lower end, and their squares."""
    for amount in money:
        if amount != UNKNOWN:
            _note(counts, 0, counts.size // 3, amount)


@njit(nogil=True)
def _note(counts: Counts, start: int, cells: int, amount: int) -> None:
    cell = cell_of(amount)
    shift = max((cell >> FINE) - 1, 0)
    above = amount & ((1 << shift) - 1)
    counts[start + cell] += 1
    counts[start + cells + cell] += above
    counts[start + 2 * cells + cell] += above * above
