"""What a process knows of its claims, and the order in which it may write: the model of the Rust side."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from model.books import jid
from model.calls import Call, ack, flight


class State(Enum):
    RUNS = "runs"
    DONE = "done"  # not acked yet
    ACKING = "acking"  # an ack has been sent
    SETTLING = "settling"  # a settle or give_back has been sent
    OUT = "out"  # and answered


@dataclass(eq=False)
class Held:
    """A claimed job."""

    payload: bytes
    claim: "Claim"
    suspect: bool
    state: State = State.RUNS


@dataclass(eq=False)
class Claim:
    """One list in Redis. Number 0 is shared by all blocking moves and is never deleted whole."""

    identity: str
    queue: str
    number: int
    jobs: list[Held] = field(default_factory=list)
    sent_whole: bool = False

    @property
    def key(self) -> str:
        return flight(self.identity, self.queue, self.number)

    def is_closed(self) -> bool:
        """Its list may be deleted: what is not done has left it, and Redis has said so."""
        through = (State.DONE, State.ACKING, State.OUT)
        return self.number > 0 and not self.sent_whole and all(job.state in through for job in self.jobs)


@dataclass(eq=False)
class Sent:
    """A call without an answer yet. It may have been run, any number of times."""

    call: Call
    answered: Callable[[Any], None]
    may_remove: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False)
class Process:
    """`open`: numbers of its claims under this identity that it knows of."""

    identity: str
    numbers: Iterable[int]
    claims: list[Claim] = field(default_factory=list)
    unanswered: list[Sent] = field(default_factory=list)
    open: set[int] = field(default_factory=set)

    def held(self, *states: State) -> list[Held]:
        return [job for claim in self.claims for job in claim.jobs if job.state in states]

    def is_through(self) -> bool:
        """Whether it may leave: nothing runs, all is written and answered, as far as it knows."""
        closed = any(claim.is_closed() for claim in self.claims)
        return not (closed or self.unanswered or self.held(State.RUNS, State.DONE))

    def knows(self, payload: bytes) -> bool:
        """Whether this job in its list of blocking moves is one whose answer has arrived."""
        return any(
            job.payload == payload and job.state is not State.OUT
            for claim in self.claims
            if claim.number == 0 and claim.identity == self.identity
            for job in claim.jobs
        )

    def acks(self, all_of_them: bool) -> list[Sent]:
        """One call an identity, as the writer makes them; with `all_of_them`, done jobs of unfinished claims too."""
        calls = []
        for identity in dict.fromkeys(claim.identity for claim in self.claims):
            lists, closed, jobs = [], [], []
            for claim in [claim for claim in self.claims if claim.identity == identity]:
                done = [job for job in claim.jobs if job.state is State.DONE]
                if claim.is_closed():
                    lists.append((claim.queue, claim.number, None))
                    closed.append(claim)
                    # Jobs whose own ack has been sent may still lie in it.
                    done = [job for job in claim.jobs if job.state is not State.OUT]
                elif done and (claim.number == 0 or all_of_them):
                    lists.append((claim.queue, claim.number, [job.payload for job in done]))
                else:
                    continue
                jobs += done
            if lists:
                calls.append(self._ack(identity, lists, closed, jobs))
        return calls

    def _ack(self, identity: str, lists: list[Any], closed: list[Claim], jobs: list[Held]) -> Sent:
        suspects = [jid(job.payload) for job in jobs if job.suspect]
        for claim in closed:
            claim.sent_whole = True
        for job in jobs:
            job.state = State.ACKING

        def answered(_: Any) -> None:
            for claim in closed:
                self.open.discard(claim.number)
                self.claims.remove(claim)
            for job in jobs:
                if job.claim.number == 0:
                    job.state = State.OUT

        return Sent(ack(identity, lists, suspects), answered, Counter(jid(job.payload) for job in jobs))
