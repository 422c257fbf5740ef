"""Obvious, slow twins of the engine: whole numbers of any size, fractions, dictionaries, one day after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import count, islice

from hypothesis import settings

PATIENT = settings(deadline=None)
"""The first example of a law may have a kernel compiled."""

WORD = 2**64
FIRST_CHANCE = 2**52
STEP = 0xA0761D6478BD642F
TRIAL_STEP = 0x9E3779B97F4A7C15
FOLD = 0xE7037ED1A0B428DB


def mix(word: int) -> int:
    """The finalizer of SplitMix64."""
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % WORD
    return word ^ (word >> 31)


def trial_counter(seed: int, trial: int) -> int:
    """Where the stream of a trial begins."""
    return mix((mix((seed + TRIAL_STEP) % WORD) + trial * TRIAL_STEP) % WORD)


def word_at(counter: int) -> int:
    """High half of the wide product, XOR its low half."""
    high, low = divmod(counter * (counter ^ FOLD), WORD)
    return high ^ low


def words(seed: int, trial: int) -> Iterator[int]:
    """The endless stream of one trial."""
    start = trial_counter(seed, trial)
    return (word_at((start + step * STEP) % WORD) for step in count())


def bootstrap_path(throughput: Sequence[int], seed: int, trial: int) -> Iterator[int]:
    """Items done by the end of period 0, 1, 2, ... when every period is a uniform draw from the history."""
    done = 0
    yield done
    for word in words(seed, trial):
        done += throughput[word * len(throughput) // WORD]
        yield done


def block_path(throughput: Sequence[int], follow: int, seed: int, trial: int) -> Iterator[int]:
    """Items done by the end of period 0, 1, 2, ... in blocks: below `follow` the next of the history, wrapped."""
    stream = words(seed, trial)
    done, at = 0, None
    yield done
    while True:
        first, second = next(stream), next(stream)
        at = second * len(throughput) // WORD if at is None or first % FIRST_CHANCE >= follow else at + 1
        at %= len(throughput)
        done += throughput[at]
        yield done


@dataclass(frozen=True, kw_only=True)
class Alias:
    """Walker's slots over some counts: a slot keeps its own count below `accept`, and takes that of `alias` else."""

    counts: Sequence[int]
    accept: Sequence[int]
    alias: Sequence[int]

    def draw(self, word: int) -> int:
        """Draw a count: the word's share of all words names the slot, what is left over decides within it."""
        slot, rest = divmod(word * len(self.counts), WORD)
        return self.counts[slot if rest < self.accept[slot] else self.alias[slot]]

    def law(self) -> list[Fraction]:
        """The probability of each observation that the slots stand for."""
        chances = [Fraction(0)] * len(self.counts)
        for slot, (accept, alias) in enumerate(zip(self.accept, self.alias, strict=True)):
            chances[slot] += Fraction(accept, WORD * len(self.counts))
            chances[alias] += Fraction(WORD - accept, WORD * len(self.counts))
        return chances


@dataclass(frozen=True, kw_only=True)
class Urn:
    """One class of the adaptive sampler: where fresh draws come from, and A, how seldom earlier ones are repeated."""

    fresh: Alias
    concentration: float


@dataclass(frozen=True, kw_only=True)
class Level:
    """The factors of the first period, those from one period to the next, and for how many periods the level moves."""

    first: Sequence[float]
    later: Sequence[float]
    drifting: int


def adaptive_path(classes: Sequence[int], urns: dict[int, Urn], level: Level, seed: int, trial: int) -> Iterator[int]:
    """Whole items done by the end of period 0, 1, 2, ...: a Polya urn of each class, times a level that drifts."""
    stream = words(seed, trial)
    drawn: dict[int, list[int]] = {label: [] for label in urns}
    pace, done = 1.0, 0.5
    yield int(done)
    for period, label in enumerate(classes):
        first, second = next(stream), next(stream)
        if period < level.drifting:
            pace *= (level.later if period else level.first)[first // FIRST_CHANCE]
        earlier, urn = drawn[label], urns[label]
        place = int(first % FIRST_CHANCE / FIRST_CHANCE * (urn.concentration + len(earlier)))
        earlier.append(earlier[place] if place < len(earlier) else urn.fresh.draw(second))
        done += pace * earlier[-1]
        yield int(done)


Path = Callable[[int], Iterable[int]]


def finish(path: Path, items: int, trials: Iterable[int], bins: int) -> list[int]:
    """Histogram the first period whose cumulative pace reaches the items; the last bin is not within the horizon."""
    counts = [0] * bins
    for trial in trials:
        within = islice(path(trial), bins - 1)
        counts[next((period for period, done in enumerate(within) if done >= items), bins - 1)] += 1
    return counts


def produce(path: Path, periods: int, trials: Iterable[int], bins: int) -> list[int]:
    """Histogram the items done by the end of a period; the last bin is that many or more."""
    counts = [0] * bins
    for trial in trials:
        done = next(islice(path(trial), periods, None))
        counts[min(done, bins - 1)] += 1
    return counts


def law_of_sum(throughput: Sequence[int], periods: int) -> dict[int, Fraction]:
    """P(N = n) of independent uniform draws, as fractions."""
    law = {0: Fraction(1)}
    for _ in range(periods):
        after: dict[int, Fraction] = {}
        for done, chance in law.items():
            for draw in throughput:
                after[done + draw] = after.get(done + draw, Fraction(0)) + chance / len(throughput)
        law = after
    return law


def law_of_finish(throughput: Sequence[int], items: int, horizon: int) -> tuple[list[Fraction], Fraction]:
    """P(T = 0), ..., P(T = horizon), and P(T > horizon): what reached the items by k and not by k - 1."""
    reached = [
        sum((chance for done, chance in law_of_sum(throughput, periods).items() if done >= items), Fraction(0))
        for periods in range(horizon + 1)
    ]
    return [now - before for before, now in zip([Fraction(0), *reached], reached, strict=False)], 1 - reached[-1]


def when(chances: dict[int, Fraction], confidence: Fraction) -> int | None:
    """The smallest k with P(X <= k) >= c."""
    reached = [value for value in chances if sum(chance for at, chance in chances.items() if at <= value) >= confidence]
    return min(reached, default=None)


def how_many(chances: dict[int, Fraction], beyond: Fraction, confidence: Fraction) -> int | None:
    """The largest n with P(X >= n) >= c; unknown if it lies among what is beyond."""
    if beyond >= confidence:
        return None
    return max(
        value
        for value in chances
        if beyond + sum(chance for at, chance in chances.items() if at >= value) >= confidence
    )


def days_from(start: date) -> Iterator[date]:
    """Every day from `start` on."""
    return (start + timedelta(days=offset) for offset in count())


def working_days(start: date, weekdays: Iterable[int], days_off: Iterable[date]) -> Iterator[date]:
    """Every worked day from `start` on."""
    worked, off = set(weekdays), set(days_off)
    return (day for day in days_from(start) if day.weekday() in worked and day not in off)
