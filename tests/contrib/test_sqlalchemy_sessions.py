"""Each job has sessions of its own, committed when it succeeds, rolled back when it does not, closed in any case."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import fastkiq
from children import Child
from fastkiq import Config
from fastkiq.contrib.sqlalchemy import current_async_session, current_session, session_per_job
from servers import wait_until

APP = """
import os, threading
import fastkiq
from fastkiq.contrib.sqlalchemy import current_session, enqueue_after_commit, session_per_job
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

engine = create_engine("sqlite:///rows.db")
Maker = sessionmaker(engine)
with Maker.begin() as session:
    session.execute(text("CREATE TABLE IF NOT EXISTS rows (name TEXT)"))
session_per_job(Maker)
enqueue_after_commit(Maker)

class Insert(fastkiq.Worker, retry=1):
    def perform(self, name, fails=None):
        session = current_session()
        assert session is current_session()
        session.execute(text("INSERT INTO rows VALUES (:name)"), {"name": name})
        Follow.perform_async(name)
        if fails == "error":
            raise ValueError(name)
        if fails == "kill":
            raise fastkiq.Kill()

class Follow(fastkiq.Worker):
    def perform(self, name):
        found = current_session().scalar(text("SELECT count(*) FROM rows WHERE name = :name"), {"name": name})
        print(f"FOLLOW {name} sees {found}, {engine.pool.checkedout()} out", flush=True)
"""

ASYNC_APP = """
import os
import fastkiq
from fastkiq.contrib.sqlalchemy import current_async_session, enqueue_after_commit, session_per_job
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

Maker = async_sessionmaker(create_async_engine(os.environ["DATABASE"]))
session_per_job(Maker)
enqueue_after_commit(Maker)

class Insert(fastkiq.Worker, retry=0):
    async def perform(self, name, fails=False):
        await current_async_session().execute(text("INSERT INTO worked VALUES (:name)"), {"name": name})
        await Follow.aperform_async(name)
        if fails:
            raise ValueError(name)

class Follow(fastkiq.Worker):
    async def perform(self, name):
        query = text("SELECT count(*) FROM worked WHERE name = :name")
        print(f"FOLLOW {name} sees {await current_async_session().scalar(query, {'name': name})}", flush=True)
