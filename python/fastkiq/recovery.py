"""Recovery by hand: judges processes, waits where only waiting can tell, and puts back what the dead ones hold."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from fastkiq import _core
from fastkiq.errors import RedisAuthError, RedisBusyError, RedisConnectionError, RedisError, RedisReplyError
from fastkiq.flights import ALIVE, Holder, Survey, knows, look, scan, scores
from fastkiq.job import Job
from fastkiq.printable import counted, printable

_POLL: Final = 0.25
_SETTLED: Final = 6.0
"""Seconds after a death: a blocking move waits for five, and may still land while it does."""
_UNMARKED: Final = 86_100.0
"""A process that took leave with nothing left has a tomb that is so much older than its death (see leave.lua)."""
_OUTAGE: Final = 60.0
_ROUNDS: Final = 3
_RECORD: Final = b"fastkiq:process:"
_OURS: Final = (b"fastkiq:tombs", b"fastkiq:suspects", b"fastkiq:cron")
_OURS_BY_PREFIX: Final = (b"fastkiq:flights:", b"fastkiq:machine:", b"fastkiq:stacks:", b"fastkiq:cron:", _RECORD)
_KEPT: Final = (ALIVE.encode(), b"fastkiq:flight:")
"""The registry, and the start of a flight's name: both are gone when they are empty, and are never removed."""
_BATCH: Final = 500
_UNLINK: Final = """
-- KEYS[1] fastkiq:alive   KEYS[2..] what nobody needs when nobody lives   ARGV[1] the schema we know
-- Answers keys removed; -1 when a process lives, -2 when a record is of a newer schema: then nothing was removed.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return -1
end
for i = 2, #KEYS do
  if string.sub(KEYS[i], 1, 16) == 'fastkiq:process:' then
    local schema = redis.pcall('HGET', KEYS[i], 'schema')
    if type(schema) == 'string' and not (string.find(schema, '^%d+$') and tonumber(schema) <= tonumber(ARGV[1])) then
      return -2
    end
  end
end
local removed = 0
for i = 2, #KEYS do
  removed = removed + redis.call('UNLINK', KEYS[i])
end
return removed
"""
_MEANWHILE: Final = "a process has started meanwhile: run it again when none runs"
Say = Callable[[str], None]
How = Literal["rescue", "force"]


@dataclass(slots=True)
class Account:
    """What became of one process."""

    identity: str
    state: str
    """dead: in no registry; gone: ended on this machine; stale: no heartbeat for a lease; forced;
    alive; newer: a newer version of fastkiq wrote what it left."""
    queues: dict[str, int]
    """Queue -> jobs of it that it held."""
    moved: int = 0
    poison: list[tuple[str, str]] = field(default_factory=list)
    """(class, jid) of the jobs that went to the dead set: their process died three times while they ran."""
    refusal: str | None = None
    stays: int = 0


