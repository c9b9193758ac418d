"""Calls that both checkers must refuse: each line marked with `error` and no other."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import fastkiq
from fastkiq import testing


class HardWorker(fastkiq.Worker, queue="critical"):
    def perform(self, name: str, count: int = 1) -> None: ...


class Abstract(fastkiq.Worker, retry=3):
    """Has no perform."""


class Misspelt(fastkiq.Worker, qeue="critical"):  # error
    def perform(self) -> None: ...


class WrongOption(fastkiq.Worker, ack="sometimes"):  # error
    def perform(self) -> None: ...


@dataclass
class Order:
    price: Decimal


class Ship(fastkiq.Worker, result_ttl=60):
    def perform(self, order: Order, days: set[int] | None = None) -> None: ...


@fastkiq.job(queue="mail")
def send(to: str) -> int:
    return len(to)


@fastkiq.job(queu="mail")  # error
def misspelt(to: str) -> None: ...


async def main(when: datetime) -> None:
    HardWorker.perform_async()  # error
    HardWorker.perform_async(1)  # error
    HardWorker.perform_async("bob", 1, 2)  # error
    HardWorker.perform_async("bob", number=1)  # error
    HardWorker.perform_async("bob", count="1")  # error
    HardWorker.perform_in("60", "bob")  # error
    HardWorker.perform_in(60)  # error
    HardWorker.perform_at("tomorrow", "bob")  # error
    HardWorker.perform_at(when, 5)  # error
    HardWorker.perform_inline(5)  # error
    HardWorker.set(queue=5)  # error
    HardWorker.set(qeue="low")  # error
    HardWorker.set(queue="low").perform_async(5)  # error
    await HardWorker.aperform_async(5)  # error
    await HardWorker.aperform_in(5, "bob", "x")  # error
    Abstract.perform_async()  # error
    Ship.perform_async({"price": 1})  # error
    Ship.perform_async(order=Order(Decimal(1)), days=5)  # error
    Ship.set(result_ttl="long")  # error
    send(5)  # error
    send.perform_async(5)  # error
    send.perform_in(5, "ann", "x")  # error
    fastkiq.configure().concurrency = "5"  # error
    testing.assert_enqueued(5)  # error
    testing.assert_enqueued(send, que="low")  # error
    testing.assert_not_enqueued(send, count=1)  # error
    testing.jobs().select(send, queue=5)  # error