"""


def test_in_a_worker_process(worker_process: Callable[..., Child], redis: Redis, tmp_path: Path) -> None:
    child = worker_process(APP, "-c", "4")
    client = fastkiq.Client()
    for name in ("a", "b", "c"):
        client.push("app.Insert", name)
    client.push("app.Insert", "wrong", "error")
    client.push("app.Insert", "killed", "kill")
    for name in ("a", "b", "c"):
        child.wait_for(f"FOLLOW {name} sees 1")
    wait_until(lambda: redis.zcard("retry") == 1 and redis.zcard("dead") == 1, 10, "the failures")
    assert child.stop() == 0
    assert "FOLLOW wrong" not in child.output()
    assert "FOLLOW killed" not in child.output()
    with sqlite3.connect(tmp_path / "rows.db") as rows:
        assert sorted(name for (name,) in rows.execute("SELECT name FROM rows")) == ["a", "b", "c"]
    rows.close()


def test_coroutines_in_a_worker_process(worker_process: Callable[..., Child], redis: Redis, postgres: str) -> None:
    url = f"postgresql+psycopg://postgres@{postgres}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS worked"))
        connection.execute(text("CREATE TABLE worked (name TEXT)"))
    child = worker_process(ASYNC_APP, env={"DATABASE": url})
    client = fastkiq.Client()
    for number in range(20):
        client.push("app.Insert", f"n{number}")
    client.push("app.Insert", "wrong", True)
    for number in range(20):
        child.wait_for(f"FOLLOW n{number} sees 1")
    wait_until(lambda: redis.zcard("retry") == 1, 10, "the failure")
    assert child.stop() == 0
    assert "FOLLOW wrong" not in child.output()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM worked")) == 20
        left = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert connection.scalar(text(left)) == 0
    engine.dispose()


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    engine = create_engine(f"sqlite:///{tmp_path}/rows.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE rows (name TEXT UNIQUE)"))
    yield sessionmaker(engine)
    engine.dispose()


def count(maker: sessionmaker[Session]) -> int:
    with maker() as session:
        return int(session.scalar(text("SELECT count(*) FROM rows")) or 0)


def test_a_scoped_session_is_committed_and_removed(config: Config, maker: sessionmaker[Session]) -> None:
    scoped = scoped_session(maker)
    session_per_job(scoped)

    class Insert(fastkiq.Worker):
        def perform(self, name: str) -> None:
            scoped.execute(text("INSERT INTO rows VALUES (:name)"), {"name": name})
            if name == "wrong":
                raise ValueError(name)

    Insert.perform_inline("a")
    assert not scoped.registry.has()
    with pytest.raises(ValueError, match="wrong"):
        Insert.perform_inline("wrong")
    assert not scoped.registry.has()
    assert count(maker) == 1


def test_a_commit_that_fails_fails_the_job(config: Config, maker: sessionmaker[Session]) -> None:
    session_per_job(maker)

    class Insert(fastkiq.Worker):
        def perform(self) -> None:
            current_session().connection().exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            current_session().connection().exec_driver_sql("CREATE TABLE p (id INTEGER PRIMARY KEY)")
            current_session().connection().exec_driver_sql(
                "CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)"
            )
            current_session().connection().exec_driver_sql("INSERT INTO c VALUES (1)")

    from sqlalchemy import event

    event.listen(maker.kw["bind"], "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
    maker.kw["bind"].dispose()
    with pytest.raises(Exception, match="FOREIGN KEY"):
        Insert.perform_inline()
    assert maker.kw["bind"].pool.checkedout() == 0


def test_jobs_inside_of_jobs_and_several_makers(config: Config, maker: sessionmaker[Session]) -> None:
    other = sessionmaker(maker.kw["bind"])
    session_per_job(maker)
    session_per_job(maker, other)  # again: in place of the first
    assert len(config.server_middleware) == 1
    seen: list[Session] = []

    class Inner(fastkiq.Worker):
        def perform(self) -> None:
            seen.append(current_session())

    class Outer(fastkiq.Worker):
        def perform(self) -> None:
            seen.append(current_session())
            seen.append(current_session(other))
            Inner.perform_inline()
            seen.append(current_session())

    Outer.perform_inline()
    assert len(set(map(id, seen))) == 3
    assert seen[0] is seen[3]


def test_where_there_is_no_session_it_says_why(config: Config, maker: sessionmaker[Session]) -> None:
    with pytest.raises(fastkiq.FastkiqError, match="session_per_job"):
        current_session()
    with pytest.raises(fastkiq.FastkiqError, match="session_per_job"):
        current_async_session()
    with pytest.raises(fastkiq.ConfigError, match="wants a sessionmaker"):
        session_per_job(maker.kw["bind"])
    session_per_job(maker)

    class Asynchronous(fastkiq.Worker):
        async def perform(self) -> None:
            current_session()

    with pytest.raises(fastkiq.FastkiqError, match="current_async_session"):
        Asynchronous.perform_inline()

    class Other(fastkiq.Worker):
        def perform(self) -> None:
            current_session(sessionmaker())

    with pytest.raises(fastkiq.FastkiqError, match="no such sessionmaker"):
        Other.perform_inline()


def test_a_forked_child_has_a_pool_of_its_own(config: Config, postgres: str) -> None:
    engine = create_engine(f"postgresql+psycopg://postgres@{postgres}")
    session_per_job(sessionmaker(engine), async_sessionmaker(create_async_engine(engine.url)))

    def backend() -> int:
        with engine.connect() as connection:
            return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)

    before = backend()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(backend()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert int(told.read()) != before
    os.waitpid(child, 0)
    assert backend() == before
    engine.dispose()
