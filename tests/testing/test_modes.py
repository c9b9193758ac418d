"""Which mode holds where: blocks, decorators, nesting, threads, tasks, forks."""

import asyncio
import contextvars
import os
import unittest
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Thread
from typing import Any

import pytest

import fastkiq
from fastkiq import outlets, testing
from fastkiq.outlets import Payload, Push
from fastkiq.testing import FakeMixin, Jobs, modes
from testing_workers import Mail, fetch, note, ran


def in_thread(call: Callable[[], Any]) -> Any:
    """What it answers, or raises, in a thread with an empty context."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(contextvars.Context().run(call))
        except Exception as error:
            answers.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def standing() -> int:
    """How many outlets there are."""
    return len(outlets.present)


def test_without_a_mode_nothing_stands_before_redis() -> None:
    assert standing() == 0
    with pytest.raises(fastkiq.RedisConnectionError):
        Mail.perform_async("ann")
    with testing.fake() as jobs:
        assert standing() == 1
        jid = Mail.perform_async("ann")
    assert [job.jid for job in jobs] == [jid]
    assert standing() == 0
    with pytest.raises(fastkiq.RedisConnectionError):
        Mail.perform_async("ann")


def test_modes_nest_and_the_innermost_counts() -> None:
    with testing.fake() as outer:
        Mail.perform_async("outer")
        with testing.fake() as inner:
            Mail.perform_async("inner")
            assert testing.jobs() is inner
            with testing.inline():
                Mail.perform_async("inline")
                with testing.disabled():
                    with pytest.raises(fastkiq.RedisConnectionError):
                        Mail.perform_async("disabled")
        Mail.perform_async("outer again")
        assert testing.jobs() is outer
    assert [job.args for job in outer] == [["outer"], ["outer again"]]
    assert [job.args for job in inner] == [["inner"]]
    assert ran == [("mail", "inline", None, 1)]


def test_a_block_ends_with_what_is_raised_in_it() -> None:
    with pytest.raises(ZeroDivisionError):
        with testing.fake():
            raise ZeroDivisionError
    assert modes.opened() == []


def test_jobs_outside_of_fake_says_what_to_do() -> None:
    with pytest.raises(fastkiq.FastkiqError, match="fastkiq_jobs"):
        testing.jobs()
    with testing.inline(), pytest.raises(fastkiq.FastkiqError, match="no jobs are kept here"):
        testing.assert_no_jobs()


def test_threads_have_modes_of_their_own() -> None:
    with testing.fake() as here:
        assert isinstance(in_thread(lambda: Mail.perform_async("there")), fastkiq.RedisConnectionError)

        def there() -> list[Any]:
            with testing.fake() as jobs:
                Mail.perform_async("there")
                return [job.args for job in jobs]

        assert in_thread(there) == [["there"]]
        assert len(here) == 0


def test_everywhere_reaches_threads_but_not_those_with_a_mode_of_their_own() -> None:
    with testing.fake(everywhere=True) as jobs:
        in_thread(lambda: Mail.perform_async("there"))

        def inside() -> None:
            with testing.inline():
                Mail.perform_async("inline")

        assert in_thread(inside) is None
    assert [job.args for job in jobs] == [["there"]]
    assert ran == [("mail", "inline", None, 1)]


def test_tasks_have_modes_of_their_own() -> None:
    async def one(name: str, turns: asyncio.Barrier) -> list[Any]:
        with testing.fake() as jobs:
            await turns.wait()
            Mail.perform_async(name)
            await Mail.aperform_async(name + " in a thread")
            await turns.wait()
            return [job.args[0] for job in jobs]

    async def both() -> list[list[Any]]:
        turns = asyncio.Barrier(2)
        return list(await asyncio.gather(one("a", turns), one("b", turns)))

    assert asyncio.run(both()) == [["a", "a in a thread"], ["b", "b in a thread"]]


def test_a_task_started_inside_pushes_there() -> None:
    async def main() -> Jobs:
        with testing.fake() as jobs:
            await asyncio.create_task(fetch.aperform_async("https://example.org"))
            return jobs

    assert [job.class_name for job in asyncio.run(main())] == ["testing.fetch"]


def test_a_block_may_be_left_in_another_context() -> None:
    """As the set-up and tear-down of asynchronous fixtures do it."""
    block = testing.fake()
    jobs = contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    assert len(jobs) == 0
    assert modes.current() is None
    entered = contextvars.copy_context()
    second = testing.fake()
    entered.run(second.__enter__)
    second.__exit__(None, None, None)
    assert entered.run(modes.current) is None, "it has ended there, too"


def test_blocks_may_end_in_any_order() -> None:
    first, second = testing.fake(everywhere=True), testing.fake(everywhere=True)
    one, two = first.__enter__(), second.__enter__()
    first.__exit__(None, None, None)
    assert testing.jobs() is two
    assert in_thread(testing.jobs) is two
    second.__exit__(None, None, None)
    assert one is not two
    assert modes.current() is None


def test_set_mode_holds_for_all_until_the_next() -> None:
    jobs = testing.set_mode("fake")
    try:
        in_thread(lambda: Mail.perform_async("there"))
        Mail.perform_async("here")
        with testing.fake(everywhere=True) as inner:
            in_thread(lambda: Mail.perform_async("inner"))
        assert [job.args for job in jobs] == [["there"], ["here"]]
        assert [job.args for job in inner] == [["inner"]]
        testing.set_mode("inline")
        in_thread(lambda: Mail.perform_async("inline"))
        assert ran == [("mail", "inline", None, 1)]
    finally:
        testing.set_mode("disabled")
    assert isinstance(in_thread(lambda: Mail.perform_async("there")), fastkiq.RedisConnectionError)
    with pytest.raises(fastkiq.FastkiqError, match="'fake', 'inline' and 'disabled'"):
        testing.set_mode("fakes")  # type: ignore[call-overload]


def test_set_mode_inside_of_a_block_does_not_end_it() -> None:
    with testing.fake(everywhere=True) as jobs:
        testing.set_mode("inline")
        in_thread(lambda: Mail.perform_async("kept"))
        testing.set_mode("disabled")
    assert [job.args for job in jobs] == [["kept"]]


def test_decorated_functions_have_a_block_at_each_call() -> None:
    seen = []

    @testing.fake()
    def test(depth: int) -> str:
        """Its text."""
        Mail.perform_async("ann")
        seen.append((depth, len(testing.jobs())))
        if depth:
            test(depth - 1)
        return "answer"

    assert test(1) == "answer"
    assert seen == [(1, 1), (0, 1)]
    assert test.__doc__ == "Its text."


def test_decorated_coroutine_functions() -> None:
    @testing.inline()
    async def test() -> str:
        await asyncio.sleep(0)
        await fetch.aperform_async("u")
        note.perform_async("n")
        return "answer"

    assert asyncio.run(test()) == "answer"
    assert ran == [("fetch", "u"), "n"]


def test_generators_are_refused() -> None:
    with pytest.raises(TypeError, match="around its yield"):

        @testing.fake()
        def rows() -> Iterator[int]:
            yield 1


def result_of(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def test_a_decorated_test_case() -> None:
    @testing.fake(everywhere=True)
    class Orders(unittest.TestCase):
        def test_one(self) -> None:
            in_thread(lambda: Mail.perform_async("ann"))
            testing.assert_enqueued(Mail, count=1)

        def helper(self) -> None:
            assert modes.current() is None

        def test_fails(self) -> None:
            testing.assert_enqueued(Mail)

    result = result_of(Orders)
    assert (result.testsRun, len(result.failures), len(result.errors)) == (2, 1, 0)


def test_the_mixin_for_unittest_also_in_asynchronous_cases() -> None:
    class Orders(FakeMixin, unittest.TestCase):
        def test_one(self) -> None:
            in_thread(lambda: Mail.perform_async("ann"))
            self.jobs.assert_enqueued(Mail, count=1)

        def test_error(self) -> None:
            raise RuntimeError

    class Later(FakeMixin, unittest.IsolatedAsyncioTestCase):
        async def test_one(self) -> None:
            await fetch.aperform_async("u")
            Mail.perform_async("ann")
            assert await self.jobs.adrain_all() == 2

    result = result_of(Orders)
    assert (result.testsRun, len(result.failures), len(result.errors)) == (2, 0, 1)
    later = result_of(Later)
    assert later.wasSuccessful(), later.errors + later.failures
    assert ran == [("fetch", "u"), ("mail", "ann", None, 1)]


def test_what_waits_for_a_commit_comes_to_fake_then(jobs: Jobs) -> None:
    """As jobs of a transaction do: the outlet that holds them stands before that of the mode."""
    held: list[Callable[[], Any]] = []

    def hold(payloads: Iterable[Payload], push: Push) -> list[str]:
        taken = list(payloads)
        held.append(lambda: push(taken))
        return [each["jid"] for each in taken]

    outlets.add(hold)
    try:
        jid = Mail.perform_async("ann")
        bulk = Mail.perform_bulk([("bob",), ("eve",)])
        assert len(jobs) == 0
        for commit in held:
            commit()
    finally:
        outlets.remove(hold)
    assert [job.jid for job in jobs] == [jid, *bulk]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 warns of forking beside threads
def test_a_forked_child_has_a_copy(jobs: Jobs) -> None:
    """Also when another thread of the parent held the locks."""
    Mail.perform_async("parent")
    held, free = Event(), Event()

    def hold() -> None:
        with jobs._shelf._guard.lock, modes._guard.lock:
            held.set()
            free.wait(10)

    thread = Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            Mail.perform_async("child")
            with testing.fake() as inner:
                Mail.perform_async("inner")
            code = 0 if len(jobs) == 2 and jobs.drain_all() == 2 and len(inner) == 1 else 2
        finally:
            os._exit(code)
    free.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [job.args for job in jobs] == [["parent"]]
