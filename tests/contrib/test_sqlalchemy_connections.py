"""What is executed on a session's connection, past the session itself, is written in its transaction all the same."""

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, text
from sqlalchemy.event import registry
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

import fastkiq
from fastkiq.contrib.sqlalchemy import enqueue_after_commit
from fastkiq.contrib.sqlalchemy.after_commit import _sent, _users
from fastkiq.contrib.sqlalchemy.statements import reads


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "core_rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Mail(fastkiq.Worker, name="sqlalchemy.connections.Mail"):
    def perform(self, to: str) -> None: ...


ROW = insert(Row).values(name="a")
TEXT = "INSERT INTO core_rows (name) VALUES ('a')"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path}/rows.db")
    else:
        engine = create_engine(f"postgresql+psycopg://postgres@{request.getfixturevalue('postgres')}")
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def maker(engine: Engine) -> sessionmaker[Session]:
    maker = sessionmaker(engine)
    enqueue_after_commit(maker)
    return maker


@pytest.fixture
def queued(redis: Redis) -> Callable[[], list[str]]:
    return lambda: [json.loads(each)["args"][0] for each in redis.lrange("queue:default", 0, -1)][::-1]


Queued = Callable[[], list[str]]
Execute = Callable[[Connection], object]
WRITES: dict[str, Execute] = {
    "core": lambda connection: connection.execute(ROW),
    "returning": lambda connection: connection.execute(ROW.returning(Row.id)).all(),
    "text": lambda connection: connection.execute(text(TEXT)),
    "driver": lambda connection: connection.exec_driver_sql(TEXT),
    "two": lambda connection: [connection.execute(text("SELECT 1")).all(), connection.execute(ROW)],
}
READS: dict[str, Execute] = {
    "core": lambda connection: connection.execute(select(Row)).all(),
    "function": lambda connection: connection.scalar(func.count()),
    "text": lambda connection: connection.execute(text("\n select name FROM core_rows;")).all(),
    "driver": lambda connection: connection.exec_driver_sql("SELECT 1").all(),
    "nothing": lambda connection: connection,
}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("way", ["from", "beside"])
def test_a_select_that_has_an_insert_in_its_with_writes(maker: sessionmaker[Session], queued: Queued, way: str) -> None:
    new = ROW.returning(Row.id).cte("new")
    statement = select(new.c.id) if way == "from" else select(Row.id).add_cte(new)
    for end in ("close", "commit"):
        with maker() as session:
            session.execute(statement).all()
            Mail.perform_async(end)
            getattr(session, end)()
    assert queued() == ["commit"]
    names = select(Row.name).cte("names")
    with maker() as session:
        session.execute(select(names.c.name)).all()
        Mail.perform_async("read")
    assert queued() == ["commit", "read"]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_what_is_written_has_to_be_committed(
    maker: sessionmaker[Session], queued: Queued, caplog: pytest.LogCaptureFixture, write: Execute
) -> None:
    with maker() as session:
        write(session.connection())
        Mail.perform_async("closed")
    assert queued() == []
    assert "closed without a commit" in caplog.text
    with maker() as session:
        Mail.perform_async("at once")
        connection = session.connection()
        Mail.perform_async("before")
        write(connection)
        Mail.perform_async("after")
        assert queued() == ["at once"]
        session.commit()
        assert queued() == ["at once", "before", "after"]
        write(session.connection())
        Mail.perform_async("rolled back")
        session.rollback()
    assert queued() == ["at once", "before", "after"]


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_who_only_reads_need_not_commit(maker: sessionmaker[Session], queued: Queued, read: Execute) -> None:
    with maker() as session:
        read(session.connection())
        Mail.perform_async("x")
        assert queued() == []
    assert queued() == ["x"]


