"""Processes that claim, work, fail, are taken for dead and come back too late: a state machine for Hypothesis.

The rules call the scripts in any order that the Rust side allows. Any call may get lost before or after it has run: it
is sent again, and what was lost on the way may still arrive, at any time. What the rescue and the scheduler have read
may be old when they act.
"""

from dataclasses import dataclass
from itertools import count
from typing import Any

import redis as redis_py
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from model.books import Books, jid
from model.calls import (
    Call,
    beat,
    claim,
    due,
    fence,
    flight,
    flights,
    give_back,
    join,
    leave,
    move,
    queue,
    rescue,
    settle,
)
from model.processes import Claim, Held, Process, Sent, State

QUEUES = ("high", "low")
DEATHS = 2
"""Deaths that make a poison pill here: fewer than in earnest, so that it happens."""
ENDS = (("retry", "in"), ("retry", "at"), ("schedule", "in"), ("dead", "dead"), ("dead", "drop"))
PLACES = ("queue:low", "queue:high", "queue:low", "schedule")
ACTIONS = (
    *("push", "push", "claim", "claim", "claim", "blocking_move", "blocking_move", "look_for_lost_claims"),
    *("work", "work", "work", "start", "ack", "ack", "ack", "settle", "settle", "settle", "give_back"),
    *("send_again", "send_again", "stray_arrives", "stray_arrives", "read_a_flight", "read_a_flight"),
    *("read_what_is_due", "act_on_what_was_read", "act_on_what_was_read", "act_on_what_was_read"),
    *("beat", "fence", "kill", "leave", "forget_scripts"),
)
"""As often as named: with a rule for each, little work would be done between upheavals."""


@dataclass(frozen=True)
class Turn:
    """Choices for one step: which process, which of what it has, how many, and what happens to the call on its way."""

    who: int
    which: int
    size: int
    yes: bool
    fate: str


TURNS = st.builds(
    Turn,
    who=st.integers(0, 1),
    which=st.integers(0, 7),
    size=st.integers(1, 4),
    yes=st.booleans(),
    fate=st.sampled_from(["answered", "answered", "answered", "reply lost", "call lost"]),
)


