"""`fastkiq cron`: recurring jobs, their next and last ticks, and what can be done to them."""

from typing import Any, Final

import click

from fastkiq.api import RecurringJob, RecurringSet, connect
from fastkiq.cli.confirm import confirm
from fastkiq.cli.cron_rows import ENTRIES, HISTORY, labelled, row, run_row
from fastkiq.cli.forms import moment
from fastkiq.cli.json_arguments import decoded
from fastkiq.cli.listing_options import CODES, Actions, json_option, yes_option
from fastkiq.cli.output import print_json, print_notes, print_table
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.rows import iso, time_row
from fastkiq.cli.time_option import span_of, time_of
from fastkiq.errors import ArgumentError
from fastkiq.options import suggestion
from fastkiq.printable import counted, printable

_EXAMPLES: Final = """\b
Examples:
  fastkiq cron                          all of them
  fastkiq cron show nightly             its ticks to come and its history
  fastkiq cron pause nightly
  fastkiq cron run nightly              once, now
  fastkiq cron add hourly app.Report --cron "0 * * * *"
  fastkiq cron add poll app.Poll '"eu"' --every 90s
"""


_ADD: Final = """\b
Examples:
  fastkiq cron add hourly app.Report --cron "0 * * * *"
  fastkiq cron add poll app.Poll '"eu"' --every 90s --first-in 5s -q low
  fastkiq cron add sync app.Sync --interval 5m --disabled
"""


@click.group(cls=Actions, invoke_without_command=True, epilog=_EXAMPLES)
@json_option
@redis_options
@click.pass_context
def cron(context: click.Context, /, as_json: bool, **given: Any) -> None:
    """Recurring jobs with their next and last ticks; with a command what can be done to them."""
    if context.invoked_subcommand is not None:
        return
    notes: list[str] = []
    recurring = _all(given)
    rows = [row(each) for each in recurring.some(recurring.names(notes))]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ENTRIES, "no recurring jobs")
    print_notes(notes)


@cron.command(
    short_help="Ticks to come and history of one.",
    epilog="\b\nExamples:\n  fastkiq cron show nightly\n  fastkiq cron show nightly -n 20 --json\n",
)
@click.argument("name")
@click.option("-n", "--count", type=click.IntRange(1, 100), default=5, show_default=True, help="Most ticks of each.")
@json_option
@redis_options
def show(name: str, count: int, as_json: bool, **given: Any) -> None:
    """Shows one recurring job, its ticks to come, and what became of the last ones."""
    recurring = _all(given)
    entry = _find(recurring, name)
    upcoming = recurring.upcoming(name, count)
    history = recurring.history(name, count)
    if as_json:
        print_json(
            {**row(entry), "upcoming": [time_row(each) for each in upcoming], "history": list(map(run_row, history))}
        )
        return
    for label, value in labelled(entry):
        click.echo(f"{label:<12}{printable(value, 1_000)}")
    if upcoming:
        click.echo("\nTicks to come")
        for tick in upcoming:
            click.echo(f"  {iso(tick)}  {moment(tick.timestamp())}")
    click.echo()
    print_table(list(map(run_row, history)), HISTORY, "it has not come due yet")


