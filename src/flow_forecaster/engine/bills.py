"""What compared cases cost: amounts of money on the same trials, their differences, and who keeps within the budget.

All cases are counted in one unit, so that they can be subtracted, and what is paid once comes on top of what was
counted. Where T alone says what a case costs, its law is that of T; only the others count amounts in cells, which take
up to 1.9 MB each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import floor

import numpy as np

from flow_forecaster.engine.amounts import Amounts, Unit, cells_for, written
from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.comparison import Chance, Estimate, chance, mean_apart
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.kernels.pricing import Bill, note, spend
from flow_forecaster.engine.kernels.variations import SUMS, UNKNOWN, apart, meet
from flow_forecaster.engine.prices import Prices

PRICING_DRAWS = 3.0
"""What it takes to price a trial of a case, in draws of the bootstrap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What a case costs, and what that differs from the base: the mean of differences trial by trial.

    within: of keeping the budget; both: of making the deadline, too. None without them.
    """

    money: Amounts
    difference: Estimate
    within: Chance | None
    both: Chance | None


@dataclass(frozen=True, kw_only=True)
class Bills:
    """How each of C cases is paid, in one unit, and where its costs are counted.

    fixed: (C,), what is paid once, in money. by_time: what a case costs by T, (H + 1,), None where T does not say it.
    budgets: (B,), what the fixed cost leaves of those of the base and each variation, B = 0 without one. due: (D,), as
    Layout has it.
    """

    unit: Unit
    most: float
    horizon: int
    fixed: tuple[float, ...]
    bills: tuple[Bill, ...]
    by_time: tuple[Counts | None, ...]
    budgets: Counts
    due: Counts

    @classmethod
    def of(cls, cases: Sequence[Case], horizon: int, budgets: Sequence[float], due: Counts) -> "Bills | None":
        """Lay out what cases are paid; None if the base costs nothing."""
        paid = [(case, case.prices) for case in cases if case.prices is not None]
        if len(paid) < len(cases):
            return None
        efforts = [np.append(0.0, case.model.paid(case.basis.timeline, horizon).cumsum()) for case, _ in paid]
        most = max(_most(prices, horizon, effort) for (_, prices), effort in zip(paid, efforts, strict=True))
        unit = Unit.for_amounts_up_to(most)
        bills = [_bill(prices, unit) for _, prices in paid]
        by_time = [
            _by_time(bill, effort) if case.model.time_tells_effort else None
            for (case, _), bill, effort in zip(paid, bills, efforts, strict=True)
        ]
        fixed = tuple(prices.fixed for _, prices in paid)
        left = [min(budget - once, most) for budget, once in zip(budgets, fixed, strict=False)]
        return cls(
            unit=unit,
            most=most,
            horizon=horizon,
            fixed=fixed,
            bills=tuple(bills),
            by_time=tuple(by_time),
            budgets=np.array([max(floor(unit.count(money) + 0.5), -1) for money in left], dtype=np.int64),
            due=due,
        )

    @cached_property
    def counted(self) -> list[int]:
        """Places of the cases whose amounts are counted in cells."""
        return [place for place, known in enumerate(self.by_time) if known is None]

    @property
    def parts(self) -> list[int]:
        """Sizes of the parts: laws, differences, budgets, budgets and deadlines together."""
        cells = 3 * cells_for(self.most, self.unit)
        both = min(self.budgets.size, self.due.size)
        return [len(self.counted) * cells, SUMS * len(self.bills), 4 * self.budgets.size, 4 * both]

    def split(self, counts: Counts) -> tuple[Counts, Counts, Counts, Counts]:
        """See the parts of the counts: laws (K, 3 x cells), differences (C, 4), budgets (B, 4), both (B or 0, 4)."""
        laws, sums, within, both = np.split(counts, np.cumsum(self.parts[:-1]))
        cells = laws.size // max(len(self.counted), 1)
        return laws.reshape(-1, max(cells, 1)), sums.reshape(-1, SUMS), within.reshape(-1, 4), both.reshape(-1, 4)

    def run(self, periods: Counts, efforts: Floats, counts: Counts) -> None:
        """Add trials to the counts, given T and effort, both of shape (C, n)."""
        laws, sums, within, both = self.split(counts)
        money = np.empty(periods.shape, dtype=np.int64)
        for place, bill in enumerate(self.bills):
            spend(periods[place], efforts[place], self.horizon, bill, money[place])
            apart(money[0], money[place], sums[place])
        for row, place in enumerate(self.counted):
            note(money[place], laws[row])
        hoped = money[: self.budgets.size]
        kept = (hoped <= self.budgets[:, np.newaxis]) & (hoped != UNKNOWN)
        for place, found in enumerate(kept):
            meet(kept[0], found, within[place])
        if len(both):
            kept &= periods[: self.due.size] <= self.due[:, np.newaxis]
            for place, found in enumerate(kept):
                meet(kept[0], found, both[place])

    def read(self, place: int, counts: Counts, law: Distribution, unfinished: int) -> Priced:
        """Read what was counted of one case; `law` is that of its T, and so many trials are not finished."""
        laws, sums, within, both = self.split(counts)
        by_time, once = self.by_time[place], self.fixed[place]
        more = written(once) - written(self.fixed[0])
        if by_time is None:
            counted = laws[self.counted.index(place)].reshape(3, -1)
            money = Amounts.of_counts(counted, unfinished=unfinished, unit=self.unit, plus=once)
        else:
            money = Amounts.of_periods(law, once + self.unit.amounts(by_time))
        return Priced(
            money=money,
            difference=mean_apart(sums[place], self.unit.size, more),
            within=chance(within[place]) if place < len(within) else None,
            both=chance(both[place]) if place < len(both) else None,
        )


def _most(prices: Prices, horizon: int, efforts: Floats) -> float:
    return float(prices.variable(np.array([horizon]), efforts[-1:])[0])


def _bill(prices: Prices, unit: Unit) -> Bill:
    return Bill(
        rate=unit.count(prices.rate),
        delay=unit.count(prices.delay),
        after=prices.after,
    )


def _by_time(bill: Bill, efforts: Floats) -> Counts:
    """What is paid by T = 0, 1, ... on top of what is paid once, rounded as trials are."""
    money = np.empty(efforts.size, dtype=np.int64)
    spend(np.arange(efforts.size), efforts, efforts.size, bill, money)
    return money
