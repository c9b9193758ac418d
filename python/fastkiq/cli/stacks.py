"""`fastkiq busy dump`: what the threads of processes do, as they tell it at their next heartbeat."""

import time
from collections.abc import Sequence
from typing import Any, Final

import click

from fastkiq.api import Process, Stacks, WorkSet, ask_for_stacks, stacks
from fastkiq.cli.output import print_json, progress, say
from fastkiq.cli.rows import iso_of
from fastkiq.printable import counted, printable

WAIT: Final = 12.0
"""Seconds: two heartbeats, and some for a process that is busy."""
_POLL: Final = 0.25


def dump_stacks(processes: Sequence[Process], *, as_json: bool, all_threads: bool, wait: float = WAIT) -> int:
    """Asks the processes, waits for the answers, prints them; answers the exit code: 1 when one said nothing. JSON has
    `all_threads` in any case."""
    ours = [process for process in processes if process.is_fastkiq]
    before = {process.identity: _answered(process) for process in ours}
    for process in ours:
        ask_for_stacks(process.redis, process)
    for process in processes:
        if not process.is_fastkiq:
            process.dump()
            what = process.version or "something else than fastkiq"
            say(f"{process.identity[:200]} runs {what[:100]}: asked to log its stacks, since it cannot tell them here")
    told = _wait(ours, before, wait)
    if as_json:
        print_json([_row(process, told[process.identity]) for process in ours if process.identity in told])
    else:
        for process in ours:
            if process.identity in told:
                _show(process, told[process.identity], all_threads)
    silent = [process for process in ours if process.identity not in told]
    for process in silent:
        say(f"{process.identity[:200]} has not answered within {wait:g} s")
    if not processes:
        say("no processes")
    return 1 if silent else 0


def _answered(process: Process) -> float | None:
    """When it told last; not what, which may be megabytes."""
    found = stacks(process.redis, process.identity, "")
    return None if found is None else found.at


def _wait(processes: list[Process], before: dict[str, float | None], wait: float) -> dict[str, Stacks]:
    told: dict[str, Stacks] = {}
    deadline = time.monotonic() + wait
    with progress() as tell:
        while len(told) < len(processes) and time.monotonic() < deadline:
            tell(f"waiting for the next heartbeat of {counted(len(processes) - len(told), 'process', 'processes')}")
            for process in processes:
                if process.identity in told or _answered(process) in (None, before[process.identity]):
                    continue
                if (found := stacks(process.redis, process.identity)) is not None:
                    told[process.identity] = found
            time.sleep(_POLL if len(told) < len(processes) else 0)
    return told


def _row(process: Process, told: Stacks) -> dict[str, Any]:
    works = {work.thread: work for work in WorkSet(process.redis).of([process])}
    jobs = [
        {
            "thread": thread,
            "jid": works[thread].job.jid if thread in works else None,
            "class": works[thread].job.class_name if thread in works else None,
            "stack": lines,
        }
        for thread, lines in told.of_jobs.items()
    ]
    return {"process": process.identity, "at": told.at, "jobs": jobs, "threads": told.threads}


def _show(process: Process, told: Stacks, all_threads: bool) -> None:
    row = _row(process, told)
    click.echo(f"{printable(process.identity, 200)}, {iso_of(told.at)}")
    for job in row["jobs"]:
        what = f"{job['class']} {job['jid']}" if job["jid"] else "a job that has ended since"
        click.echo(f"\n  {printable(job['thread'], 80)}: {printable(what, 300)}")
        for line in job["stack"]:
            click.echo(f"    {printable(line, 1_000)}")
    if not row["jobs"]:
        click.echo("\n  no job runs")
    if all_threads:
        click.echo("\n  all threads:")
        for line in told.threads.splitlines():
            click.echo(f"    {printable(line, 1_000)}")
    click.echo()
