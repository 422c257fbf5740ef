"""How much there is to finish: against fractions, against large NumPy simulations, and by hand."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import ceil, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.modelling import RISKS, UNSPLIT
from engine.naive import PATIENT
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lattice import Lattice
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.scope import MOST_ITEMS, MOST_OBSERVED, Risk, Scope, Split

DRAWS = 1_000_000


def at(law: Lattice, value: int) -> float:
    """P(scope = value)."""
    index = value - law.first
    return float(law.mass[index]) if 0 <= index < law.mass.size else 0.0


# Numbers


@pytest.mark.parametrize(
    ("items", "rate", "expected"), [(7, 1.0, 7), (7, 1.3, 10), (10, 1.1, 11), (3, 0.5, 2), (1, 0.001, 1)]
)
def test_a_number_of_items_at_a_known_rate_is_a_number_rounded_up(items: int, rate: float, expected: int) -> None:
    scope = Scope(items=Range.exactly(items), split=Split.of(Range.exactly(rate)))
    assert scope.is_number
    assert (scope.law.first, scope.law.mass.tolist(), scope.mean, scope.sources) == (expected, [1.0], expected, ())


@given(st.integers(1, 1_000_000))
def test_so_many_items_and_nothing_else_are_so_many_items(items: int) -> None:
    assert (Scope.exactly(items).law.first, Scope.exactly(items).mean) == (items, items)


@pytest.mark.parametrize("tiny", [1e-7, 1e-3])
def test_however_little_there_is_to_do_is_an_item(tiny: float) -> None:
    assert Scope(items=Range.exactly(tiny), split=UNSPLIT).law.first == 1
    assert Scope(items=Range(low=tiny, high=0.5), split=UNSPLIT).law.first == 1


def test_a_very_wide_range_whose_lattice_begins_at_zero_still_has_an_item_to_finish() -> None:
    """A million values stand 128 apart; those below 64 may not become no items at all."""
    law = Scope(items=Range(low=1, high=1_000_000), split=UNSPLIT).law
    assert law.first == 1
    assert law.mean == pytest.approx(500_000.5, rel=2e-4)


# Worked out by hand


def test_a_uniform_range_of_items_is_rounded_up() -> None:
    """20 to 25: each of 21 .. 25 takes a fifth, up to half a step of the lattice (5 / 8192, rounded up to 2^-10)."""
    law = Scope(items=Range(low=20, high=25), split=UNSPLIT).law
    assert [at(law, items) for items in range(21, 26)] == pytest.approx([0.2] * 5, abs=2**-11 / 5 + 1e-12)
    assert at(law, 20) + at(law, 26) < 2**-11 / 5 + 1e-12


def test_a_triangular_range_of_items_has_the_areas_of_its_triangle() -> None:
    """0 to 4, most likely 2: 1/8, 3/8, 3/8, 1/8."""
    law = Scope(items=Range(low=1e-9, high=4, likely=2), split=UNSPLIT).law
    assert [at(law, items) for items in (1, 2, 3, 4)] == pytest.approx([1 / 8, 3 / 8, 3 / 8, 1 / 8], abs=2e-4)


def test_risks_that_are_numbers_add_up_to_all_their_combinations() -> None:
    risks = (
        Risk(name="one", probability=0.5, impact=Range.exactly(4)),
        Risk(name="other", probability=0.25, impact=Range.exactly(10)),
    )
    law = Scope(items=Range.exactly(6), split=UNSPLIT, risks=risks).law
    expected = {6: 0.375, 10: 0.375, 16: 0.125, 20: 0.125}
    assert {items: at(law, items) for items in expected} == pytest.approx(expected, abs=1e-12)
    assert law.mass.sum() == pytest.approx(1, abs=1e-12)


def test_risks_come_after_the_split() -> None:
    """10 items that double are 20, and 5 more when the risk strikes: not 30."""
    risk = Risk(name="late", probability=1.0, impact=Range.exactly(5))
    law = Scope(items=Range.exactly(10), split=Split.of(Range.exactly(2)), risks=(risk,)).law
    assert at(law, 25) == pytest.approx(1, abs=1e-12)


def test_two_observed_rates_are_one_of_them_or_the_mean_of_two_draws() -> None:
    """One draw: 1 or 2. Two draws: 1, 1.5 (twice as likely) or 2. Both are as likely."""
    law = Scope(items=Range.exactly(10), split=Split.observed([1, 2])).law
    expected = {10: 3 / 8, 15: 1 / 4, 20: 3 / 8}
    assert {items: at(law, items) for items in expected} == pytest.approx(expected, abs=1e-12)


@PATIENT
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_observed_rates_are_the_mean_of_one_to_n_draws(rates: list[int]) -> None:
    """Against all draws, one by one, to two cells: each draw is shared between two of 256, and so is the mean."""
    split, count = Split.observed(rates), len(rates)
    assert split.mean == pytest.approx(sum(rates) / count, abs=1e-9)
    chances: dict[Fraction, Fraction] = {}
    for draws in range(1, count + 1):
        for drawn in product(rates, repeat=draws):
            mean = Fraction(sum(drawn), draws)
            chances[mean] = chances.get(mean, Fraction(0)) + Fraction(1, count * count**draws)
    assert sum(chances.values()) == 1
    found, shares = split.rates
    near = 2 * (max(rates) - min(rates)) / 256 + 1e-9
    for mean, its_chance in chances.items():
        below = float(sum(chance for value, chance in chances.items() if value <= mean))
        assert shares[found < float(mean) + near].sum() >= below - 1e-9
        assert shares[found < float(mean) - near].sum() <= below - float(its_chance) + 1e-9


def test_a_hundred_observed_rates_are_taken() -> None:
    rates = [1 + index / 50 for index in range(MOST_OBSERVED)]
    assert Split.observed(rates).mean == pytest.approx(1.99, abs=1e-9)
    assert Split.observed([1.5, 1.5]) == Split.of(Range.exactly(1.5))


# Against large simulations

ITEMS = {
    "uniform": Range(low=20, high=25),
    "triangle": Range(low=30, likely=35, high=60),
    "number": Range.exactly(50),
}
SPLITS = {
    "none": Range.exactly(1.0),
    "number": Range.exactly(1.37),
    "uniform": Range(low=1, high=1.5),
    "triangle": Range(low=0.8, likely=1.0, high=3.0),
}


def simulated(known: Range, chance: np.random.Generator) -> np.ndarray:
    """So many draws by NumPy's own generators."""
    if known.is_number:
        return np.full(DRAWS, known.low)
    if known.likely is None:
        return chance.uniform(known.low, known.high, DRAWS)
    return chance.triangular(known.low, known.likely, known.high, DRAWS)