@cron.command(
    short_help="Lets their ticks pass without a job.",
    epilog="\b\nExamples:\n  fastkiq cron pause nightly\n  fastkiq cron resume nightly\n",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@redis_options
def pause(names: tuple[str, ...], **given: Any) -> None:
    """Lets the ticks of these recurring jobs pass without a job, also after deploys, until they are resumed."""
    recurring = _all(given)
    for name in dict.fromkeys(names):
        _find(recurring, name)
        recurring.pause(name)
        click.echo(f"{printable(name, 200)} is paused")


@cron.command(
    short_help="Runs them again from their next tick on.",
    epilog="\b\nExamples:\n  fastkiq cron resume nightly\n  fastkiq cron resume nightly hourly\n",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@redis_options
def resume(names: tuple[str, ...], **given: Any) -> None:
    """Lets these recurring jobs run again, from their next tick on."""
    recurring = _all(given)
    for name in dict.fromkeys(names):
        _find(recurring, name)
        was = recurring.resume(name)
        click.echo(f"{printable(name, 200)} {'goes on' if was else 'was not paused'}")


@cron.command(short_help="Enqueues one job of it now.", epilog="\b\nExamples:\n  fastkiq cron run nightly\n")
@click.argument("name")
@redis_options
def run(name: str, **given: Any) -> None:
    """Enqueues one job of this recurring job now, beside its ticks, and prints its jid."""
    recurring = _all(given)
    _find(recurring, name)
    click.echo(recurring.run_now(name))


@cron.command(short_help="Makes one, or changes one made so.", epilog=_ADD)
@click.argument("name")
@click.argument("worker", metavar="CLASS")
@click.argument("args", nargs=-1, metavar="[JSON]...")
@click.option("--cron", "expression", metavar="EXPRESSION", help='When: "0 6 * * mon-fri", with or without seconds.')
@click.option("--every", type=span_of, metavar="SPAN", help="When: 90s, 5m, 1h30m.")
@click.option("--first-in", type=span_of, metavar="SPAN", help="With --every: so long until the first one.")
@click.option("--interval", type=span_of, metavar="SPAN", help="When: so long after the one before was enqueued.")
@click.option("--at", type=time_of, metavar="TIME", help="Once: ISO 8601 with a zone, or epoch seconds.")
@click.option("--timezone", metavar="NAME", help="Of the cron expression: Europe/Berlin (UTC).")
@click.option("--missed", type=click.Choice(["skip", "once", "all"]), help="What becomes of ticks that were missed.")
@click.option("-q", "--queue", metavar="NAME", help="Queue (default).")
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option("--disabled", is_flag=True, help="It is there and does not come, until it is added without this.")
@redis_options
def add(
    name: str,
    worker: str,
    args: tuple[str, ...],
    expression: str | None,
    disabled: bool,
    redis_url: str | None,
    config_file: str | None,
    environment: str | None,
    **options: Any,
) -> None:
    """Makes a recurring job, or gives one that was made here another definition. Every process may run it."""
    recurring = RecurringSet(connect(configured(redis_url, config_file, environment)))
    given = {key: value for key, value in options.items() if value is not None}
    try:
        entry = recurring.add(
            name,
            worker,
            *decoded(args),
            cron=expression,
            enabled=not disabled,
            **given,
        )
    except ArgumentError as error:
        raise click.UsageError(str(error)) from None
    due = ", disabled" if disabled else "" if entry.next is None else f", next {iso(entry.next)}"
    click.echo(f"{printable(name, 200)}: {printable(entry.says, 300)}{due}")


@cron.command(
    short_help="Removes such as were added.",
    epilog=f"\b\nExamples:\n  fastkiq cron remove poll\n  fastkiq cron remove poll hourly --yes\n\n{CODES}",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@yes_option
@redis_options
def remove(names: tuple[str, ...], yes: bool, **given: Any) -> None:
    """Removes recurring jobs that were added by hand. What code or a file declares can only be paused."""
    recurring = _all(given)
    found = [_find(recurring, name) for name in dict.fromkeys(names)]
    if not yes:
        confirm(f"remove {counted(len(found), 'recurring job')}: {', '.join(names)}")
    for entry in found:
        try:
            recurring.remove(entry.name)
        except ArgumentError as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"{printable(entry.name, 200)} is removed")


def _all(given: dict[str, Any]) -> RecurringSet:
    return RecurringSet(connect(configured(**given)))


def _find(recurring: RecurringSet, name: str) -> RecurringJob:
    entry = recurring.get(name)
    if entry is None:
        raise click.ClickException(f"there is no recurring job {name[:200]!r}{suggestion(name, recurring.names())}")
    return entry