class Recovery:
    """One recovery. `bounds` are those of the dead set (jobs, seconds); `say` hears what takes time or matters."""

    def __init__(
        self,
        core: _core.Client,
        bounds: tuple[int, float],
        say: Say,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._core, self._bounds, self._say = core, bounds, say
        self._clock, self._pause = clock, pause

    def judge(self, holder: Holder) -> str:
        """Its state as far as one look can tell: what seems `stale` has to be watched before it is taken for dead."""
        state = self._core.recover(holder.identity, "look", None, [], self._bounds)[0]
        return "stale" if state == "alive" and holder.overdue else state

    def run(self, survey: Survey, forced: Iterable[str] = (), everybody: bool = False) -> list[Account]:
        """Puts back what dead processes hold, and what the forced ones do. `everybody`: those too that hold nothing are
        judged and fenced. What arrives late is looked for until a look finds nothing new."""
        accounts: dict[str, Account] = {}
        force = set(forced)
        for _ in range(_ROUNDS):
            before = sum(account.moved for account in accounts.values())
            self._round(survey, force, everybody, accounts)
            force.clear()
            everybody = False
            survey = look(self._core)
            for account in accounts.values():
                left = survey.holders.get(account.identity)
                account.stays = 0 if left is None else left.jobs
            fresh = [holder for holder in survey.holding if holder.identity not in accounts]
            if not fresh and sum(account.moved for account in accounts.values()) == before:
                break
        return sorted(accounts.values(), key=lambda account: account.identity)

    def _round(self, survey: Survey, force: set[str], everybody: bool, accounts: dict[str, Account]) -> None:
        doubtful: list[Holder] = []
        for holder in sorted(survey.holders.values(), key=lambda each: each.identity):
            if holder.identity in force:
                self._put_back(holder, "force", None, accounts)
            elif holder.flights or (everybody and holder.score is not None):
                known = accounts.get(holder.identity)
                if known is not None and known.state in ("alive", "newer"):
                    continue
                self._put_back(holder, "rescue", None, accounts)
                if accounts[holder.identity].state == "alive":
                    doubtful.append(holder)
        for holder, score in self._watch(doubtful):
            self._put_back(holder, "rescue", score, accounts)

    def _put_back(self, holder: Holder, how: How, score: str | None, accounts: dict[str, Account]) -> None:
        account = accounts.setdefault(holder.identity, Account(holder.identity, "", holder.queues))
        name = printable(holder.identity, 200)
        try:
            state, moved, poison, refusal = self._core.recover(
                holder.identity, how, score, list(holder.flights), self._bounds
            )
        except RedisConnectionError:
            raise
        except RedisError as error:
            account.refusal = str(error)
            account.state = account.state or "dead"
            self._say(f"{name}: {printable(error, 500)}")
            return
        # It is in no registry any more once it has been fenced: why it was stays worth telling.
        account.state = account.state if state == "dead" and account.state not in ("", "alive") else state
        account.moved += moved
        account.poison += [(job_class, jid) for job_class, jid, _ in poison]
        account.refusal = refusal
        if state == "forced":
            self._say(f"{name} lived and was fenced: what it runs now runs a second time")

    def _watch(self, holders: list[Holder]) -> list[tuple[Holder, str | None]]:
        """Those whose entry in the registry stood still for their whole lease, with that entry; and those that have
        lost it meanwhile.

        A living process shows within a sixth of its lease. An outage of Redis is nobody's death: after one, and after
        an answer that took as long as a heartbeat, all begins anew.
        """
        waiting: dict[str, tuple[Holder, str, float]] = {}
        stale: list[tuple[Holder, str | None]] = []
        if not holders:
            return stale
        longest = max(holder.lease for holder in holders)
        patience = min(holder.lease for holder in holders) / 6
        one = printable(holders[0].identity, 200)
        who = one if len(holders) == 1 else counted(len(holders), "process", "processes")
        self._say(f"waiting for a heartbeat of {who}, for {longest:g} s at most")
        by_name = {holder.identity: holder for holder in holders}
        identity = self._connection()
        for name, score in scores(self._core, by_name).items():
            waiting[name] = (by_name[name], score or "", self._clock())
        told = self._clock()
        while waiting:
            self._pause(min(_POLL, patience))
            asked = self._clock()
            found, again = self._ask(list(waiting))
            now = self._clock()
            same = self._connection()
            broken = again or now - asked > patience or same != identity
            identity = same
            for name, score in found.items():
                holder, before, since = waiting[name]
                if score == before and not broken:
                    if now - since >= holder.lease:
                        stale.append((holder, before))
                        del waiting[name]
                elif score == before:
                    waiting[name] = (holder, before, now)
                else:
                    del waiting[name]
                    if score is None:
                        stale.append((holder, None))  # it has left, or a neighbour was faster
            if waiting and now - told >= 10:
                told = now
                left = max(holder.lease - (now - since) for holder, _, since in waiting.values())
                self._say(f"still waiting for {counted(len(waiting), 'process', 'processes')}: {left:.0f} s to go")
        return stale

    def _ask(self, names: list[str]) -> tuple[dict[str, str | None], bool]:
        """Their entries now, and whether Redis was away in between. Raises when it stays away."""
        began = self._clock()
        away = False
        while True:
            try:
                return scores(self._core, names), away
            except (RedisConnectionError, RedisBusyError) as error:  # away, or back and still loading
                if self._clock() - began > _OUTAGE:
                    raise
                if not away:
                    self._say(f"{printable(error, 500)}; the watch begins anew when it is back")
                away = True
                self._pause(_POLL)

    def _connection(self) -> object:
        """Tells one connection from the next, where that may be asked."""
        try:
            return self._core.command("CLIENT", "ID")
        except RedisAuthError:
            return None
        except (RedisConnectionError, RedisBusyError):
            return object()  # like no other

    def purge(self) -> "Purge":
        """Removes fastkiq's own keys when nothing lives and nothing is in flight.

        Flights and the registry are never removed by this: both are gone when they are empty, and who joins meanwhile
        loses neither a job nor its entry.
        """
        survey = look(self._core)
        reason = obstacle(survey) or newcomer(self._core)
        if reason is not None:
            return Purge(0, reason)
        self._settle(survey)
        survey = look(self._core)
        for holder in survey.holding:
            if holder.score is None:  # a move that has landed late
                self._core.recover(holder.identity, "rescue", None, list(holder.flights), self._bounds)
        survey = look(self._core)
        reason = obstacle(survey) or newcomer(self._core)
        if reason is not None:
            return Purge(0, reason)
        removed = 0
        strange: set[bytes] = set()
        for page in scan(self._core, "fastkiq:*"):
            ours = [key for key in page if is_ours(key)]
            strange.update(key for key in page if not is_ours(key) and not key.startswith(_KEPT))
            for start in range(0, len(ours), _BATCH):
                keys = ours[start : start + _BATCH]
                # Looked at and removed at once: of two steps, one that joins in between would lose its entries.
                answer = self._core.command("EVAL", _UNLINK, len(keys) + 1, ALIVE, *keys, _core.schema)
                if answer < 0:
                    return Purge(removed, (answer == -2 and newcomer(self._core)) or _MEANWHILE)
                removed += answer
        refused = _MEANWHILE if self._core.command("EXISTS", ALIVE) else None
        return Purge(removed, refused, sorted(key.decode("utf-8", "replace") for key in strange))

    def _settle(self, survey: Survey) -> None:
        """Waits while a blocking move of one that died a moment ago may still land in its flight."""
        ages = [survey.now - holder.buried for holder in survey.holders.values() if holder.buried is not None]
        ages += [age - _UNMARKED for age in ages]
        young = [age for age in ages if 0 <= age < _SETTLED]
        if young:
            wait = _SETTLED - min(young)
            self._say(f"a process ended a moment ago: waiting {wait:.0f} s for what may still be on its way")
            self._pause(wait)


class Purge(NamedTuple):
    """What became of fastkiq's own keys."""

    removed: int
    refused: str | None
    """Why not, or why not all."""
    left: Sequence[str] = ()
    """Keys whose names begin like ours, of which this version knows nothing."""


def is_ours(key: bytes) -> bool:
    """Whether a purge removes it."""
    return key in _OURS or key.startswith(_OURS_BY_PREFIX)


def newcomer(core: _core.Client) -> str | None:
    """Why nothing can be removed by this version: a newer one keeps its flights wherever it likes."""
    for page in scan(core, "fastkiq:process:*"):
        for key in page:
            try:
                schema = core.command("HGET", key, "schema")
            except RedisReplyError:
                continue  # no record
            if schema is not None and not knows(schema.decode("utf-8", "replace")):
                name = printable(key[len(_RECORD) :].decode("utf-8", "replace"), 200)
                return f"{name} is of a newer version of fastkiq: purge with that"
    return None


def condemned(core: _core.Client, survey: Survey) -> dict[str, list[tuple[str, str]]]:
    """Process -> (class, jid) of its jobs whose third death it is, which a recovery would move to the dead set. A job
    without a proper jid is not foreseen."""
    doomed: set[str] = set()
    cursor: Any = 0
    while cursor != b"0":
        cursor, flat = core.command("HSCAN", "fastkiq:suspects", cursor, "COUNT", 1_000)
        marks = zip(flat[::2], flat[1::2], strict=True)
        doomed.update(jid.decode("utf-8", "replace") for jid, mark in marks if _is_last(mark, survey.now))
    found: dict[str, list[tuple[str, str]]] = {}
    for holder in survey.holding if doomed else ():
        for member in holder.flights:
            for raw in core.command("LRANGE", f"fastkiq:flight:{holder.identity}:{member}", 0, -1):
                job = Job.from_bytes(raw)
                if job.jid in doomed:
                    found.setdefault(holder.identity, []).append((job.class_name, job.jid))
    return found


def _is_last(mark: bytes, now: float) -> bool:
    """`<deaths>:<started>:<since>`, as `poison.rs` counts: a third death of a job that had begun, within 72 hours."""
    parts = re.fullmatch(rb"([0-9]{1,9}):([01]):([0-9]{1,12})", mark)
    return parts is not None and int(parts[1]) + int(parts[2]) >= 3 and now - int(parts[3]) <= 72 * 3600


def obstacle(survey: Survey) -> str | None:
    """Why fastkiq's keys cannot be removed now; None: nothing speaks against it."""
    living = [holder for holder in survey.holders.values() if holder.score is not None]
    if living:
        more = "" if len(living) == 1 else f" and {len(living) - 1:,} more"
        return f"{printable(living[0].identity, 200)}{more} still lives: stop it, or wait until its lease has run out"
    if survey.holding:
        jobs = sum(holder.jobs for holder in survey.holding)
        return f"{counted(jobs, 'job')} of dead processes could not be put back"
    if survey.unreadable:
        return (
            f"{printable(survey.unreadable[0], 200)} is no flight that can be read: look at it, then remove it by hand"
        )
    return None
