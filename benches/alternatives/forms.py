"""The forms a flight could have: how a batch of jobs is claimed, where it lies, and how it is acked."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import scripts

LUA = Path(__file__).parents[2] / "rust" / "lua"
ID = b"bench:1:abcdef"
QUEUE = b"queue:default"
ALIVE, PAUSED, SUSPECTS, FLIGHTS = b"fastkiq:alive", b"paused", b"fastkiq:suspects", b"fastkiq:flights:" + ID
FLIGHT = b"fastkiq:flight:" + ID + b":default"
PROCESSED, TODAY, DAY = b"stat:processed", b"stat:processed:2026-01-01", b"157680000"
MOST_BYTES = b"4194304"  # as rust/keys.rs has it

Command = tuple[bytes, ...]
Load = Callable[[str], bytes]
"""Makes a script known to Redis and answers its digest."""


def number(value: int) -> bytes:
    return b"%d" % value


def counted(jobs: int, *removals: Command) -> list[Command]:
    """What an ack is without a script: removals and counters in one transaction."""
    counters = [(b"INCRBY", PROCESSED, number(jobs)), (b"INCRBY", TODAY, number(jobs)), (b"EXPIRE", TODAY, DAY)]
    return [(b"MULTI",), *removals, *counters, (b"EXEC",)]


class Form(ABC):
    """One claim after the other; the commands of an ack leave in the trip of the next claim."""

    title = ""
    remark = ""
    outer: tuple[str, ...] = ("evalsha",)
    """The commands whose time in INFO commandstats holds all others' time."""
    share = 1.0
    """Part of the jobs that is enough for a steady figure."""

    def __init__(self, load: Load) -> None:
        self.number = 0

    @abstractmethod
    def claim(self, most: int) -> list[Command]:
        """The commands that claim so many jobs."""

    @abstractmethod
    def taken(self, replies: list[Any]) -> Any:
        """What the ack needs to know of the answers to `claim`; its length is the number of jobs."""

    @abstractmethod
    def ack(self, taken: Any) -> list[Command]:
        """The commands that ack what was taken, and count it."""


class Flights(Form):
    title = "fastkiq's: a list for each claim, scripts"
    remark = "—"

    call = b"EVALSHA"
    identity, queue = ID, QUEUE

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self.claim_sha = load((LUA / "claim.lua").read_text())
        self.ack_sha = load((LUA / "ack.lua").read_text())

    def claim(self, most: int) -> list[Command]:
        self.number += 1
        keys = (ALIVE, PAUSED, SUSPECTS, self.flights(), self.queue, self.flight())
        args = (self.identity, number(most), MOST_BYTES, self.member(), number(most))
        return [(self.call, self.claim_sha, b"6", *keys, *args)]

    def flights(self) -> bytes:
        return b"fastkiq:flights:" + self.identity

    def flight(self) -> bytes:
        return b"fastkiq:flight:%s:default:%d" % (self.identity, self.number)

    def member(self) -> bytes:
        return b"default:%d" % self.number

    def taken(self, replies: list[Any]) -> Any:
        return replies[0][1][1:]

    def ack(self, taken: Any) -> list[Command]:
        return [self.ack_call(b"-1")]

    def ack_call(self, *removals: bytes) -> Command:
        keys = (SUSPECTS, PROCESSED, TODAY, self.flights(), self.flight())
        return (self.call, self.ack_sha, b"5", *keys, DAY, b"0", b"0", self.member(), *removals)


class FlightsOneByOne(Flights):
    title = "fastkiq's, but jobs acked singly by `LREM`"
    remark = "what a claim costs that is not through after 5 ms"

    def ack(self, taken: Any) -> list[Command]:
        return [self.ack_call(number(len(taken)), *taken), self.ack_call(b"-1")]


class FlightsMoved(Flights):
    title = "fastkiq's, but claimed by `LMOVE` a job inside the script"
    remark = "a command's call in Lua costs more than the copies it saves"

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self.claim_sha = load(scripts.CLAIM_MOVES)

    def claim(self, most: int) -> list[Command]:
        self.number += 1
        keys = (ALIVE, PAUSED, SUSPECTS, QUEUE, self.flight(), FLIGHTS)
        return [(b"EVALSHA", self.claim_sha, b"6", *keys, ID, number(most), self.member())]

    def taken(self, replies: list[Any]) -> Any:
        return replies[0]


class FlightsPlainAck(Flights):
    title = "fastkiq's, but acks as a transaction of plain commands"
    remark = "counts what the client believes, not what Redis removed: a repeated ack counts twice"
    outer = ("evalsha", "multi", "exec")

    def ack(self, taken: Any) -> list[Command]:
        return counted(len(taken), (b"DEL", self.flight()), (b"SREM", FLIGHTS, self.member()))


