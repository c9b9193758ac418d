"""What is done to entries of the sets: to those that are named, to those that a filter wants, or to all."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

import click

from fastkiq.api import Entry, Filter, JobSet, Outcome
from fastkiq.cli.confirm import confirm
from fastkiq.cli.output import print_json, print_notes, progress, say
from fastkiq.errors import ArgumentError, FastkiqError
from fastkiq.printable import counted, printable

PAST: Final = {"retry": "retried", "enqueue": "enqueued", "kill": "killed", "delete": "deleted"}
_DESTROYS: Final = ("kill", "delete")
_SLICE: Final = 0.5
"""Seconds of a sweep between two looks at whether it is to go on."""
NOUNS: Final = {"retry": "retry", "schedule": "scheduled job", "dead": "dead job"}
_PLURALS: Final = {"retry": "retries"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What something is to be done to: exactly one of the three."""

    ids: Sequence[str] = ()
    """Each a jid, or a `score-jid`."""
    wanted: Filter | None = None
    everything: bool = False

    def check(self) -> None:
        """Raises UsageError for more or less than one."""
        given = [bool(self.ids), self.wanted is not None, self.everything]
        if sum(given) == 0:
            raise click.UsageError("which ones? Name jids or ids, or give filters, or --all")
        if sum(given) > 1:
            raise click.UsageError("ids, filters and --all exclude each other: give one of them")


@dataclass(slots=True)
class _Account:
    outcome: Outcome = field(default_factory=Outcome)
    missing: list[str] = field(default_factory=list)
    """Ids that nothing goes by."""
    notes: list[str] = field(default_factory=list)
    """What was not looked into, and why."""
    is_complete: bool = True


def perform(jobs: JobSet, action: str, choice: Choice, *, yes: bool, as_json: bool) -> int:
    """Does it and tells what became of it; answers the exit code: 0, 1 when something was missing or refused, 130 when
    it was interrupted. Raises UsageError, RedisError; then what was done before is told as well."""
    choice.check()
    account = _to_named(jobs, action, choice.ids, yes) if choice.ids else _to_all(jobs, action, choice.wanted, yes)
    _tell(jobs, action, account, as_json)
    print_notes(account.notes)
    if not account.is_complete:
        return 130
    incomplete = account.missing or account.outcome.refused or (choice.ids and account.outcome.gone)
    return 1 if incomplete else 0


def number(jobs: JobSet, many: int) -> str:
    """`1 retry`, `1,200 dead jobs`."""
    return counted(many, NOUNS[jobs.key], _PLURALS.get(jobs.key))


def _to_named(jobs: JobSet, action: str, ids: Sequence[str], yes: bool) -> _Account:
    account = _Account()
    found: dict[tuple[float, bytes, int], Entry] = {}
    with progress() as tell:
        for id in ids:
            tell(f"looking for {printable(id, 80)}")
            entries = list(_of_id(jobs, id))
            if not entries:
                account.missing.append(id)
            found |= {(entry.score, entry.job.raw, entry.length): entry for entry in entries}
    if action in _DESTROYS and len(found) > 1 and not yes:
        confirm(f"{action} {number(jobs, len(found))}")
    account.outcome = jobs.act(action, list(found.values()))
    return account


def _of_id(jobs: JobSet, id: str) -> Iterator[Entry]:
    """All entries that go by a `score-jid`, or else by a jid."""
    try:
        entry = jobs.fetch(id)
    except ArgumentError:
        entry = None  # then it is a jid, and one may look much like the other
    if entry is not None:
        yield entry
    elif id:
        yield from jobs.scan(Filter(jid=id))


def _to_all(jobs: JobSet, action: str, wanted: Filter | None, yes: bool) -> _Account:
    # Newcomers are left alone: it is done to those that were counted, and it ends.
    seconds, micros = jobs.redis.time()
    before = seconds + micros / 1e6
    if action in _DESTROYS and not yes:
        many = jobs.size if wanted is None else _count(jobs, wanted)
        if many > 1:
            confirm(f"{action} {number(jobs, many)}")
    account = _Account()
    try:
        _sweep(jobs, action, wanted, before, account)
    except FastkiqError:
        if account.outcome.done:
            say(f"at least {number(jobs, account.outcome.done)} {PAST[action]} before this:")
        raise
    return account


def _sweep(jobs: JobSet, action: str, wanted: Filter | None, before: float, account: _Account) -> None:
    looked, cursor = 0, None
    with progress() as tell, _interruptible() as interrupted:
        while True:
            part = jobs.sweep(action, wanted, cursor, before=before, seconds=_SLICE)
            account.outcome.add(part.outcome)
            account.notes += [note for note in part.notes if note not in account.notes]
            looked, cursor = looked + part.looked, part.cursor
            tell(f"{account.outcome.done:,} {PAST[action]}, {looked:,} looked at")
            if cursor is None:
                return
            if interrupted:
                account.is_complete = False
                return


def _count(jobs: JobSet, wanted: Filter) -> int:
    many, looked, cursor = 0, 0, None
    with progress() as tell:
        while True:
            page = jobs.page(cursor, 1_000, wanted, look=20_000, seconds=1.0)
            many, looked, cursor = many + len(page.items), looked + page.looked, page.next
            tell(f"{many:,} of {looked:,} looked at are meant")
            if cursor is None:
                return many


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """A first Ctrl-C fills the list, for whoever looks at it between two batches; a second one ends all at once."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(jobs: JobSet, action: str, account: _Account, as_json: bool) -> None:
    outcome = account.outcome
    if as_json:
        print_json(
            {
                "action": action,
                "done": outcome.done,
                "gone": outcome.gone,
                "refused": outcome.refused,
                "reasons": outcome.reasons,
                "missing": account.missing,
                "complete": account.is_complete,
            }
        )
        return
    click.echo(f"{number(jobs, outcome.done)} {PAST[action]}")
    for id in account.missing[:20]:
        say(f"nothing here goes by {id[:200]!r}")
    if outcome.gone:
        say(f"{outcome.gone:,} had gone before")
    if outcome.refused:
        say(f"{outcome.refused:,} refused, and left where they are: {'; '.join(outcome.reasons)}")
    if not account.is_complete:
        say("interrupted: what was not reached is as it was")
