"""`fastkiq busy`: processes and what they run, and what can be asked of them."""

import sys
from typing import Any, Final

import click

from fastkiq.api import Process, ProcessSet, WorkSet, connect
from fastkiq.cli.confirm import confirm
from fastkiq.cli.forms import DETAILS, JOB, listed, place, plain, span
from fastkiq.cli.listing_options import CODES, Actions, json_option, merged, yes_option
from fastkiq.cli.output import print_json, print_notes, print_table, say
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.rows import Row, process_row, work_row
from fastkiq.cli.stacks import dump_stacks
from fastkiq.cli.table import Column
from fastkiq.printable import counted, printable

_EXAMPLES = """\b
Examples:
  fastkiq busy
  fastkiq busy quiet web1:4711           takes no more jobs
  fastkiq busy stop --all                ends all; it asks first
  fastkiq busy dump web1:4711            what its jobs do

A process is named as in the table, or by its whole identity (--json), or by as much of it as tells it apart.
"""


@click.group(cls=Actions, invoke_without_command=True, subcommand_metavar="[ACTION ...]", epilog=_EXAMPLES)
@json_option
@redis_options
@click.pass_context
def busy(context: click.Context, /, as_json: bool, **given: Any) -> None:
    """Processes, and the jobs that run now (both as of the last heartbeats)."""
    if context.invoked_subcommand is not None:
        return
    redis = connect(configured(**given))
    processes = ProcessSet(redis)
    rows = [process_row(process) for process in processes]
    notes = list(processes.notes)
    work = _work(WorkSet(redis), notes)
    if as_json:
        print_json({"processes": rows, "work": work})
        print_notes(notes)
        return
    print_table(rows, _PROCESSES, "no processes")
    if work:
        click.echo()
        print_table([{**row, "where": f"{place(row['process'])} {plain(row['thread'])}"} for row in work], _WORK)
    print_notes(notes)
    if rows and sys.stdout.isatty():
        total = sum(row["busy"] for row in rows)
        where = counted(len(rows), "process", "processes")
        click.echo(f"\n{counted(total, 'job')} in {where} by the last heartbeats, which are up to 10 s old;")
        click.echo("`of` counts threads, and coroutines where there are async workers")


def _work(running: WorkSet, notes: list[str]) -> list[Row]:
    rows: list[Row] = []
    cursor: str | None = None
    while True:
        page = running.page(cursor, 1_000)
        rows += [work_row(work) for work in page.items]
        notes += [note for note in page.notes if note not in notes]
        if page.next is None:
            return rows
        cursor = page.next


@busy.command(epilog=f"\b\nExamples:\n  fastkiq busy quiet web1:4711\n  fastkiq busy quiet --all\n\n{CODES}")
@click.argument("identities", nargs=-1, metavar="[PROCESS]...")
@click.option("--all", "everything", is_flag=True, help="All processes.")
@redis_options
@click.pass_context
def quiet(context: click.Context, /, **_: Any) -> int:
    """Lets processes take no more jobs, within 10 s. There is no way back but a restart."""
    found, left = _chosen(merged(context))
    for process in found:
        process.quiet()
    return _told("quiet", found, left)


@busy.command(epilog=f"\b\nExamples:\n  fastkiq busy stop web1:4711\n  fastkiq busy stop --all --yes\n\n{CODES}")
@click.argument("identities", nargs=-1, metavar="[PROCESS]...")
@click.option("--all", "everything", is_flag=True, help="All processes.")
@yes_option
@redis_options
@click.pass_context
def stop(context: click.Context, /, **_: Any) -> int:
    """Lets processes end, within 10 s and their timeout. Jobs that still run then go back to their queues.

    Of more than one process, and with --all, it asks first.
    """
    given = merged(context)
    yes, everything = given.pop("yes"), given["everything"]
    found, left = _chosen(given)
    if found and not yes and (everything or len(found) > 1):
        confirm(f"stop {counted(len(found), 'process', 'processes')}")
    for process in found:
        process.stop()
    return _told("stop", found, left)


@busy.command(
    epilog=f"\b\nExamples:\n  fastkiq busy dump web1:4711\n  fastkiq busy dump --all --json\n\n{CODES}",
    short_help="Prints what their jobs do.",
)
@click.argument("identities", nargs=-1, metavar="[PROCESS]...")
@click.option("--all", "everything", is_flag=True, help="All processes.")
@click.option("--threads", "all_threads", is_flag=True, help="All threads, not only those of jobs.")
@json_option
@redis_options
@click.pass_context
def dump(context: click.Context, /, **_: Any) -> int:
    """Prints what the jobs of fastkiq's processes do, after their next heartbeat. Sidekiq's log it instead."""
    given = merged(context)
    as_json, all_threads = given.pop("as_json"), given.pop("all_threads")
    found, _left = _chosen(given, with_embedded=True)
    return dump_stacks(found, as_json=as_json, all_threads=all_threads)


def _chosen(given: dict[str, Any], *, with_embedded: bool = False) -> tuple[list[Process], list[Process]]:
    """The processes that are meant, and those among them that another program alone may steer."""
    names, everything = given.pop("identities"), given.pop("everything")
    given.pop("as_json", None)
    if not names and not everything:
        raise click.UsageError("which ones? Name processes, or --all")
    if names and everything:
        raise click.UsageError("names and --all exclude each other: give one of them")
    processes = list(ProcessSet(connect(configured(**given))))
    meant = processes if everything else [_named(name, processes) for name in dict.fromkeys(names)]
    meant = list({process.identity: process for process in meant}.values())
    if with_embedded:
        return meant, []
    return [each for each in meant if not each.is_embedded], [each for each in meant if each.is_embedded]


def _named(name: str, processes: list[Process]) -> Process:
    """The one that is called so, or whose identity alone begins so."""
    exact = [each for each in processes if name in (each.identity, each.identity.rpartition(":")[0])]
    found = exact or [each for each in processes if name and each.identity.startswith(name)]
    if not found:
        raise click.ClickException(f"no process is called {name[:200]!r}: `fastkiq busy` lists those that live")
    if len(found) > 1:
        several = ", ".join(each.identity for each in found[:5])
        raise click.UsageError(f"{name[:200]!r} may be {counted(len(found), 'process', 'processes')}: {several}")
    return found[0]


def _told(word: str, found: list[Process], left: list[Process]) -> int:
    for process in found:
        click.echo(f"{printable(process.identity, 200)}: asked to {'be quiet' if word == 'quiet' else word}")
    for process in left:
        say(f"{process.identity[:200]} runs inside of another program, which alone may {word} it")
    if not found and not left:
        say("no processes")
    return 1 if left and not found else 0


_PROCESSES: Final = (
    Column("Process", "process", place),
    Column("Tag", "tag", plain),
    Column("Busy", "busy", plain),
    Column("of", "concurrency", plain),
    Column("RSS MiB", "rss_mib", str),
    Column("", "quiet", lambda quiet: "quiet" if quiet else ""),
    Column("Version", "version", plain, spare=True),
    Column("Queues", "queues", listed, free=True),
)
_WORK: Final = (
    Column("Runs", "seconds", span),
    *JOB,
    Column("Process, thread", "where", str, free=True),
    DETAILS[1],
)
