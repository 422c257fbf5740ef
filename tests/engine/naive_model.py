"""Slow twins of the whole model: one trial after the other, one period after the other, in plain Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import floor

from engine.naive import FIRST_CHANCE, STEP, WORD, trial_counter, word_at, words
from flow_forecaster.engine.kernels.adaptive import UrnTables
from flow_forecaster.engine.kernels.trials import LawTable, TrialTables

FRACTION = 2**53


def value_of(law: LawTable, word: int) -> float:
    """The first value whose cumulative probability lies above the upper 53 bits of the word."""
    share = word // (WORD // FRACTION) / FRACTION
    return law.first + next(index for index, below in enumerate(law.cumulative.tolist()) if below > share) * law.step


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What is drawn once a trial, from the words before its beginning."""

    scope: float
    focus: float
    growth: float
    delay: float
    tail: float

    @classmethod
    def of(cls, tables: TrialTables, seed: int, trial: int) -> "Drawn":
        """Each from its own word: the first before the beginning is the scope's, the fifth the tail's."""
        begin = trial_counter(seed, trial)
        names = ("scope", "focus", "growth", "delay", "tail")
        return cls(
            **{
                name: value_of(getattr(tables, name), word_at((begin - back * STEP) % WORD))
                for back, name in enumerate(names, start=1)
            }
        )

    def goal(self, periods: int) -> float:
        """Items to finish after so many periods of growth."""
        return self.scope + floor(self.growth * periods + 0.5)


def throughputs(tables: UrnTables, seed: int, trial: int) -> Iterator[float]:
    """The pace of period 0, 1, 2, ... drift included, as the tables of any sampler say."""
    stream, level = words(seed, trial), 1.0
    drawn: dict[int, list[float]] = {}
    before: int | None = None
    for period in range(len(tables.urn)):
        first, second = next(stream), next(stream)
        if period < tables.drifting:
            level *= float(tables.factors[1 if period else 0, first // FIRST_CHANCE])
        if tables.follow:
            size = len(tables.accept)
            follows = before is not None and first % FIRST_CHANCE < tables.follow
            before = (before + 1) % size if follows else second * size // WORD
            yield level * float(tables.values[2 * before])
            continue
        begin, size = (int(number) for number in tables.slots[period])
        slot, rest = divmod(second * size, WORD)
        taken = rest < int(tables.accept[begin + slot])
        place, earlier = (int(number) for number in tables.urn[period])
        urn = drawn.setdefault(place, [])
        repeated = int(first % FIRST_CHANCE * float(tables.reach[period]))
        urn.append(urn[repeated] if repeated < earlier else float(tables.values[2 * (begin + slot) + (not taken)]))
        yield level * urn[-1]


def progress(tables: TrialTables, drawn: Drawn, seed: int, trial: int) -> Iterator[tuple[float, float]]:
    """Items done, half an item ahead, and who contributed, by the end of period 1, 2, ..."""
    done, passed = 0.5, 0
    for period, throughput in enumerate(throughputs(tables.pace, seed, trial)):
        people = contributors(tables, period, (done - 0.5) * (1 / drawn.goal(period)))
        passed += bool(people * float(tables.capacity[period]))
        worked = min(max(passed - drawn.delay, 0.0), 1.0)
        done += throughput * (float(tables.capacity[period]) * drawn.focus * worked) * people
        yield done, people


def contributors(tables: TrialTables, period: int, share: float) -> float:
    """Those of the period, or those of the ramp at this share of the scope."""
    per_share, low, high = tables.ramp.tolist()
    if not per_share:
        return float(tables.people[period])
    if share * per_share < 1:
        return float(low + (high - low) * (share * per_share))
    if (1 - share) * per_share < 1:
        return float(low + (high - low) * max((1 - share) * per_share, 0.0))
    return float(low + (high - low))


def outcome(tables: TrialTables, seed: int, trial: int, horizon: int) -> tuple[int, float]:
    """The period that finishes the scope, horizon + 1 if none does, and the contributor-periods until then."""
    drawn, effort = Drawn.of(tables, seed, trial), 0.0
    for period, (done, people) in enumerate(islice(progress(tables, drawn, seed, trial), horizon), start=1):
        effort += people
        if done >= drawn.goal(period):
            return min(period + int(drawn.tail), horizon + 1), effort
    return horizon + 1, effort


def path(tables: TrialTables, seed: int, trial: int, periods: int) -> list[float]:
    """Items done by the end of each period, half an item ahead; the work stops when the scope is finished."""
    drawn = Drawn.of(tables, seed, trial)
    items: list[float] = []
    for period, (done, _) in enumerate(islice(progress(tables, drawn, seed, trial), periods), start=1):
        items.append(min(done, drawn.goal(period) + 0.5))
        if done >= drawn.goal(period):
            break
    return items + items[-1:] * (periods - len(items))


def produced(tables: TrialTables, seed: int, trial: int, periods: int) -> int:
    """Whole items done in some periods, whatever the scope."""
    drawn = Drawn.of(tables, seed, trial)
    steps = islice(progress(tables, drawn, seed, trial), periods)
    return int(max((done for done, _ in steps), default=0.5))