class FlightsFunctions(Flights):
    title = "fastkiq's, but as functions (`FCALL`)"
    remark = "Redis 7 only; a library to install and to keep in step with each version of fastkiq"
    outer = ("fcall",)
    call = b"FCALL"

    def __init__(self, load: Load) -> None:
        Form.__init__(self, load)
        for name in ("claim", "ack"):
            load(f"#!lua name=fastkiq_{name}\n" + function(name, (LUA / f"{name}.lua").read_text()))
        self.claim_sha, self.ack_sha = b"claim", b"ack"


def function(name: str, source: str) -> str:
    return f"redis.register_function('{name}', function(KEYS, ARGV)\n{source}\nend)"


class FlightsApart(Flights):
    title = "fastkiq's, but acks and claims in trips of their own"
    remark = "one connection, two round trips a batch"


class FlightsTwoConnections(Flights):
    title = "fastkiq's, but acks on a connection of their own"
    remark = "a claim may overtake the ack before it"


class Scripted(Form):
    """A claim script and an ack script with the keys that all of them have."""

    claim_source = ack_source = ""
    keys: tuple[bytes, ...] = (FLIGHT,)

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self.claim_sha, self.ack_sha = load(self.claim_source), load(self.ack_source)

    def claim(self, most: int) -> list[Command]:
        keys = (ALIVE, PAUSED, SUSPECTS, QUEUE, *self.keys)
        return [(b"EVALSHA", self.claim_sha, number(len(keys)), *keys, ID, number(most))]

    def taken(self, replies: list[Any]) -> Any:
        return replies[0]

    def ack(self, taken: Any) -> list[Command]:
        return [(b"EVALSHA", self.ack_sha, b"3", PROCESSED, TODAY, self.keys[0], DAY, *taken)]


class OneList(Scripted):
    title = "one list a process, `LREM` a job"
    remark = "this is the best case: jobs end in the order of their claim"
    claim_source, ack_source = scripts.CLAIM_ONE_LIST, scripts.ACK_ONE_LIST


class OneListShuffled(OneList):
    title = "one list a process, `LREM` a job, out of order"
    remark = "each `LREM` walks past all that is still running"

    def ack(self, taken: Any) -> list[Command]:
        random.shuffle(taken)
        return super().ack(taken)


class Hash(Scripted):
    title = "a hash by sequence number, `HDEL`"
    remark = "single acks stay cheap and short; a claim writes and hashes each job"
    claim_source, ack_source = scripts.CLAIM_HASH, scripts.ACK_HASH
    keys = (FLIGHT, b"fastkiq:sequence:" + ID)

    def taken(self, replies: list[Any]) -> Any:
        first, jobs = replies[0]
        return [number(each) for each in range(first, first + len(jobs))]


class SortedSet(Scripted):
    title = "a sorted set by deadline, `ZREM`"
    remark = "visibility timeouts; two equal payloads become one, so a job is lost"
    claim_source, ack_source = scripts.CLAIM_SORTED_SET, scripts.ACK_SORTED_SET


class Blob(Scripted):
    """The length of what was taken is all that its ack needs."""

    ack_source = scripts.ACK_BLOB

    def claim(self, most: int) -> list[Command]:
        self.number += 1
        self.keys = (FLIGHT + b":%d" % self.number, FLIGHTS)
        ((*words,),) = super().claim(most)
        return [(*words, b"default:%d" % self.number)]

    def taken(self, replies: list[Any]) -> Any:
        return range(replies[0][0])

    def ack(self, taken: Any) -> list[Command]:
        keys = (PROCESSED, TODAY, *self.keys)
        return [(b"EVALSHA", self.ack_sha, b"4", *keys, DAY, b"default:%d" % self.number, number(len(taken)))]


class BlobMsgpack(Blob):
    title = "a packed string for each claim (MessagePack), `DEL`"
    remark = "one finished job can only leave by rewriting the string, and recovery must unpack it in Lua"
    claim_source = scripts.CLAIM_BLOB_MSGPACK


class BlobPrefixed(Blob):
    title = "a packed string for each claim (length before each job), `DEL`"
    remark = "as with MessagePack; recovery must cut it up in Lua"
    claim_source = scripts.CLAIM_BLOB_PREFIXED


