"""`fastkiq retries`, `scheduled` and `dead`: the listings of the sorted sets, and what can be done to their entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from fastkiq.api import DeadSet, Grouping, JobSet, RetrySet, ScheduledSet, connect
from fastkiq.api.filter import Filter
from fastkiq.cli.actions import Choice, number, perform
from fastkiq.cli.filter_options import filter_options, wanted_of
from fastkiq.cli.forms import DETAILS, JOB, listed, moment, plain
from fastkiq.cli.listing_options import CODES, Actions, cursor_option, json_option, merged, yes_option
from fastkiq.cli.output import print_json, print_notes, print_table, progress, say
from fastkiq.cli.paging import gathered
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.rows import entry_row, group_row
from fastkiq.cli.table import Column
from fastkiq.printable import printable


@dataclass(frozen=True, slots=True)
class _Listing:
    kind: type[JobSet]
    nothing: str
    columns: Sequence[Column]

    def show(self, limit: int, cursor: str | None, as_groups: bool, as_json: bool, given: dict[str, Any]) -> None:
        wanted = wanted_of(given)
        config = configured(**given)
        jobs = self.kind(connect(config), config=config)
        if as_groups:
            if cursor is not None:
                raise click.UsageError("--groups counts all, and takes no --cursor")
            _show_groups(jobs, wanted, limit, as_json, self.nothing)
            return
        page = gathered(lambda at, most: jobs.page(at, most, wanted, look=100_000, seconds=0.5), cursor, limit)
        rows = [entry_row(entry) for entry in page.items]
        if as_json:
            print_json({"total": page.total, "next": page.next, "jobs": rows})
        else:
            print_table(rows, self.columns, self.nothing if wanted is None else "nothing of the kind")
        print_notes(page.notes)
        if page.next is not None and not as_json:
            say(f"{len(rows):,} of {page.total:,} shown; --cursor {page.next} goes on")


_limit = click.option(
    "-n", "--limit", type=click.IntRange(1, 100_000), default=25, show_default=True, help="Most rows."
)


def _show_groups(jobs: JobSet, wanted: Filter | None, limit: int, as_json: bool, nothing: str) -> None:
    grouping = Grouping(jobs, wanted)
    with progress() as tell:
        while not grouping.is_complete:
            grouping.advance(0.5)
            tell(f"{grouping.looked:,} of {grouping.total:,} counted")
    rows = [group_row(group) for group in grouping.groups[:limit]]
    if grouping.unread:
        say(f"{number(jobs, grouping.unread)} too long to be looked into: in no group")
    if as_json:
        document = {"total": grouping.total, "looked": grouping.looked, "others": grouping.others}
        print_json({**document, "groups": rows})
        return
    print_table(rows, _GROUPS, nothing)
    if (more := len(grouping.groups) - len(rows)) > 0:
        say(f"and {more:,} groups more; -n shows them")
    if grouping.others:
        say(f"and {number(jobs, grouping.others)} in groups beyond the first thousand")


def _listing(name: str, listing: _Listing, about: str, examples: str) -> Actions:
    @click.pass_context
    def callback(
        context: click.Context, /, limit: int, cursor: str | None, as_groups: bool, as_json: bool, **given: Any
    ) -> None:
        if context.invoked_subcommand is None:
            listing.show(limit, cursor, as_groups, as_json, given)

    command: Any = redis_options(json_option(callback))
    command = click.option("--groups", "as_groups", is_flag=True, help="Count them by error class and message.")(
        command
    )
    command = filter_options()(_limit(cursor_option(command)))
    group: Actions = click.group(
        name,
        cls=Actions,
        invoke_without_command=True,
        help=about,
        epilog=f"\b\nExamples:\n{examples}\n{CODES}",
        subcommand_metavar="[ACTION ...]",
    )(command)
    for verb in listing.kind.can:
        group.add_command(_action(name, listing.kind, verb))
    return group


def _action(name: str, kind: type[JobSet], verb: str) -> click.Command:
    about = {
        "retry": "Puts them into their queues now; the attempt that failed does not count.",
        "enqueue": "Puts them into their queues now.",
        "kill": "Moves them to the dead jobs; of more than one it asks first.",
        "delete": "Deletes them for good; of more than one it asks first.",
    }[verb]
    epilog = (
        "\b\nExamples:\n"
        f"  fastkiq {name} {verb} JID\n"
        f"  fastkiq {name} {verb} --class Mail --error Timeout\n"
        f"  fastkiq {name} {verb} --all{'' if verb in ('retry', 'enqueue') else ' --yes'}\n\n{CODES}"
    )

    @click.pass_context
    def callback(context: click.Context, /, **_: Any) -> int:
        given = merged(context)
        choice = Choice(given.pop("ids"), wanted_of(given), given.pop("everything"))
        choice.check()
        yes, as_json = given.pop("yes", False), given.pop("as_json")
        config = configured(**given)
        return perform(kind(connect(config), config=config), verb, choice, yes=yes, as_json=as_json)

    command: Any = redis_options(json_option(callback))
    if verb in ("kill", "delete"):
        command = yes_option(command)
    command = click.option("--all", "everything", is_flag=True, help="All there are.")(command)
    command = click.argument("ids", nargs=-1, metavar="[JID|ID]...")(filter_options()(command))
    return click.command(verb, help=about, short_help=about, epilog=epilog)(command)


_GROUPS: Final[Sequence[Column]] = (
    Column("Jobs", "count", plain),
    Column("Earliest", "earliest", moment),
    Column("Latest", "latest", moment),
    Column("Group", "group", lambda text: printable(text, 500) or "(no error)", spare=True),
    Column("Classes", "classes", lambda classes: listed(list(classes)), free=True),
)

retries = _listing(
    "retries",
    _Listing(
        RetrySet,
        "no retries",
        [Column("Next", "at", moment), Column("Retry", "retry_count", plain), *JOB, *DETAILS],
    ),
    "Jobs that failed and wait to run again, the next first.",
    """\
  fastkiq retries --groups                       errors of one kind, counted
  fastkiq retries --class Mail --error Timeout
  fastkiq retries retry 4b1cd0aa5e2f4ae1a3f5c7d9
  fastkiq retries kill --group 'KeyError: #'
""",
)
scheduled = _listing(
    "scheduled",
    _Listing(ScheduledSet, "nothing is scheduled", [Column("When", "at", moment), *JOB, *DETAILS[:2]]),
    "Jobs that wait for their time, the next first.",
    """\
  fastkiq scheduled --class Mail --arg '"ann@example.org"'
  fastkiq scheduled enqueue 4b1cd0aa5e2f4ae1a3f5c7d9
  fastkiq scheduled delete --class Reminder --yes
""",
)
dead = _listing(
    "dead",
    _Listing(DeadSet, "no dead jobs", [Column("Died", "at", moment), *JOB, *DETAILS]),
    "Jobs that failed for the last time, the latest first.",
    """\
  fastkiq dead --groups                          errors of one kind, counted
  fastkiq dead --class Mail --error Timeout
  fastkiq dead retry 4b1cd0aa5e2f4ae1a3f5c7d9
  fastkiq dead delete --group 'KeyError: #' --yes
""",
)
