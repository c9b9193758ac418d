"""Workers of the tests in this folder. What a run leaves is in `ran`, which each test begins empty."""

import asyncio
from typing import Any

import fastkiq
from fastkiq import Job, Verdict

ran: list[Any] = []


class Mail(fastkiq.Worker, name="testing.Mail", queue="mail", retry=2, aliases=("Old::Mail",)):
    def perform(self, to: str, data: dict[str, Any] | None = None, count: int = 1) -> None:
        ran.append(("mail", to, data, count))


class Chain(fastkiq.Worker, name="testing.Chain"):
    """Enqueues a job for each number below its own."""

    def perform(self, depth: int) -> None:
        ran.append(("chain", depth))
        for number in range(depth):
            Chain.perform_async(number)


class Endless(fastkiq.Worker, name="testing.Endless"):
    def perform(self, delay: float = 0.0) -> None:
        Endless.perform_in(delay, delay)


class Flaky(fastkiq.Worker, name="testing.Flaky", retry=2):
    """Fails as often as it is told, with what it is told to raise."""

    def perform(self, failures: int, kind: str = "value") -> None:
        assert self.job.attempt >= 1
        ran.append(("flaky", self.job.attempt))
        if self.job.attempt > failures:
            return
        match kind:
            case "value":
                raise ValueError(f"attempt {self.job.attempt}")
            case "exit":
                raise SystemExit(3)
            case "interrupt":
                raise KeyboardInterrupt
            case "snooze":
                raise fastkiq.Snooze(in_=30)
            case "discard":
                raise fastkiq.Discard("no more")
            case "kill":
                raise fastkiq.Kill("too bad")
            case "retry":
                raise fastkiq.Retry("again", in_=5)

    @classmethod
    def retry_in(cls, count: int, error: BaseException, job: Job) -> float | Verdict | None:
        return 100.0 * (count + 1)

    @classmethod
    def retries_exhausted(cls, job: Job, error: BaseException) -> Any:
        ran.append(("exhausted", job.attempt, type(error).__name__))


@fastkiq.job(name="testing.fetch", queue="web")
async def fetch(url: str, fails: bool = False) -> None:
    await asyncio.sleep(0)
    ran.append(("fetch", url))
    if fails:
        raise OSError(url)


@fastkiq.job(name="testing.note")
def note(value: Any) -> None:
    ran.append(value)