class Machine(RuleBasedStateMachine):
    """`redis` is set by the test: a server of which this has database 0 to itself."""

    redis: redis_py.Redis

    @initialize()
    def begin(self) -> None:
        self.books = Books(self.redis)
        self.serial = count(1)
        self.processes: list[Process] = []
        self.strays: list[Sent | tuple[str, str]] = []
        """On their way for longer than their sender waited: calls, and blocking moves as (queue, flight)."""
        self.looks: list[Call] = []
        """Rescues and moves made of what was read some time ago."""
        self.arrive()
        self.arrive()
        for name in QUEUES * 3:
            self.books.push(queue(name), self.books.payload(f"j{next(self.serial)}"))

    @rule(action=st.sampled_from(ACTIONS), turn=TURNS)
    def step(self, action: str, turn: Turn) -> None:
        getattr(self, action)(turn)

    # Jobs come in

    def push(self, turn: Turn) -> None:
        """Sometimes each twice, byte for byte."""
        place = PLACES[turn.which % 4]
        for _ in range(turn.size):
            payload = self.books.payload(f"j{next(self.serial)}")
            for _ in range(2 if turn.which == 0 else 1):
                self.books.push(place, payload)

    # Processes come and go

    def arrive(self) -> None:
        identity = f"p{next(self.serial)}"
        self.books.run(join(identity, QUEUES))
        self.processes.append(Process(identity, count(1)))

    def kill(self, turn: Turn) -> None:
        """Nobody fences it yet, and what it had sent may still arrive."""
        self.processes.remove(self.process(turn))
        self.arrive()

    def leave(self, turn: Turn) -> None:
        """A stop. What it does not know of may lie in its lists or come to lie there."""
        process = self.process(turn)
        if process.is_through():
            self.processes.remove(process)
            self.arrive()
            if self.books.run(leave(process.identity, QUEUES)) == 0:
                self.sweep(process.identity)

    def fence(self, turn: Turn) -> None:
        """Somebody takes it for dead, rightly or not."""
        self.books.run(fence(self.process(turn).identity))

    def beat(self, turn: Turn) -> None:
        """Who is fenced learns it here, takes a new name, and goes on with what it runs."""
        for process in self.processes:
            if self.books.run(beat(process.identity)) == b"FENCED":
                process.identity = f"p{next(self.serial)}"
                process.open.clear()
                self.books.run(join(process.identity, QUEUES))

    def forget_scripts(self, turn: Turn) -> None:
        self.redis.script_flush()

    # Jobs are fetched

    def claim(self, turn: Turn) -> None:
        process = self.process(turn)
        claims = [Claim(process.identity, name, next(process.numbers)) for name in QUEUES]
        call = claim(process.identity, [(made.queue, made.number, turn.size) for made in claims], most=5)
        before = dict(self.books.places)

        def answered(answer: Any) -> None:
            if answer == b"FENCED":
                return
            for index, *jobs in answer[1:]:
                made = claims[index]
                assert jobs == before[queue(made.queue)][: -len(jobs) - 1 : -1], "the oldest, oldest first"
                made.jobs = [Held(job, made, self.is_suspect(job)) for job in jobs]
                process.claims.append(made)
                process.open.add(made.number)

        if turn.fate == "call lost":
            self.strays.append(Sent(call, lambda _: None))
            return
        answer = self.books.run(call)
        if turn.fate == "answered":
            answered(answer)

    def blocking_move(self, turn: Turn) -> None:
        process = self.process(turn)
        made = Claim(process.identity, QUEUES[turn.yes], 0)
        if turn.fate == "call lost":
            self.strays.append((made.queue, made.key))
            return
        job = self.books.lmove(made.queue, made.key)
        if turn.fate == "answered" and job is not None:
            made.jobs = [Held(job, made, self.is_suspect(job))]
            process.claims.append(made)

    def look_for_lost_claims(self, turn: Turn) -> None:
        """A process compares its lists with what it knows: claims of which it never heard go back."""
        process = self.process(turn)
        for member in self.redis.smembers(flights(process.identity)):
            name, number = member.decode().rsplit(":", 1)
            unknown = Claim(process.identity, name, int(number))
            if unknown.number not in process.open:
                process.open.add(unknown.number)
                self.disown(process, unknown, self.books.places.get(unknown.key, []), turn.fate)
        for name in QUEUES:
            shared = Claim(process.identity, name, 0)
            for job in self.books.places.get(shared.key, []):
                if not process.knows(job):
                    self.disown(process, shared, [job], turn.fate)

    def disown(self, process: Process, unknown: Claim, jobs: list[bytes], fate: str) -> None:
        """Its list is deleted only when Redis has answered that the jobs are out of it: as any closed claim."""

        def answered(_: Any) -> None:
            if unknown.number > 0:
                process.claims.append(unknown)

        call = give_back(unknown.key, unknown.queue, [(job, "") for job in jobs])
        self.send(process, Sent(call, answered), fate)

    # Jobs end

    def work(self, turn: Turn) -> None:
        """A suspect's start is written down, then the job runs to its end; so do others after it."""
        for _ in range(turn.size):
            self.start(turn)
            if held := self.running(turn):
                held.state = State.DONE
                self.books.ended[jid(held.payload)] += 1

    def start(self, turn: Turn) -> None:
        if (held := self.running(turn)) and held.suspect and (mark := self.mark(held.payload)):
            self.redis.hset("fastkiq:suspects", jid(held.payload), f"{mark[0]}:1:7")

    def ack(self, turn: Turn) -> None:
        process = self.process(turn)
        for sent in process.acks(turn.yes):
            self.send(process, sent, turn.fate)

    def settle(self, turn: Turn) -> None:
        held = self.running(turn)
        if held is None:
            return
        (where, mode), name = ENDS[turn.size % 5], jid(held.payload)
        call = settle(
            held.claim.key,
            held.payload,
            where,
            stored=b"" if mode == "drop" else self.books.payload(name),
            mode=mode,
            when=-5.0 if mode == "in" else 5.0,
            counted=turn.size % 3 - 1,
            suspect=name if held.suspect else "",
        )
        self.books.ended[name] += mode == "drop"
        sent = Sent(call, lambda _: self.out([held]))
        if mode == "drop":
            sent.may_remove[name] = 1
        held.state = State.SETTLING
        self.send(self.process(turn), sent, turn.fate)

    def give_back(self, turn: Turn) -> None:
        """All that runs of one claim, newest first."""
        held = self.running(turn)
        if held is None:
            return
        given = [other for other in reversed(held.claim.jobs) if other.state is State.RUNS]
        rows = [(other.payload, jid(other.payload) if other.suspect else "") for other in given]
        for other in given:
            other.state = State.SETTLING
        call = give_back(held.claim.key, held.claim.queue, rows, counted=turn.yes)
        self.send(self.process(turn), Sent(call, lambda _: self.out(given)), turn.fate)

    def out(self, jobs: list[Held]) -> None:
        for job in jobs:
            job.state = State.OUT

    # What goes wrong on the way

    def send_again(self, turn: Turn) -> None:
        process = self.process(turn)
        if process.unanswered:
            self.send(process, process.unanswered.pop(turn.which % len(process.unanswered)), turn.fate)

    def stray_arrives(self, turn: Turn) -> None:
        if self.strays:
            self.deliver(self.strays.pop(turn.which % len(self.strays)))

    def deliver(self, stray: Sent | tuple[str, str]) -> None:
        if isinstance(stray, Sent):
            self.books.run(stray.call, stray.may_remove)
        else:
            self.books.lmove(*stray)

    def send(self, process: Process, sent: Sent, fate: str) -> None:
        """Runs it and hears the answer; or not, or neither: then it is to be sent again, and the lost one may come."""
        if fate == "call lost":
            self.strays.append(sent)
        else:
            answer = self.books.run(sent.call, sent.may_remove)
            if fate == "answered":
                sent.answered(answer)
                return
        process.unanswered.append(sent)

    # The dead are swept, and what is due moves

    def read_a_flight(self, turn: Turn) -> None:
        tombs = self.redis.zrange("fastkiq:tombs", 0, -1)
        if tombs:
            identity = tombs[-1 - turn.which % len(tombs)].decode()
            for member in self.members(identity):
                look = self.rescue_of(identity, member, turn.size)
                if len(look.args) > 5:
                    self.looks.append(look)

    def read_what_is_due(self, turn: Turn) -> None:
        source = ("schedule", "retry")[turn.yes]
        stored = self.books.run(due(turn.size))[2 + turn.yes]
        names = [QUEUES[len(job) % 2] for job in stored]
        rows = [(job, self.books.payload(jid(job)), name) for job, name in zip(stored, names, strict=True)]
        if rows:
            self.looks.append(move(source, rows))

    def act_on_what_was_read(self, turn: Turn) -> None:
        """Perhaps not for the last time: another process may have read the same."""
        if self.looks:
            look = self.looks[turn.which % len(self.looks)]
            if turn.yes:
                self.looks.remove(look)
            self.books.run(look)

    def members(self, identity: str) -> list[str]:
        own = sorted(member.decode() for member in self.redis.smembers(flights(identity)))
        record = self.redis.hget(f"fastkiq:process:{identity}", "queues") or b""
        return own + [f"{name}:0" for name in record.decode().split()]

    def rescue_of(self, identity: str, member: str, chunk: int) -> Call:
        name, number = member.rsplit(":", 1)
        rows = []
        for job in self.redis.lrange(flight(identity, name, int(number)), 0, chunk - 1):
            before = (self.redis.hget("fastkiq:suspects", jid(job)) or b"").decode()
            mark = self.mark(job)
            deaths = mark[0] + mark[1] if mark else 1
            corpse = self.books.payload(jid(job)) if deaths >= DEATHS else b""
            rows.append((job, jid(job), before, f"{deaths}:0:7", corpse))
        return rescue(identity, name, int(number), rows)

    def sweep(self, identity: str) -> None:
        """As the Rust side does it: until nothing more moves."""
        for member in self.members(identity):
            while True:
                look = self.rescue_of(identity, member, 2)
                moved, dead, _ = self.books.run(look)
                if len(look.args) == 5 or (moved + dead == 0):
                    break

    # Helpers

    def process(self, turn: Turn) -> Process:
        return self.processes[turn.who]

    def running(self, turn: Turn) -> Held | None:
        held = self.process(turn).held(State.RUNS)
        return held[turn.which % len(held)] if held else None

    def mark(self, job: bytes) -> tuple[int, int] | None:
        """Deaths, and whether its start was recorded since."""
        text = self.redis.hget("fastkiq:suspects", jid(job))
        return (int(text.split(b":")[0]), int(text.split(b":")[1])) if text else None

    def is_suspect(self, job: bytes) -> bool:
        return self.mark(job) is not None

    def teardown(self) -> None:
        """Everything has arrived and everybody is dead: no job is left in a flight."""
        if not hasattr(self, "books"):
            return
        for identity in self.redis.zrange("fastkiq:alive", 0, -1):
            self.books.run(fence(identity.decode()))
        for stray in self.strays:
            self.deliver(stray)
        for identity in self.redis.zrange("fastkiq:tombs", 0, -1):
            self.sweep(identity.decode())
        assert not self.books.flights()
        assert not self.redis.keys("fastkiq:flights:*")
