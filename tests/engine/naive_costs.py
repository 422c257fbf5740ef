"""Slow twins of what trials cost: every cost in a list, in fractions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What is paid: each contributor-period, once, and each period after so many."""

    rate: Fraction = Fraction(0)
    fixed: Fraction = Fraction(0)
    delay: Fraction = Fraction(0)
    after: int = 0

    def of(self, periods: int, effort: Fraction) -> Fraction:
        """Add it up."""
        return self.fixed + self.rate * effort + self.delay * len(range(self.after, periods))


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of the finished cases, each as likely as any other, and how many cases are not finished."""

    known: Sequence[Fraction]
    unfinished: int = 0

    @property
    def cases(self) -> int:
        return len(self.known) + self.unfinished

    def quantile(self, confidence: Fraction) -> Fraction | None:
        """The smallest cost that so large a share of all cases does not exceed."""
        for number, cost in enumerate(sorted(self.known), start=1):
            if Fraction(number, self.cases) >= confidence:
                return cost
        return None

    def tail_mean(self, confidence: Fraction) -> Fraction:
        """Go through the cases from the worst on until a share of 1 - confidence is used up."""
        left, total = (1 - confidence) * self.cases, Fraction(0)
        for cost in sorted(self.known, reverse=True):
            part = min(Fraction(1), left)
            total, left = total + part * cost, left - part
        return total / ((1 - confidence) * self.cases)

    def mean(self) -> Fraction:
        return sum(self.known, Fraction(0)) / self.cases

    def variance(self) -> Fraction:
        return sum(((cost - self.mean()) ** 2 for cost in self.known), Fraction(0)) / self.cases

    def within(self, budget: Fraction) -> Fraction:
        return Fraction(sum(cost <= budget for cost in self.known), self.cases)

    def overrun(self, budget: Fraction) -> "Costs":
        """What of each case exceeds the budget."""
        return Costs(known=[max(cost - budget, Fraction(0)) for cost in self.known], unfinished=self.unfinished)
