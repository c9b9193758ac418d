"""`fastkiq queues`, a queue's jobs, and `fastkiq queue pause`, `resume` and `clear`."""

from typing import Any, Final

import click

from fastkiq import api
from fastkiq.api import Page, Queue, connect
from fastkiq.api.filter import Filter
from fastkiq.cli import completion
from fastkiq.cli.confirm import confirm
from fastkiq.cli.filter_options import filter_options, wanted_of
from fastkiq.cli.forms import DETAILS, JOB, enqueued, plain, span
from fastkiq.cli.listing_options import CODES, Actions, cursor_option, json_option, yes_option
from fastkiq.cli.output import print_json, print_notes, print_table, say
from fastkiq.cli.paging import gathered
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.rows import job_row, queue_row
from fastkiq.cli.table import Column
from fastkiq.errors import RedisReplyError
from fastkiq.job import Job
from fastkiq.options import is_queue, suggestion
from fastkiq.printable import counted, printable

_EXAMPLES = """\b
Examples:
  fastkiq queues                       each with its size and latency
  fastkiq queues mail                  the jobs of one
  fastkiq queues mail --order next --class Welcome -n 100
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", required=False, shell_complete=completion.queues)
@click.option(
    "--order",
    type=click.Choice(["latest", "next"]),
    help="Of a queue's jobs: the latest enqueued first (default), or the next to run.",
)
@filter_options("queue", "error", "group")
@click.option("-n", "--limit", type=click.IntRange(1, 100_000), help="Most rows (1,000 queues, 25 jobs).")
@cursor_option
@json_option
@redis_options
def queues(
    name: str | None, order: str | None, limit: int | None, cursor: str | None, as_json: bool, **given: Any
) -> None:
    """Queues with their sizes and the age of their next job; with a NAME the jobs of that queue."""
    wanted = wanted_of(given)
    if name is not None:
        _show_jobs(name, order or "latest", limit or 25, cursor, wanted, as_json, given)
        return
    if wanted or cursor or order:
        raise click.UsageError("filters, --order and --cursor are for the jobs of one queue: name it")
    notes: list[str] = []
    rows = [queue_row(each) for each in api.queues(connect(configured(**given)), most=limit or 1_000, notes=notes)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, _QUEUES, "no queues yet")
    print_notes([f"{note}; -n shows more" if note.endswith("are shown") else note for note in notes])


def _show_jobs(
    name: str, order: str, limit: int, cursor: str | None, wanted: Filter | None, as_json: bool, given: dict[str, Any]
) -> None:
    queue = Queue(name, connect(configured(**given)))

    def read(at: str | None, most: int) -> Page[Job]:
        return queue.page(at, most, wanted, order=order, look=100_000, seconds=0.5)

    page = gathered(read, cursor, limit)
    rows = [job_row(job) for job in page.items]
    if as_json:
        print_json({"total": page.total, "next": page.next, "jobs": rows})
    else:
        nothing = "nothing of the kind" if wanted else f"no jobs in {printable(name, 200)}{_typo(queue)}"
        print_table(rows, _JOBS, nothing)
    print_notes(page.notes)
    if page.next is not None and not as_json:
        say(f"{len(rows):,} of {page.total:,} shown; --cursor {page.next} goes on")


@click.group(cls=Actions)
def queue() -> None:
    """Pauses, resumes and clears queues. Their jobs: fastkiq queues NAME."""


_PAUSE = """\b
Examples:
  fastkiq queue pause mail reports
  fastkiq queue resume mail
"""


@queue.command(epilog=_PAUSE, short_help="No process takes jobs from them.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=completion.queues)
@redis_options
def pause(names: tuple[str, ...], **given: Any) -> None:
    """Lets no process take jobs from these queues. What runs goes on; workers hear it within 5 s."""
    for each in _named(names, given):
        each.pause()
        click.echo(f"{printable(each.name, 200)} is paused")


@queue.command(epilog=_PAUSE, short_help="Processes take jobs from them again.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=completion.queues)
@redis_options
def resume(names: tuple[str, ...], **given: Any) -> None:
    """Lets processes take jobs from these queues again."""
    for each in _named(names, given):
        was = _is_in("paused", each)
        each.resume()
        click.echo(f"{printable(each.name, 200)} {'goes on' if was else 'was not paused'}")


@queue.command(
    epilog=f"\b\nExamples:\n  fastkiq queue clear mail\n  fastkiq queue clear mail reports --yes\n\n{CODES}",
    short_help="Deletes the jobs that wait in them; it asks first.",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=completion.queues)
@yes_option
@json_option
@redis_options
def clear(names: tuple[str, ...], yes: bool, as_json: bool, **given: Any) -> None:
    """Deletes all jobs that wait in these queues; of more than one job it asks first."""
    found = _named(names, given)
    sizes = [each.size for each in found]
    if sum(sizes) > 1 and not yes:
        named = ", ".join(each.name for each in found)
        confirm(f"delete {counted(sum(sizes), 'job')} of {named}")
    cleared = {each.name: each.clear() for each in found}
    if as_json:
        print_json(cleared)
        return
    for name, jobs in cleared.items():
        click.echo(f"{printable(name, 200)}: {counted(jobs, 'job')} deleted")


def _named(names: tuple[str, ...], given: dict[str, Any]) -> list[Queue]:
    """The queues, each once; a note for such as nobody has enqueued to. Raises UsageError for what can be no queue."""
    redis = connect(configured(**given))
    found = [Queue(name, redis) for name in dict.fromkeys(names)]
    for each in found:
        if _is_in("queues", each) or _is_in("paused", each):
            continue
        if not is_queue(each.name):
            raise click.UsageError(f"{each.name[:200]!r} cannot be a queue")
        say(f"there is no queue {each.name[:200]} yet{_typo(each)}")
    return found


def _is_in(key: str, queue: Queue) -> bool:
    """Whether a set has the queue; a key that is no set has none."""
    try:
        return bool(queue.redis.sismember(key, queue.name))
    except RedisReplyError:
        return False


def _typo(queue: Queue) -> str:
    """A proposal, when there is no such queue but one with a similar name."""
    if _is_in("queues", queue):
        return ""
    known = [each.name for each in api.queues(queue.redis)]
    return suggestion(queue.name, known)


_QUEUES: Final = (
    Column("Queue", "queue", plain),
    Column("Size", "size", plain),
    Column("Latency", "latency", span),
    Column("", "paused", lambda paused: "paused" if paused else ""),
)
_JOBS: Final = (Column("Enqueued", "times", enqueued), JOB[0], JOB[2], *DETAILS)