def simulated_scope(scope: Scope, rates: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Items x rate + what strikes, rounded up."""
    total = simulated(scope.items, chance) * rates
    for risk in scope.risks:
        total += (chance.uniform(size=DRAWS) < risk.probability) * simulated(risk.impact, chance)
    return np.ceil(total - 1e-9)


def assert_simulated(law: Lattice, found: np.ndarray) -> None:
    """|F_simulated - F| <= 4.5 standard errors + 5e-4, the lattice's own error: half a step x density, 128 nodes."""
    exact = law.mass.cumsum().clip(0, 1)
    below = np.searchsorted(np.sort(found), law.values, side="right") / found.size
    assert (np.abs(below - exact) <= 4.5 * np.sqrt(exact * (1 - exact) / found.size) + 5e-4).all()
    assert law.mean == pytest.approx(found.mean(), abs=4.5 * found.std() / sqrt(found.size) + 0.01)
    assert law.variance == pytest.approx(found.var(), rel=0.02, abs=0.05)


@pytest.mark.parametrize("risks", [(), RISKS], ids=["calm", "risky"])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("items", ITEMS)
def test_the_law_of_the_scope_is_the_one_that_numpy_simulates(items: str, split: str, risks: tuple[Risk, ...]) -> None:
    chance = np.random.default_rng([len(items), len(split), len(risks)])
    scope = Scope(items=ITEMS[items], split=Split.of(SPLITS[split]), risks=risks)
    assert_simulated(scope.law, simulated_scope(scope, simulated(SPLITS[split], chance), chance))


def test_observed_rates_have_the_law_that_numpy_simulates() -> None:
    observed, chance = np.array([1.0, 1.2, 1.2, 2.5, 1.7]), np.random.default_rng(11)
    draws = chance.integers(1, observed.size + 1, DRAWS)
    picked = observed[chance.integers(0, observed.size, (DRAWS, observed.size))]
    rates = np.where(np.arange(observed.size) < draws[:, None], picked, 0).sum(axis=1) / draws
    scope = Scope(items=Range(low=30, high=90), split=Split.observed(observed.tolist()), risks=RISKS)
    assert_simulated(scope.law, simulated_scope(scope, rates, chance))


def test_the_scope_of_the_three_risks_has_the_mean_that_is_printed() -> None:
    """22.5 x 1.25 + 0.3 x 12.5 + 0.15 x 7.5 + 0.2 x 10 = 35, and half an item for rounding up."""
    scope = Scope(items=Range(low=20, high=25), split=Split.of(Range(low=1, high=1.5)), risks=RISKS)
    assert scope.mean == pytest.approx(35.5, abs=0.01)


# Laws


@PATIENT
@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 20), st.integers(0, 10))
def test_a_likelier_risk_never_makes_the_scope_smaller(one: int, other: int, low: int, width: int) -> None:
    laws = [
        Scope(
            items=Range(low=5, high=9),
            split=UNSPLIT,
            risks=(Risk(name="it", probability=eighths / 8, impact=Range(low=low, high=low + width)),),
        ).law
        for eighths in sorted((one, other))
    ]
    assert [law.first for law in laws] == [laws[0].first] * 2
    less, more = (law.mass.cumsum() for law in laws)
    assert (more <= less + 1e-12).all()


