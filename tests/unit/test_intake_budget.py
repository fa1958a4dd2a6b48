"""Room for bodies under way: to the byte and to the body, and which one makes room for another."""

import asyncio
from contextlib import ExitStack

import pytest

from lab.telemetry.intake.budget import Budget
from lab.telemetry.intake.errors import RejectedError

MAX_BYTES, MAX_BODIES = 100, 3


async def _read(budget: Budget, size: int, go_on: asyncio.Event, began: asyncio.Event) -> str:
    """Read a body until a message to go on; return how it ended."""
    with budget.body() as body:
        try:
            async with asyncio.timeout(60) as scope:
                body.scope = scope
                budget.grow(body, size)
                body.content.write(bytes(size))
                began.set()
                await go_on.wait()
        except TimeoutError:
            return "evicted" if body.is_evicted else "late"
    return "read"


async def _begun(budget: Budget, *sizes: int) -> tuple[list["asyncio.Task[str]"], asyncio.Event]:
    """Begin to read bodies of these sizes, one after the other."""
    tasks, go_on = [], asyncio.Event()
    for size in sizes:
        began = asyncio.Event()
        task = asyncio.create_task(_read(budget, size, go_on, began))
        tasks.append(task)
        waiting = asyncio.create_task(began.wait())
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    return tasks, go_on


def outcomes(*sizes: int) -> list[str]:
    """Return how bodies of these sizes end that are all under way at the end."""

    async def all_of_them() -> list[str]:
        budget = Budget(max_bytes=MAX_BYTES, max_bodies=MAX_BODIES)
        tasks, go_on = await _begun(budget, *sizes)
        go_on.set()
        ended = await asyncio.gather(*tasks)
        assert budget.used_bytes == 0
        return ended

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("sizes", "ends"),
    [
        ((40, 60), ["read", "read"]),
        ((60, 30, 11), ["evicted", "read", "read"]),
        ((30, 60, 11), ["read", "evicted", "read"]),
        ((1, 1, 1), ["read", "read", "read"]),
        ((1, 2, 1, 1), ["evicted", "read", "read", "read"]),
    ],
)
def test_the_largest_makes_room_for_bytes_and_the_oldest_for_a_body(
    sizes: tuple[int, ...], ends: list[str]
) -> None:
    """Exactly what there is room for is read; a byte or a body more makes one of the others end."""
    assert outcomes(*sizes) == ends


def test_a_body_that_is_the_largest_itself_is_refused() -> None:
    """Forty bytes of another do not make room for sixty-one; its sender is to come again."""

    async def grow() -> None:
        budget = Budget(max_bytes=MAX_BYTES, max_bodies=MAX_BODIES)
        tasks, go_on = await _begun(budget, 40)
        with budget.body() as body:
            async with asyncio.timeout(60) as scope:
                body.scope = scope
                await asyncio.sleep(0)
                budget.grow(body, 60)
                assert budget.used_bytes == MAX_BYTES
                with pytest.raises(RejectedError, match="retry") as refused:
                    budget.grow(body, 1)
        assert (refused.value.status, refused.value.reason) == (429, "busy")
        assert budget.used_bytes == 40
        go_on.set()
        assert await asyncio.gather(*tasks) == ["read"]

    asyncio.run(grow())


def test_what_is_decoded_makes_no_room() -> None:
    """While all that are under way are decoded, one more is refused."""

    async def one_more() -> None:
        budget = Budget(max_bytes=MAX_BYTES, max_bodies=MAX_BODIES)
        with ExitStack() as stack:
            for _ in range(MAX_BODIES):
                stack.enter_context(budget.body())
            with pytest.raises(RejectedError), budget.body():
                pass
        with budget.body():
            pass

    asyncio.run(one_more())