def test_a_select_that_changes_something_on_its_way_has_to_be_committed(postgres: str, queued: Queued) -> None:
    engine = create_engine(f"postgresql+psycopg://postgres@{postgres}")
    Base.metadata.create_all(engine)
    maker = sessionmaker(engine)
    enqueue_after_commit(maker)
    added = ROW.returning(Row.id).cte("added")
    with maker() as session:
        session.execute(select(added)).all()
        Mail.perform_async("closed")
    with maker() as session:
        session.execute(select(select(Row.id).cte("known"))).all()
        Mail.perform_async("only read")
    engine.dispose()
    assert queued() == ["only read"]


def test_which_texts_only_read() -> None:
    for one in (
        "SELECT 1",
        " \n select 1 ; ",
        "select\n1",
        text("Select 1"),
        "SELECT a FROM b FOR UPDATE SKIP LOCKED",
        "SET LOCAL app.tenant = '7'",
        "set search_path to acme;",
        "SHOW TIME ZONE",
    ):
        assert reads(one), one
    for one in (
        "SELECT 1; DELETE FROM x",
        "selection",
        "WITH x AS (DELETE FROM y RETURNING *) SELECT 1",
        "",
        "-- select",
        "SELECT *\nINTO new FROM old",
        "SET NOCOUNT ON INSERT INTO x VALUES (1)",
        "SET LOCAL a = 1; UPDATE x SET y = 1",
        "settle",
    ):
        assert not reads(one), one


