"""`fastkiq cron`: recurring jobs, their next and last ticks, and what can be done to them."""

from datetime import datetime
from typing import Any, Final

import click

from fastkiq import _core
from fastkiq.api import RecurringJob, RecurringSet, Run, connect
from fastkiq.api.recurring_job import facts
from fastkiq.cli.confirm import confirm
from fastkiq.cli.forms import moment, plain
from fastkiq.cli.listing_options import CODES, Actions, json_option, yes_option
from fastkiq.cli.output import print_json, print_notes, print_table
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.rows import Row, iso
from fastkiq.cli.table import Column
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
  fastkiq cron add poll app.Poll '"eu"' --every 90s -q low
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
    recurring = RecurringSet(connect(configured(**given)))
    rows = [_row(each) for each in recurring.some(recurring.names(notes))]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, _ENTRIES, "no recurring jobs")
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
    recurring, entry = _find(name, given)
    upcoming = recurring.upcoming(name, count)
    history = recurring.history(name, count)
    if as_json:
        print_json({**_row(entry), "upcoming": [_time(each) for each in upcoming], "history": list(map(_run, history))})
        return
    for label, value in _facts(entry):
        click.echo(f"{label:<12}{printable(value, 1_000)}")
    if upcoming:
        click.echo("\nTicks to come")
        for tick in upcoming:
            click.echo(f"  {iso(tick)}  {moment(tick.timestamp())}")
    click.echo()
    print_table(list(map(_run, history)), _HISTORY, "it has not come due yet")


@cron.command(
    short_help="Lets their ticks pass without a job.",
    epilog="\b\nExamples:\n  fastkiq cron pause nightly\n  fastkiq cron resume nightly\n",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@redis_options
def pause(names: tuple[str, ...], **given: Any) -> None:
    """Lets the ticks of these recurring jobs pass without a job, also after deploys, until they are resumed."""
    for name in dict.fromkeys(names):
        recurring, _ = _find(name, given)
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
    for name in dict.fromkeys(names):
        recurring, _ = _find(name, given)
        was = recurring.resume(name)
        click.echo(f"{printable(name, 200)} {'goes on' if was else 'was not paused'}")


@cron.command(short_help="Enqueues one job of it now.", epilog="\b\nExamples:\n  fastkiq cron run nightly\n")
@click.argument("name")
@redis_options
def run(name: str, **given: Any) -> None:
    """Enqueues one job of this recurring job now, beside its ticks, and prints its jid."""
    recurring, _ = _find(name, given)
    click.echo(recurring.run_now(name))


@cron.command(short_help="Makes one, or changes one made so.", epilog=_ADD)
@click.argument("name")
@click.argument("worker", metavar="CLASS")
@click.argument("args", nargs=-1, metavar="[JSON]...")
@click.option("--cron", "expression", metavar="EXPRESSION", help='When: "0 6 * * mon-fri", with or without seconds.')
@click.option("--every", metavar="SPAN", help="When: 90s, 5m, 1h30m.")
@click.option("--at", metavar="TIME", help="Once: ISO 8601 with a zone, or epoch seconds.")
@click.option("--timezone", metavar="NAME", help="Of the cron expression: Europe/Berlin (UTC).")
@click.option("--missed", type=click.Choice(["skip", "once", "all"]), help="What becomes of ticks that were missed.")
@click.option("-q", "--queue", metavar="NAME", help="Queue (default).")
@click.option("--description", metavar="TEXT", help="What it is for.")
@redis_options
def add(
    name: str,
    worker: str,
    args: tuple[str, ...],
    expression: str | None,
    every: str | None,
    at: str | None,
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
            *(_json(text, position) for position, text in enumerate(args, 1)),
            cron=expression,
            every=None if every is None else span_of(every, "--every"),
            at=None if at is None else time_of(at),
            **given,
        )
    except ArgumentError as error:
        raise click.UsageError(str(error)) from None
    due = "" if entry.next is None else f", next {iso(entry.next)}"
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
    found = [_find(name, given) for name in dict.fromkeys(names)]
    if not yes:
        confirm(f"remove {counted(len(found), 'recurring job')}: {', '.join(names)}")
    for recurring, entry in found:
        try:
            recurring.remove(entry.name)
        except ArgumentError as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"{printable(entry.name, 200)} is removed")


def _find(name: str, given: dict[str, Any]) -> tuple[RecurringSet, RecurringJob]:
    recurring = RecurringSet(connect(configured(**given)))
    entry = recurring.get(name)
    if entry is None:
        raise click.ClickException(f"there is no recurring job {name[:200]!r}{suggestion(name, recurring.names())}")
    return recurring, entry


def _json(text: str, position: int) -> Any:
    try:
        return _core.decode(text)
    except ValueError as error:
        shown = printable(text, 60)
        raise click.UsageError(
            f"argument {position} is no JSON: {shown} ({error}); a text is written '\"{shown}\"'"
        ) from None


def _row(entry: RecurringJob) -> Row:
    return {
        **facts(entry),
        "schedule": entry.says or entry.flaw,
        "next": _time(entry.next),
        "last": _run(entry.last) if entry.last else None,
    }


def _run(run: Run) -> Row:
    return {"tick": _time(run.tick), "at": _time(run.at), "jid": run.jid, "how": run.how}


def _time(when: datetime | None) -> Row | None:
    return None if when is None else {"iso": iso(when), "epoch": when.timestamp()}


def _facts(entry: RecurringJob) -> list[tuple[str, str]]:
    found = entry.definition
    facts = [("Name", entry.name), ("Schedule", entry.says or entry.flaw)]
    if found is not None:
        exact = found.cron or ""
        facts += [("Expression", f"{exact} ({found.timezone})")] if exact else []
        facts += [("Class", found.class_name), ("Queue", found.queue), ("Missed", found.missed)]
        facts += [("Declared by", found.source)]
        facts += [("About", found.description)] if found.description else []
    facts += [("State", ", ".join(_states(entry)) or "active")]
    return facts


def _states(entry: RecurringJob) -> list[str]:
    states = ["paused"] if entry.is_paused else []
    states += ["orphaned: no living process declares it"] if entry.is_orphaned else []
    states += ["disabled"] if entry.definition is not None and not entry.definition.enabled else []
    return states + (["unreadable"] if entry.definition is None else [])


def _due(time: Row | None) -> str:
    return "" if time is None else moment(time["epoch"])


def _last(run: Row | None) -> str:
    return "" if run is None else f"{_due(run['tick'])}{'' if run['how'] == 'tick' else ' (' + run['how'] + ')'}"


_ENTRIES: Final = (
    Column("Name", "name", plain),
    Column("Next", "next", _due),
    Column("Last", "last", _last),
    Column("Class", "class", plain),
    Column("Queue", "queue", plain, spare=True),
    Column("", "paused", lambda paused: "paused" if paused else ""),
    Column("", "orphaned", lambda orphaned: "orphaned" if orphaned else ""),
    Column("Schedule", "schedule", plain, free=True),
)
_HISTORY: Final = (
    Column("Due", "tick", lambda time: "" if time is None else time["iso"]),
    Column("", "how", plain),
    Column("Jid", "jid", plain),
    Column("Enqueued", "at", _due),
)
