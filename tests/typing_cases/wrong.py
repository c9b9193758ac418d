"""Calls that both checkers must refuse: each line marked with `error` and no other."""

from datetime import datetime

import fastkiq


class HardWorker(fastkiq.Worker, queue="critical"):
    def perform(self, name: str, count: int = 1) -> None: ...


class Abstract(fastkiq.Worker, retry=3):
    """Has no perform."""


class Misspelt(fastkiq.Worker, qeue="critical"):  # error
    def perform(self) -> None: ...


class WrongOption(fastkiq.Worker, ack="sometimes"):  # error
    def perform(self) -> None: ...


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
    send(5)  # error
    send.perform_async(5)  # error
    send.perform_in(5, "ann", "x")  # error
    fastkiq.configure().concurrency = "5"  # error
