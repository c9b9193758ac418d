"""fastkiq: threads for plain functions, one event loop for coroutines."""

import asyncio
import json
import os
import time

import command
import record
import redis

import fastkiq

fastkiq.configure(redis_url=os.environ["COMPARE_REDIS_URL"])
side = redis.Redis.from_url(os.environ["COMPARE_SIDE_URL"])


class Noop(fastkiq.Worker):
    def perform(self, text: str, number: int, options: dict[str, str]) -> None:
        record.ran(number)


class Sleep(fastkiq.Worker):
    def perform(self, number: int) -> None:
        record.began()
        time.sleep(0.01)
        record.ended(number)


class Asleep(fastkiq.Worker):
    async def perform(self, number: int) -> None:
        record.began()
        await asyncio.sleep(0.05)
        record.ended(number)


class Middle(fastkiq.Worker):
    def perform(self, number: int) -> None:
        record.began()
        json.loads(side.get("compare:doc"))
        record.ended(number)


class Wake(fastkiq.Worker):
    def perform(self, sent: int) -> None:
        record.woke(sent)


class Slow(fastkiq.Worker):
    def perform(self, number: int) -> None:
        record.started(number)
        time.sleep(0.2)
        record.finished(number)


KINDS = {"noop": Noop, "sleep": Sleep, "asleep": Asleep, "middle": Middle, "wake": Wake, "slow": Slow}

if __name__ == "__main__":
    command.main(
        lambda kind, *row: KINDS[kind].perform_async(*row),
        lambda kind, rows: KINDS[kind].perform_bulk(rows),
    )