def test_what_begins_each_transaction_writes_nothing(maker: sessionmaker[Session], queued: Queued) -> None:
    """Who only reads need not commit in a program whose rows are guarded by a setting either."""

    def begin(session: Session, _: object, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL app.tenant = '7'"))

    event.listen(maker, "after_begin", begin)
    with maker() as session:
        session.execute(select(Row)).all()
        Mail.perform_async("x")
        assert queued() == []
    assert queued() == ["x"]


def test_savepoints(maker: sessionmaker[Session], queued: Queued) -> None:
    with maker() as session:
        session.connection().execute(select(Row))
        inner = session.begin_nested()
        session.connection().execute(ROW)
        Mail.perform_async("undone")
        inner.rollback()
        Mail.perform_async("kept")
    assert queued() == ["kept"], "what was written has been undone, and the rest only read"
    with maker() as session:
        with session.begin_nested():
            session.connection().execute(ROW)
            Mail.perform_async("released")
        Mail.perform_async("outer")
    assert queued() == ["kept"], "a savepoint that is released is not committed yet"
    with maker() as session:
        with session.begin_nested():
            session.connection().execute(select(Row))
            Mail.perform_async("read")
    assert queued() == ["kept", "read"], "a savepoint by itself writes nothing"


def test_a_transaction_begun_elsewhere_counts_once_its_connection_is_used_here(
    maker: sessionmaker[Session], queued: Queued
) -> None:
    import contextvars

    with maker() as session:
        connection = contextvars.copy_context().run(session.connection)
        Mail.perform_async("at once")
        connection.execute(ROW)
        Mail.perform_async("x")
        assert queued() == ["at once"]
        session.commit()
    assert queued() == ["at once", "x"]


MODES = ("conditional_savepoint", "rollback_only", "control_fully", "create_savepoint")


@pytest.mark.parametrize("mode", MODES)
def test_sessions_that_are_bound_to_the_connection_of_a_test(
    engine: Engine, maker: sessionmaker[Session], queued: Queued, mode: Any
) -> None:
    """The recipe for test suites: an outer transaction, rolled back at the end."""
    connection = engine.connect()
    of_others = len(connection.dispatch.before_cursor_execute)  # Sentry, say, listens to all engines
    outer = connection.begin()
    connection.execute(ROW)
    maker.configure(bind=connection, join_transaction_mode=mode)
    with maker() as session:
        session.connection().execute(ROW)
        Mail.perform_async("committed")
        assert queued() == []
        session.commit()
        assert queued() == ["committed"]
    if not outer.is_active or not connection.in_transaction():  # control_fully has committed it
        outer = connection.begin()
    with maker() as session:
        session.connection().execute(select(Row))
        Mail.perform_async("read")
    assert queued() == ["committed", "read"]
    if not connection.in_transaction():  # its close was a rollback of all
        outer = connection.begin()
    with maker() as session:
        session.connection().execute(ROW)
        Mail.perform_async("closed")
    assert queued() == ["committed", "read"]
    assert event.contains(connection, "before_cursor_execute", _sent)
    assert len(connection.dispatch.before_cursor_execute) == of_others + 1, "one, however many sessions there were"
    if connection.in_transaction():
        connection.rollback()
    del outer
    connection.execute(ROW)
    Mail.perform_async("outside")
    assert queued()[-1] == "outside"
    connection.close()


def test_two_sessions_on_one_connection(engine: Engine, maker: sessionmaker[Session], queued: Queued) -> None:
    connection = engine.connect()
    connection.begin()
    maker.configure(bind=connection, join_transaction_mode="create_savepoint")
    with maker() as outer:
        outer.execute(select(Row))
        with maker() as inner:
            inner.connection().execute(ROW)
            Mail.perform_async("undone by the close of the outer one")
            inner.commit()
    assert queued() == []
    assert connection.scalar(select(func.count()).select_from(Row)) == 0
    connection.close()


def test_two_phases(postgres: str, queued: Queued) -> None:
    engine = create_engine(f"postgresql+psycopg://postgres@{postgres}")
    Base.metadata.create_all(engine)
    maker = sessionmaker(engine, twophase=True)
    enqueue_after_commit(maker)
    with maker() as session:
        session.connection().execute(ROW)
        Mail.perform_async("committed")
        session.prepare()
        assert queued() == []
        session.commit()
        assert queued() == ["committed"]
        session.connection().execute(ROW)
        Mail.perform_async("prepared and rolled back")
        session.prepare()
        session.rollback()
        session.connection().execute(ROW)
        Mail.perform_async("closed")
    with maker() as session:
        session.connection().execute(select(Row))
        Mail.perform_async("read")
    assert queued() == ["committed", "read"]
    engine.dispose()


def test_asynchronous_sessions(postgres: str, queued: Queued, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        engine = create_async_engine(f"postgresql+psycopg://postgres@{postgres}")
        maker = async_sessionmaker(engine)
        enqueue_after_commit(maker)
        async with engine.begin() as setting_up:
            await setting_up.run_sync(Base.metadata.create_all)
        async with maker() as session:
            await (await session.connection()).execute(ROW)
            await Mail.aperform_async("closed")
            await session.run_sync(lambda inner: inner.connection().exec_driver_sql(TEXT))
        assert queued() == []
        async with maker() as session:
            await (await session.connection()).execute(ROW)
            await Mail.aperform_async("committed")
            assert queued() == []
            await session.commit()
        async with maker() as session:
            await (await session.connection()).execute(select(Row))
            await Mail.aperform_async("read")
        assert queued() == ["committed", "read"]
        await engine.dispose()

    asyncio.run(run())
    assert [record.levelno for record in caplog.records if record.name.startswith("fastkiq")] == [logging.WARNING]


def test_nothing_is_left_of_connections_that_are_closed(maker: sessionmaker[Session], redis: Redis) -> None:
    def used(times: int) -> int:
        for _ in range(times):
            with maker() as session:
                session.connection().execute(ROW)
                session.commit()
                session.execute(select(Row)).all()
        gc.collect()
        return len(registry._key_to_collection)

    known = len(_users)
    assert used(50) == used(1)
    assert len(_users) == known


def test_connections_of_nobodys_session_are_left_alone(
    engine: Engine, maker: sessionmaker[Session], queued: Queued
) -> None:
    with sessionmaker(engine)() as other, maker() as session, engine.connect() as connection:
        session.execute(select(Row))
        other.execute(select(Row)).all()
        connection.execute(select(Row)).all()
        assert not event.contains(connection, "before_cursor_execute", _sent)
        assert not event.contains(other.connection(), "before_cursor_execute", _sent)
        Mail.perform_async("x")
    assert queued() == ["x"]
