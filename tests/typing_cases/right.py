"""Calls that mypy --strict and pyright must accept."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, assert_type

import fastkiq
from fastkiq import testing


class HardWorker(
    fastkiq.Worker, queue="critical", retry=5, tags=["a"], ack="start", name="hard", aliases=("old.Hard",)
):
    def perform(self, name: str, count: int = 1) -> None:
        self.logger.info("%s %s %s", self.jid, self.job.attempt, self.interrupted)
        assert_type(self.perform_async("again"), str | None)

    @classmethod
    def retry_in(cls, count: int, error: BaseException, job: fastkiq.Job) -> float | fastkiq.Verdict | None:
        return fastkiq.KILL if count > 3 else 60

    @classmethod
    def retries_exhausted(cls, job: fastkiq.Job, error: BaseException) -> fastkiq.Verdict | None:
        return fastkiq.DISCARD if job.args else None


class Softer(HardWorker, retry_for=timedelta(hours=1)):
    pass


class Fetch(fastkiq.Worker, retry=False):
    async def perform(self, url: str, *headers: str) -> int:
        await asyncio.sleep(0)
        return len(url)


@fastkiq.job(queue="mail", retry=3)
def send(to: str, subject: str = "hello") -> int:
    return len(to)


@fastkiq.job
async def crawl(url: str) -> bytes:
    return url.encode()


@dataclass
class Order:
    price: Decimal
    at: datetime


class Ship(fastkiq.Worker, result_ttl=timedelta(hours=1)):
    def perform(self, order: Order, days: set[date] | None = None) -> Order:
        return order


async def main() -> None:
    now = datetime.now(UTC)
    assert_type(HardWorker.perform_async("bob"), str | None)
    assert_type(HardWorker.perform_async("bob", count=5), str | None)
    assert_type(HardWorker.perform_in(60, "bob", 2), str | None)
    assert_type(HardWorker.perform_in(timedelta(minutes=1), name="bob"), str | None)
    assert_type(HardWorker.perform_at(now, "bob"), str | None)
    assert_type(HardWorker.perform_at(1.7e9, "bob", count=1), str | None)
    HardWorker.perform_inline("bob")
    order = Order(Decimal(1), now)
    assert_type(Ship.perform_async(order, days={now.date()}), str | None)
    assert_type(Ship.set(result_ttl=60).perform_in(1, order), str | None)
    assert_type(fastkiq.result("abc").wait(1), Any)
    assert_type(await fastkiq.result("abc"), Any)
    HardWorker.perform_bulk([("bob", 1), ("ann", 2)], at=now)
    HardWorker.perform_bulk((("bob",) for _ in range(3)), at=[now, 1.0, 2])
    assert_type(await HardWorker.aperform_async("bob", 1), str | None)
    assert_type(await HardWorker.aperform_in(1, "bob", 1), str | None)
    assert_type(await HardWorker.aperform_at(now, "bob", 1), str | None)
    await HardWorker.aperform_bulk([("bob",)])
    await HardWorker.aperform_inline("bob")
    assert_type(HardWorker.set(queue="low", retry=False).perform_async("bob"), str | None)
    assert_type(HardWorker.set(queue="low").set(dead=False).perform_in(5, "bob", count=2), str | None)
    assert_type(await HardWorker.set(tags=["x"]).aperform_async("bob"), str | None)
    Softer.perform_async("bob", 1)
    Fetch.perform_async("https://example.org", "a", "b")
    assert_type(send("ann"), int)
    assert_type(send.perform_async("ann", subject="hi"), str | None)
    assert_type(send.set(queue="low").perform_in(3, "ann"), str | None)
    assert_type(await crawl("https://example.org"), bytes)
    assert_type(await crawl.aperform_async("https://example.org"), str | None)
    client = fastkiq.Client("redis://localhost")
    assert_type(client.push("ruby.Worker", 1, [2], {"a": None}, queue="ruby", in_=5), str | None)
    assert_type(client.push(HardWorker, "bob", at=now), str | None)
    client.push_bulk(HardWorker, [("bob",)], retry=1)
    config = fastkiq.configure(redis_url="redis://localhost", concurrency=5)
    assert_type(config.concurrency, int)
    assert_type(config.queues, list[tuple[str, int]])
    job = fastkiq.current_job()
    assert_type(job, fastkiq.Job | None)

    with testing.fake() as jobs:
        assert_type(jobs[0], fastkiq.Job)
        assert_type(jobs[1:], list[fastkiq.Job])
        assert_type(jobs.assert_enqueued(HardWorker, args=["bob", ...], at=None, count=1), list[fastkiq.Job])
        testing.assert_enqueued(send, kwargs={"to": str}, tags=["a"], count=2)
        testing.assert_not_enqueued("hard", queue="low", at=timedelta(hours=1))
        assert_type(jobs.select(queue="low"), list[fastkiq.Job])

    @config.on("startup")
    def started() -> None: ...

    started()
