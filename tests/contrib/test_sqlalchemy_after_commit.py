"""What is enqueued inside a transaction is enqueued when it commits, and only then."""

import asyncio
import gc
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest
from redis import Redis
from sqlalchemy import String, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

import fastkiq
from children import clean_environment
from fastkiq import Config
from fastkiq.contrib.sqlalchemy import enqueue_after_commit
from servers import Server


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)


class Mail(fastkiq.Worker, name="sqlalchemy.Mail"):
    def perform(self, to: str) -> None: ...


Maker = sessionmaker[Session]


@pytest.fixture
def new_maker(tmp_path: Path) -> Iterator[Callable[[], Maker]]:
    engine = create_engine(f"sqlite:///{tmp_path}/orders.db")
    Base.metadata.create_all(engine)

    def new() -> Maker:
        maker = sessionmaker(engine)
        enqueue_after_commit(maker)
        return maker

    yield new
    engine.dispose()


@pytest.fixture
def maker(new_maker: Callable[[], Maker]) -> Maker:
    return new_maker()


def queued(redis: Redis) -> list[str]:
    """The arguments of what is in the queue, oldest first."""
    return [json.loads(each)["args"][0] for each in redis.lrange("queue:default", 0, -1)][::-1]


def test_held_until_the_commit_and_pushed_in_order(redis: Redis, maker: Maker) -> None:
    with maker() as session:
        session.add(Order(name="a"))
        session.flush()
        jid = Mail.perform_async("first")
        jids = Mail.perform_bulk([("second",), ("third",)])
        later = Mail.perform_in(60, "later")
        assert jid is not None
        assert len(jids) == 2
        assert redis.keys() == []
        session.commit()
        assert queued(redis) == ["first", "second", "third"]
        assert json.loads(redis.lindex("queue:default", -1))["jid"] == jid
        [(stored, score)] = redis.zrange("schedule", 0, -1, withscores=True)
        assert json.loads(stored)["jid"] == later
        assert abs(score - redis.time()[0] - 60) < 2
        Mail.perform_async("outside")
        assert queued(redis)[-1] == "outside"


def test_what_was_added_but_not_yet_flushed_holds_too(redis: Redis, maker: Maker) -> None:
    with maker.begin() as session:
        session.add(Order(name="a"))
        Mail.perform_async("x")
        assert redis.keys() == []
    assert queued(redis) == ["x"]


