"""How often others are asked: once at a time, not again while the answer is fresh or a failure recent (S-115)."""

import asyncio
from contextlib import nullcontext
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import restraint
from activitypub.errors import BadSignature, FederationError, Gone, Refused, TooLarge, Unreachable
from activitypub.restraint import ANSWERED_FOR, REFUSED_FOR, UNREACHABLE_FOR, Restraint, failure_lasts
from tests.clock import START

SECOND = timedelta(seconds=1)


class Question:
    """Counts how often it is asked; answers, or fails."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.asked, self.error, self.begun, self.go_on = 0, error, asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> str:
        self.asked += 1
        self.begun.set()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return f"answer {self.asked}"


async def test_an_answer_is_kept_for_five_minutes_where_that_is_wanted() -> None:
    held, ask = Restraint(), Question()
    for at in (START, START + ANSWERED_FOR - SECOND):
        assert await held.once("x", at, ask, keep=True) == "answer 1"
    assert await held.once("y", START, ask, keep=True) == "answer 2"
    assert await held.once("x", START + ANSWERED_FOR, ask, keep=True) == "answer 3"
    fresh = Question()
    for number in (1, 2):
        assert await held.once("z", START, fresh, keep=False) == f"answer {number}"


@pytest.mark.parametrize("error", [Refused(404), Gone(), TooLarge(), BadSignature(), Unreachable()])
async def test_a_failure_is_raised_again_until_it_is_old(error: FederationError) -> None:
    held, ask = Restraint(), Question(error)
    span = UNREACHABLE_FOR if isinstance(error, Unreachable) else REFUSED_FOR
    assert failure_lasts(error) == span
    for at in (START, START + SECOND, START + span - SECOND):
        with pytest.raises(type(error)):
            await held.once("x", at, ask, keep=True)
    assert ask.asked == 1
    ask.error = None
    assert await held.once("x", START + span, ask, keep=True) == "answer 2"
    assert await held.once("x", START + span + SECOND, ask, keep=True) == "answer 2"


async def test_a_fault_of_ours_is_not_held_against_others() -> None:
    held, ask = Restraint(), Question(ZeroDivisionError())
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await held.once("x", START, ask, keep=True)
    assert ask.asked == 2


async def test_all_who_ask_meanwhile_get_the_one_answer_even_when_the_first_gives_up() -> None:
    held, ask = Restraint(), Question()
    ask.go_on.clear()
    callers = [asyncio.create_task(held.once("x", START, ask, keep=False)) for _ in range(10)]
    await ask.begun.wait()
    callers[0].cancel()
    ask.go_on.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == ["answer 1"] * 9
    assert ask.asked == 1


async def test_what_is_to_be_forgotten_is_asked_anew() -> None:
    held, ask, failing = Restraint(), Question(), Question(Refused(404))
    await held.once("x", START, ask, keep=True)
    with pytest.raises(Refused):
        await held.once("y", START, failing, keep=True)
    held.forget("x")
    held.forget("y")
    failing.error = None
    assert await held.once("x", START, ask, keep=True) == "answer 2"
    assert await held.once("y", START, failing, keep=True) == "answer 2"


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60))
async def test_s1310_it_never_grows_beyond_its_bounds(questions: list[tuple[int, bool]]) -> None:
    """The oldest go first; what was asked last is still remembered."""
    most = 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restraint, "MAX_FAILURES", most)
        patch.setattr(restraint, "MAX_ANSWERS", most)
        held = Restraint()
        for number, fails in questions:
            ask = Question(Refused(404) if fails else None)
            try:
                await held.once(f"{fails} {number}", START, ask, keep=True)
            except Refused:
                assert fails
            again = Question(ZeroDivisionError())
            with pytest.raises(Refused) if fails else nullcontext():
                await held.once(f"{fails} {number}", START, again, keep=True)
            assert again.asked == 0
            assert max(len(held._failures), len(held._answers)) <= most
