"""What a request changes under an idempotency key is changed once: the key, the change and the answer are one.

For whatever is done in one transaction of its tenant. Forecasts are computed outside of any, so they are reserved
before: see idempotency.py.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from flow_forecaster.errors import AnswerNotKept, KeyInFlight, KeyReused
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.idempotency import Answer, Reservation
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.reservations import reservation

T = TypeVar("T")


class _Refused(Exception):
    """Takes an outcome that is a refusal out of a transaction, which then leaves no trace."""

    def __init__(self, outcome: object) -> None:
        super().__init__()
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeating:
    """Does things once."""

    database: Database

    async def once(
        self, caller: Caller, key: str, asked: bytes, work: Callable[[Database], Awaitable[tuple[T, Answer | None]]]
    ) -> T | Answer:
        """Do some work, or give the answer that it had when this key came first.

        `work` is handed a database all of whose transactions are one, and tells its outcome together with the answer to
        be kept: None, and nothing is kept, of the work neither. Somebody who comes with the same key meanwhile waits.

        Raises:
            InvalidInput: the key is empty or too long.
            KeyReused: the key came with another request.
            KeyInFlight: a forecast is being made under it.
            AnswerNotKept: it was done, and its answer held a secret, which is not kept.
            DatabaseUnavailable: nothing was done.
        """
        wanted = reservation(key, asked)
        try:
            async with self.database.writing(caller.tenant_id) as transaction:
                if not await transaction.idempotency.reserve(wanted):
                    return _again(await transaction.idempotency.answer(wanted.key_digest), wanted)
                done, answer = await work(self.database.within(transaction))
                await transaction.idempotency.keep_answer(wanted, _worth_keeping(done, answer))
        except _Refused as refused:
            done = cast("T", refused.outcome)
        return done


def _worth_keeping(outcome: object, answer: Answer | None) -> Answer:
    if answer is None:
        raise _Refused(outcome)
    return answer


def _again(kept: tuple[str, Answer] | None, wanted: Reservation) -> Answer:
    if kept is None:
        raise KeyInFlight
    body_digest, answer = kept
    if body_digest != wanted.body_digest:
        raise KeyReused
    if answer.body is None:
        raise AnswerNotKept
    return answer
