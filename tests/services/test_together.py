"""What is asked for together is done together, and each asker gets what came of its own."""

import asyncio
from collections.abc import Sequence

import pytest

from flow_forecaster.services.together import Together


class Workshop:
    """Squares numbers once it is let; refuses negative ones; breaks at 13."""

    def __init__(self, *, most: int = 100, lanes: int = 1) -> None:
        self.together = Together(self._work, most=most, lanes=lanes)
        self.lots: list[tuple[str, list[int]]] = []
        self.may = asyncio.Event()

    async def _work(self, key: str, lot: list[int]) -> Sequence[int | Exception]:
        self.lots.append((key, lot))
        await self.may.wait()
        if 13 in lot:
            raise OSError("broken")
        return [ValueError(str(number)) if number < 0 else number**2 for number in lot]

    async def begin(self, *numbers: int, key: str = "a") -> list[asyncio.Task[int]]:
        asked = [asyncio.create_task(self.together.ask(key, number)) for number in numbers]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return asked


@pytest.fixture
async def workshop() -> Workshop:
    return Workshop()


async def test_what_is_asked_for_meanwhile_goes_next_together(workshop: Workshop) -> None:
    first = await workshop.begin(1)
    later = await workshop.begin(2, 3) + await workshop.begin(4)
    workshop.may.set()
    assert await asyncio.gather(*first, *later) == [1, 4, 9, 16]
    assert workshop.lots == [("a", [1]), ("a", [2, 3, 4])]
    assert await workshop.together.ask("a", 5) == 25
    assert workshop.lots[2:] == [("a", [5])]


async def test_no_lot_is_larger_than_it_may_be() -> None:
    workshop = Workshop(most=2)
    asked = await workshop.begin(1) + await workshop.begin(2, 3, 4, 5, 6)
    workshop.may.set()
    assert await asyncio.gather(*asked) == [1, 4, 9, 16, 25, 36]
    assert [len(lot) for _, lot in workshop.lots] == [1, 2, 2, 1]


async def test_as_many_lots_are_under_way_as_there_are_lanes() -> None:
    workshop = Workshop(lanes=2)
    asked = await workshop.begin(1) + await workshop.begin(2) + await workshop.begin(3, 4)
    assert workshop.lots == [("a", [1]), ("a", [2])]
    workshop.may.set()
    assert await asyncio.gather(*asked) == [1, 4, 9, 16]
    assert workshop.lots[2:] == [("a", [3, 4])]


async def test_a_lane_that_ends_leaves_the_other_at_work() -> None:
    workshop = Workshop(lanes=2)
    breaking, lasting = await workshop.begin(13), await workshop.begin(2)
    workshop.may.set()
    assert await asyncio.gather(*breaking, *lasting, return_exceptions=True) == [breaking[0].exception(), 4]
    assert await asyncio.gather(*await workshop.begin(3)) == [9]


async def test_keys_do_not_wait_for_each_other(workshop: Workshop) -> None:
    asked = await workshop.begin(1, key="a") + await workshop.begin(2, key="b")
    assert workshop.lots == [("a", [1]), ("b", [2])]
    workshop.may.set()
    assert await asyncio.gather(*asked) == [1, 4]


async def test_what_one_asked_for_in_vain_is_no_matter_of_the_others(workshop: Workshop) -> None:
    workshop.may.set()
    answers = await asyncio.gather(*await workshop.begin(1, -2, 3), return_exceptions=True)
    assert [answers[0], answers[2]] == [1, 9]
    assert isinstance(answers[1], ValueError)


async def test_what_breaks_breaks_for_all_of_its_lot_and_for_no_other(workshop: Workshop) -> None:
    first, broken = await workshop.begin(1), await workshop.begin(2, 13)
    workshop.may.set()
    answers = await asyncio.gather(*first, *broken, return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, OSError, OSError]
    assert await workshop.together.ask("a", 4) == 16


async def test_who_gave_up_before_its_turn_gets_nothing_done(workshop: Workshop) -> None:
    first, later = await workshop.begin(1), await workshop.begin(2, 3)
    later[0].cancel()
    await asyncio.sleep(0)
    workshop.may.set()
    assert await asyncio.gather(*first, later[1]) == [1, 9]
    assert workshop.lots == [("a", [1]), ("a", [3])]


async def test_who_gave_up_in_the_middle_disturbs_nobody(workshop: Workshop) -> None:
    first, *_ = await workshop.begin(1), await workshop.begin(2)
    first[0].cancel()
    workshop.may.set()
    assert await workshop.together.ask("a", 3) == 9