def test_a_rollback_drops_and_says_so(redis: Redis, maker: Maker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fastkiq.contrib.sqlalchemy"):
        with suppress(ZeroDivisionError), maker.begin() as session:
            session.add(Order(name="a"))
            jid = Mail.perform_async("x")
            _ = 1 / 0
    assert redis.keys() == []
    [record] = caplog.records
    assert record.getMessage() == f"not enqueued, since the transaction was rolled back: 1 job: sqlalchemy.Mail {jid}"


def test_a_close_without_commit_drops_what_was_to_be_committed(
    redis: Redis, maker: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    with maker() as session:
        session.execute(insert(Order).values(name="a"))
        Mail.perform_async("x")
    assert redis.keys() == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "closed without a commit" in caplog.text


def change(session: Session) -> None:
    session.scalars(select(Order)).one().name = "b"


def delete(session: Session) -> None:
    session.delete(session.scalars(select(Order)).one())


def insert_many(session: Session) -> None:
    session.bulk_insert_mappings(inspect(Order), [{"name": "b"}])


def save_many(session: Session) -> None:
    session.bulk_save_objects([Order(name="b")])


@pytest.mark.parametrize("write", [change, delete, insert_many, save_many])
def test_writing_that_no_event_tells_of(redis: Redis, maker: Maker, write: Callable[[Session], None]) -> None:
    with maker.begin() as session:
        session.add(Order(name="a"))
    with maker() as session:
        write(session)
        Mail.perform_async("x")
    assert redis.keys() == []


def test_who_only_reads_need_not_commit(redis: Redis, maker: Maker) -> None:
    with maker() as session:
        assert session.scalars(select(Order)).all() == []
        Mail.perform_async("x")
        assert redis.keys() == []
    assert queued(redis) == ["x"]


def test_an_abandoned_session_leaves_a_line(redis: Redis, maker: Maker, caplog: pytest.LogCaptureFixture) -> None:
    session = maker()
    session.add(Order(name="a"))
    Mail.perform_async("x")
    del session
    gc.collect()
    assert redis.keys() == []
    assert "never committed nor closed" in caplog.text


def test_savepoints(redis: Redis, maker: Maker) -> None:
    with maker.begin() as session:
        session.add(Order(name="outer"))
        Mail.perform_async("before")
        with session.begin_nested():
            session.add(Order(name="kept"))
            Mail.perform_async("kept")
            with suppress(ZeroDivisionError), session.begin_nested():
                session.add(Order(name="innermost"))
                Mail.perform_async("dropped within")
                _ = 1 / 0
        undone = session.begin_nested()
        session.add(Order(name="undone"))
        session.flush()
        Mail.perform_async("dropped")
        undone.rollback()
        Mail.perform_async("after")
        assert redis.keys() == []
    assert queued(redis) == ["before", "kept", "after"]


def test_a_rollback_drops_what_a_released_savepoint_had(redis: Redis, maker: Maker) -> None:
    with maker() as session:
        session.add(Order(name="outer"))
        with session.begin_nested():
            session.add(Order(name="inner"))
            Mail.perform_async("x")
        session.rollback()
        session.add(Order(name="again"))
        Mail.perform_async("y")
        session.commit()
    assert queued(redis) == ["y"]


def test_a_failed_flush_drops_but_only_back_to_its_savepoint(redis: Redis, maker: Maker) -> None:
    with maker.begin() as session:
        session.add(Order(name="a"))
        session.flush()
        Mail.perform_async("kept")
        with suppress(IntegrityError), session.begin_nested():
            session.add(Order(name="a"))
            Mail.perform_async("dropped")
            session.flush()
    assert queued(redis) == ["kept"]
    with maker() as session:
        session.add(Order(name="a"))
        Mail.perform_async("dropped")
        with pytest.raises(Exception, match="UNIQUE"):
            session.commit()
    assert queued(redis) == ["kept"]


def test_of_two_sessions_both_must_commit(redis: Redis, tmp_path: Path) -> None:
    engines = [create_engine(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two")]
    makers = [sessionmaker(engine) for engine in engines]
    for engine in engines:
        Base.metadata.create_all(engine)
    enqueue_after_commit(*makers)
    with makers[0]() as one, makers[1]() as two:
        for first, second in ((one, two), (two, one)):
            name = "ab" if first is one else "ba"
            one.add(Order(name=name))
            two.add(Order(name=name))
            Mail.perform_async(name)
            first.commit()
            assert name not in queued(redis)
            second.commit()
        assert queued(redis) == ["ab", "ba"]
        one.add(Order(name="c"))
        two.add(Order(name="c"))
        Mail.perform_async("dropped")
        one.rollback()
        two.commit()
        two.add(Order(name="only"))
        Mail.perform_async("only two")
        two.commit()
    assert queued(redis) == ["ab", "ba", "only two"]
    for engine in engines:
        engine.dispose()


def test_makers_that_have_not_asked_are_left_alone(redis: Redis, maker: Maker) -> None:
    with sessionmaker(maker.kw["bind"]).begin() as session:
        session.add(Order(name="a"))
        Mail.perform_async("x")
        assert queued(redis) == ["x"]


def test_scoped_sessions_classes_and_twice_asked(redis: Redis, maker: Maker) -> None:
    class Own(Session):
        pass

    scoped = scoped_session(sessionmaker(maker.kw["bind"]))
    enqueue_after_commit(scoped, Own, maker)
    enqueue_after_commit(scoped, Own, maker)
    for session in (scoped(), Own(maker.kw["bind"]), maker()):
        session.execute(text("SELECT 1"))
        Mail.perform_async("x")
        assert redis.llen("queue:default") == 0
        session.commit()
        assert redis.lpop("queue:default") is not None
        assert redis.lpop("queue:default") is None
        session.close()
    with pytest.raises(fastkiq.ConfigError, match="enqueue_after_commit wants a sessionmaker"):
        enqueue_after_commit("engine")


def test_every_maker_is_heard_where_others_have_come_and_gone(redis: Redis, new_maker: Callable[[], Maker]) -> None:
    """An application factory makes one each time, and a new one may lie where an old one has been."""
    for number in range(100):
        with new_maker()() as session:
            session.add(Order(name=f"order {number}"))
            Mail.perform_async(str(number))
            session.rollback()
    assert queued(redis) == []


def test_a_session_opened_elsewhere_counts_once_it_is_used_here(redis: Redis, maker: Maker) -> None:
    """As when a web framework runs a dependency in another context than the view."""
    import contextvars

    with maker() as session:
        contextvars.copy_context().run(session.begin)
        session.add(Order(name="a"))
        Mail.perform_async("x")
        assert redis.keys() == []
        session.commit()
    assert queued(redis) == ["x"]


def test_another_thread_is_not_concerned(redis: Redis, maker: Maker) -> None:
    from threading import Thread

    with maker() as session:
        session.add(Order(name="a"))
        thread = Thread(target=Mail.perform_async, args=("x",))
        thread.start()
        thread.join()
        assert queued(redis) == ["x"]
        session.rollback()


def test_pushes_from_mapper_events_are_held(redis: Redis, maker: Maker) -> None:
    def inserted(_mapper: object, _connection: object, target: Order) -> None:
        Mail.perform_async(target.name)

    event.listen(Order, "after_insert", inserted)
    try:
        with maker() as session:
            session.add(Order(name="a"))
            session.flush()
            assert redis.keys() == []
            session.commit()
        assert queued(redis) == ["a"]
    finally:
        event.remove(Order, "after_insert", inserted)


def test_what_cannot_be_pushed_after_the_commit_is_raised_and_named(
    start_server: Callable[..., Server],
    new_maker: Callable[[], Maker],
    config: Config,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start_server()
    config.redis_url = server.url
    maker = new_maker()
    Mail.perform_async("connected")
    with maker() as session:
        session.add(Order(name="a"))
        jids = [Mail.perform_async(to) for to in ("x", "y")]
        server.stop()
        with pytest.raises(fastkiq.RedisConnectionError) as caught:
            session.commit()
        assert [payload["jid"] for payload in caught.value.rest] == jids
        assert all(str(jid) in caught.value.__notes__[0] for jid in jids)
        assert "has committed" in caplog.text
        assert str(jids[1]) in caplog.text
        assert session.scalars(select(Order.name)).all() == ["a"], "the session goes on, and the row is there"
        session.commit()
    with maker.begin() as session:
        assert session.scalars(select(Order.name)).all() == ["a"]


def test_asynchronous_sessions(redis: Redis, postgres: str) -> None:
    async def run() -> None:
        engine = create_async_engine(f"postgresql+psycopg://postgres@{postgres}")
        maker = async_sessionmaker(engine)
        other = async_sessionmaker(engine)
        enqueue_after_commit(maker)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        async with maker.begin() as session:
            session.add(Order(name="a"))
            await Mail.aperform_async("x")
            Mail.perform_async("y")
            async with session.begin_nested() as savepoint:
                session.add(Order(name="b"))
                await Mail.aperform_async("dropped")
                await savepoint.rollback()
            await asyncio.gather(_task(maker, "task"), _failing_task(maker))
            assert queued(redis) == ["task"]
        assert queued(redis) == ["task", "x", "y"]
        async with other.begin() as session:
            session.add(Order(name="c"))
            await Mail.aperform_async("z")
            assert queued(redis)[-1] == "z"
        await engine.dispose()

    async def _task(maker: async_sessionmaker[AsyncSession], name: str) -> None:
        import contextvars

        async def own() -> None:
            async with maker.begin() as session:
                session.add(Order(name=name))
                await Mail.aperform_async(name)

        await asyncio.get_running_loop().create_task(own(), context=contextvars.Context())

    async def _failing_task(maker: async_sessionmaker[AsyncSession]) -> None:
        with suppress(ZeroDivisionError):
            async with maker.begin() as session:
                session.add(Order(name="failing"))
                await Mail.aperform_async("failing")
                _ = 1 / 0

    asyncio.run(run())


def test_the_event_loop_goes_on_while_redis_is_slow(
    start_server: Callable[..., Server], postgres: str, config: Config
) -> None:
    server = start_server()
    config.update({"redis_url": server.url, "redis_timeout": 1.0}, source="test")

    async def run() -> float:
        engine = create_async_engine(f"postgresql+psycopg://postgres@{postgres}")
        maker = async_sessionmaker(engine)
        enqueue_after_commit(maker)
        await Mail.aperform_async("connected")
        loop = asyncio.get_running_loop()
        longest = 0.0

        async def watch() -> None:
            nonlocal longest
            before = loop.time()
            while True:
                await asyncio.sleep(0.01)
                longest = max(longest, loop.time() - before)
                before = loop.time()

        async with maker() as session:
            await session.execute(text("SELECT 1"))
            await Mail.aperform_async("x")
            server.freeze()
            watching = asyncio.create_task(watch())
            with pytest.raises(fastkiq.PushUncertain):
                await session.commit()
            watching.cancel()
            server.thaw()
        await engine.dispose()
        return longest

    assert asyncio.run(run()) < 0.7


def test_a_program_that_ends_inside_a_transaction_says_what_it_loses(tmp_path: Path, redis_url: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        dedent(
            """
            import fastkiq
            from fastkiq.contrib.sqlalchemy import enqueue_after_commit
            from sqlalchemy import create_engine, text
            from sqlalchemy.orm import sessionmaker

            Maker = sessionmaker(create_engine("sqlite://"))
            enqueue_after_commit(Maker)
            session = Maker()
            session.execute(text("CREATE TABLE rows (name TEXT)"))
            print(fastkiq.Client().push("Mail", "ann"))
            """
        )
    )
    answer = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=clean_environment({"FASTKIQ_REDIS_URL": redis_url}),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert f"never committed nor closed: 1 job: Mail {answer.stdout.strip()}" in answer.stderr


def test_a_transaction_begun_before_it_was_asked_for(redis: Redis, maker: Maker) -> None:
    late = sessionmaker(maker.kw["bind"])
    with late() as session:
        session.add(Order(name="a"))
        enqueue_after_commit(late)
        session.flush()
        Mail.perform_async("x")
        assert redis.keys() == []
        session.commit()
    assert queued(redis) == ["x"]


def test_names_in_the_log_are_harmless(redis: Redis, maker: Maker, caplog: pytest.LogCaptureFixture) -> None:
    def named(_worker: object, payload: dict[str, object]) -> Iterator[None]:
        payload["jid"] = "\x1b[31m\nforged line"
        yield

    fastkiq.Client().config.client_middleware.add(named)
    with caplog.at_level(logging.INFO, "fastkiq.contrib.sqlalchemy"), maker() as session:
        session.add(Order(name="a"))
        Mail.perform_async("x")
        session.rollback()
    assert "\x1b" not in caplog.text
    assert "\nforged" not in caplog.text
