"""Whether a transaction that was closed had anything to commit, and one that has committed while others disturb it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

import fastkiq
from fastkiq import Config
from fastkiq import config as configuration
from fastkiq.contrib.sqlalchemy import enqueue_after_commit


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Mail(fastkiq.Worker, name="sqlalchemy.closed.Mail"):
    def perform(self, to: str) -> None: ...


@pytest.fixture
def maker(tmp_path: Path, redis_url: str) -> Iterator[sessionmaker[Session]]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    engine = create_engine(f"sqlite:///{tmp_path}/rows.db")
    Base.metadata.create_all(engine)
    made = sessionmaker(engine)
    with made.begin() as session:
        session.add(Row(name="there"))
    yield made
    engine.dispose()
    configuration.replace_default(before)


def queued(redis: Redis) -> list[str]:
    return [json.loads(each)["args"][0] for each in redis.lrange("queue:default", 0, -1)][::-1]


def change(session: Session) -> None:
    session.scalars(select(Row)).one().name = "another"


def delete(session: Session) -> None:
    session.delete(session.scalars(select(Row)).one())


WAYS = {
    "insert_mappings": lambda session: session.bulk_insert_mappings(Row, [{"name": "a"}]),
    "save_objects": lambda session: session.bulk_save_objects([Row(name="a")]),
    "changed": change,
    "deleted": delete,
}


@pytest.mark.parametrize("write", WAYS.values(), ids=WAYS)
def test_what_was_never_committed_enqueues_nothing(
    redis: Redis, maker: sessionmaker[Session], write: Callable[[Session], None], caplog: pytest.LogCaptureFixture
) -> None:
    enqueue_after_commit(maker)
    with maker() as session:
        write(session)
        Mail.perform_async("nobody")
    assert queued(redis) == []
    assert "the session was closed without a commit: 1 job: sqlalchemy.closed.Mail" in caplog.text
    with maker() as session:
        write(session)
        Mail.perform_async("ann")
        session.commit()
    assert queued(redis) == ["ann"]


@pytest.mark.parametrize("first", [True, False])
def test_another_listener_that_fails_after_the_commit(redis: Redis, maker: sessionmaker[Session], first: bool) -> None:
    def fails(_session: Session) -> None:
        raise ZeroDivisionError

    def request() -> None:
        with maker() as session:
            session.add(Row(name="a"))
            Mail.perform_async("ann")
            session.commit()

    if first:
        event.listen(maker, "after_commit", fails)
    enqueue_after_commit(maker)
    if not first:
        event.listen(maker, "after_commit", fails)
    with pytest.raises(ZeroDivisionError):
        request()
    with maker() as session:
        assert len(session.scalars(select(Row)).all()) == 2, "it is committed"
    assert queued(redis) == ["ann"]
