"""What a failed assertion says: what was wanted, and what there is, the nearest first."""

from collections.abc import Sequence
from typing import Final, Never

from fastkiq.printable import counted
from fastkiq.testing.kept import Kept
from fastkiq.testing.wanted import Wanted, shown_job

_SHOWN: Final = 5
_EXPLAINED: Final = 3
_LINES: Final = 12  # of differences a job
_COMPARED: Final = 1_000  # jobs: to rank 100,000 would take longer than anybody waits for a failed test


def refuse(message: str) -> Never:
    """Raises AssertionError."""
    __tracebackhide__ = True
    raise AssertionError(message)


def short_of(wanted: Wanted, count: int | None, found: Sequence[Kept], waiting: Sequence[Kept], done: int) -> str:
    """There are not as many of these jobs as there should be."""
    if count is None:
        head = f"no such job is enqueued:\n    {wanted}"
    else:
        head = f"{counted(count, 'such job')} wanted, {len(found):,} enqueued:\n    {wanted}"
    if found:
        head += "\n  enqueued and as wanted:" + _listed(found)
    others = [kept for kept in waiting if kept not in found]
    if others:
        head += f"\n  {'also ' if found else ''}enqueued, the nearest first:" + _nearest(wanted, others)
    elif not found:
        head += "\n  nothing is enqueued"
    if done:
        head += f"\n  (what has run does not count as enqueued any more: {counted(done, 'job')})"
    return head


def none_wanted(wanted: Wanted, found: Sequence[Kept]) -> str:
    """There should be none of these jobs."""
    return f"{counted(len(found), 'job')} enqueued where none was wanted:\n    {wanted}\n  enqueued:{_listed(found)}"


def _listed(jobs: Sequence[Kept]) -> str:
    lines = [f"\n    {number}. {shown_job(kept)}" for number, kept in enumerate(jobs[:_SHOWN], 1)]
    return "".join(lines) + _more(jobs)


def _nearest(wanted: Wanted, jobs: Sequence[Kept]) -> str:
    compared = [(not wanted.is_of(kept), wanted.differences(kept), kept) for kept in jobs[:_COMPARED]]
    compared.sort(key=lambda each: (each[0], len(each[1]), each[2].serial))
    text = ""
    for number, (is_other, lines, kept) in enumerate(compared[:_SHOWN], 1):
        text += f"\n    {number}. {shown_job(kept)}"
        if number > _EXPLAINED or is_other:
            continue
        said = "\n".join(lines[:_LINES]).splitlines()
        text += "".join(f"\n         {line}" for line in said)
        if len(lines) > _LINES:
            text += f"\n         and {len(lines) - _LINES} more differences"
    return text + _more(jobs)


def _more(jobs: Sequence[Kept]) -> str:
    return f"\n    and {len(jobs) - _SHOWN:,} more" if len(jobs) > _SHOWN else ""