@PATIENT
@given(st.lists(st.integers(0, 10), min_size=4, max_size=4).map(sorted), st.integers(1, 30))
def test_what_is_certain_instead_of_uncertain_keeps_the_mean(eighths: list[int], low: int) -> None:
    """Up to rounding up to whole items, which moves a mean by less than one."""
    risks = tuple(
        Risk(name=str(index), probability=eighth / 10, impact=Range(low=3, high=3 + index))
        for index, eighth in enumerate(eighths)
    )
    scope = Scope(items=Range(low=low, high=low + 10), split=Split.of(Range(low=1, high=2)), risks=risks)
    for source in scope.sources:
        certain = scope.without(source)
        assert source not in certain.sources
        assert abs(certain.mean - scope.mean) <= 1
        assert certain.law.variance <= scope.law.variance + 0.5


def test_the_sources_are_those_that_are_uncertain() -> None:
    sure = Risk(name="sure", probability=1.0, impact=Range.exactly(3))
    never = Risk(name="never", probability=0.0, impact=Range(low=1, high=3))
    number = Scope(items=Range.exactly(5), split=UNSPLIT, risks=(sure, never))
    assert number.sources == ()
    assert number.mean == pytest.approx(8, abs=1e-9)
    everything = Scope(items=Range(low=5, high=6), split=Split.observed([1, 2]), risks=(never, *RISKS))
    assert everything.sources == ("items", "split_rate", "risks")
    assert everything.without("risks").sources == ("items", "split_rate")


# Refused

REFUSED = [
    (lambda: Scope(items=Range(low=0, high=3), split=UNSPLIT), ("items",), "out_of_range"),
    (lambda: Scope.exactly(0), ("items",), "out_of_range"),
    (lambda: Scope.exactly(MOST_ITEMS + 1), ("items",), "out_of_range"),
    (
        lambda: Scope(items=Range.exactly(MOST_ITEMS), split=UNSPLIT, risks=RISKS),
        ("items",),
        "out_of_range",
    ),
    (
        lambda: Scope(items=Range.exactly(1_000_000), split=Split.of(Range(low=1, high=5))),
        ("items",),
        "out_of_range",
    ),
    (lambda: Split.of(Range.exactly(0)), ("split_rate",), "out_of_range"),
    (lambda: Split.of(Range(low=0, high=2)), ("split_rate",), "out_of_range"),
    (lambda: Split.observed([1, 0, 2]), ("split_rate", "observed", 1), "out_of_range"),
    (lambda: Risk(name="it", probability=1.1, impact=Range.exactly(1)), ("probability",), "out_of_range"),
    (lambda: Risk(name="it", probability=-0.1, impact=Range.exactly(1)), ("probability",), "out_of_range"),
    (lambda: Risk(name="it", probability=float("nan"), impact=Range.exactly(1)), ("probability",), "out_of_range"),
    (lambda: Risk(name="it", probability=0.5, impact=Range.exactly(0)), ("items",), "no_impact"),
    (lambda: Risk(name="it", probability=0.5, impact=Range(low=-1, high=3)), ("items",), "no_impact"),
]


@pytest.mark.parametrize(("make", "path", "code"), REFUSED)
def test_what_is_no_scope_is_refused(make: object, path: tuple[str, ...], code: str) -> None:
    assert callable(make)
    with pytest.raises(InvalidInput) as refused:
        make()
    assert (refused.value.path, refused.value.code) == (path, code)


def test_the_largest_scope_is_taken() -> None:
    assert Scope.exactly(MOST_ITEMS).mean == MOST_ITEMS
    assert ceil(Scope(items=Range(low=1, high=MOST_ITEMS), split=UNSPLIT).mean) == pytest.approx(2e6, rel=1e-3)


def test_a_wide_and_unlikely_risk_leaves_the_rest_as_it_is() -> None:
    """A million items in one case of a thousand: in all others the 50 to 60 items are as exact as without it."""
    for items in (Range.exactly(50), Range(low=50, high=60)):
        plain = Scope(items=items, split=Split.of(Range.exactly(1.0)), risks=(NEAR_RISK,))
        wide = Risk(name="flood", probability=0.001, impact=Range(low=0, high=1_000_000))
        alone, with_it = plain.law, replace(plain, risks=(wide, NEAR_RISK)).law
        assert with_it.mass.sum() == pytest.approx(1.0)
        found = with_it.mass[alone.first - with_it.first :][: alone.mass.size]
        assert found == pytest.approx(0.999 * alone.mass, abs=2e-6)
        assert with_it.mean == pytest.approx(alone.mean + 500, rel=1e-3)


NEAR_RISK = Risk(name="near", probability=0.5, impact=Range.exactly(3))