class Stream(Form):
    title = "a stream with a consumer group, `XACK` and `XDEL`"
    remark = "not Sidekiq's queue: Ruby could neither push to it nor read it; no fence"
    outer = ("xreadgroup", "multi", "exec")

    def claim(self, most: int) -> list[Command]:
        return [(b"XREADGROUP", b"GROUP", b"workers", ID, b"COUNT", number(most), b"STREAMS", b"stream:default", b">")]

    def taken(self, replies: list[Any]) -> Any:
        return [entry for entry, _ in replies[0][0][1]]

    def ack(self, taken: Any) -> list[Command]:
        removals = ((b"XACK", b"stream:default", b"workers", *taken), (b"XDEL", b"stream:default", *taken))
        return counted(len(taken), *removals)


class Moves(Form):
    title = "`LMOVE` a job, pipelined, into a list for each claim"
    remark = "no fence: a process taken for dead goes on claiming"
    outer = ("lmove", "sadd", "multi", "exec")

    def claim(self, most: int) -> list[Command]:
        self.number += 1
        self.member, self.flight = b"default:%d" % self.number, FLIGHT + b":%d" % self.number
        return [(b"SADD", FLIGHTS, self.member), *[(b"LMOVE", QUEUE, self.flight, b"RIGHT", b"LEFT")] * most]

    def taken(self, replies: list[Any]) -> Any:
        return [reply for reply in replies[1:] if reply is not None]

    def ack(self, taken: Any) -> list[Command]:
        return counted(len(taken), (b"DEL", self.flight), (b"SREM", FLIGHTS, self.member))


class Transaction(Moves):
    title = "`WATCH`, `LRANGE`, then `LPUSH` and `LTRIM` in a transaction"
    remark = "fails whenever somebody pushes in between; jobs travel twice; no fence"
    outer = ("watch", "lrange", "multi", "exec")

    def look(self, most: int) -> list[Command]:
        return [(b"WATCH", QUEUE), (b"LRANGE", QUEUE, number(-most), b"-1")]

    def move(self, jobs: list[bytes]) -> list[Command]:
        self.number += 1
        self.member, self.flight = b"default:%d" % self.number, FLIGHT + b":%d" % self.number
        return [
            (b"MULTI",),
            (b"LTRIM", QUEUE, b"0", number(-len(jobs) - 1)),
            (b"RPUSH", self.flight, *jobs),
            (b"SADD", FLIGHTS, self.member),
            (b"EXEC",),
        ]


class Pops(Form):
    title = "`RPOP` with a count"
    remark = "no safety: what was popped dies with its process. Sidekiq's basic fetch, but in batches"
    outer = ("rpop", "incrby", "expire")

    def claim(self, most: int) -> list[Command]:
        return [(b"RPOP", QUEUE, number(most))]

    def taken(self, replies: list[Any]) -> Any:
        return replies[0]

    def ack(self, taken: Any) -> list[Command]:
        return counted(len(taken))[1:-1]


class OneMove(Form):
    title = "`LMOVE` and `LREM`, one job a round trip"
    remark = "the usual reliable queue"
    outer: tuple[str, ...] = ("lmove", "multi", "exec")
    share = 0.1

    def claim(self, most: int) -> list[Command]:
        return [(b"LMOVE", QUEUE, FLIGHT, b"RIGHT", b"LEFT")]

    def taken(self, replies: list[Any]) -> Any:
        return replies

    def ack(self, taken: Any) -> list[Command]:
        return counted(1, (b"LREM", FLIGHT, b"-1", taken[0]))


class OnePop(OneMove):
    title = "`BRPOP`, one job a round trip"
    remark = "no safety: Sidekiq's basic fetch"
    outer = ("brpop", "incrby", "expire")

    def claim(self, most: int) -> list[Command]:
        return [(b"BRPOP", QUEUE, b"1")]

    def ack(self, taken: Any) -> list[Command]:
        return counted(1)[1:-1]


FORMS: dict[str, type[Form]] = {
    "flights": Flights,
    "flights-lrem": FlightsOneByOne,
    "flights-moved": FlightsMoved,
    "flights-plain-ack": FlightsPlainAck,
    "flights-functions": FlightsFunctions,
    "flights-two-trips": FlightsApart,
    "flights-two-connections": FlightsTwoConnections,
    "one-list": OneList,
    "one-list-shuffled": OneListShuffled,
    "hash": Hash,
    "sorted-set": SortedSet,
    "blob-msgpack": BlobMsgpack,
    "blob-prefixed": BlobPrefixed,
    "stream": Stream,
    "moves": Moves,
    "transaction": Transaction,
    "pops": Pops,
    "one-move": OneMove,
    "one-pop": OnePop,
}
