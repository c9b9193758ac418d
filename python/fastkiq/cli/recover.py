"""`fastkiq recover`: puts back by hand what dead processes have in flight."""

import json
import shutil
import sys
from typing import Any, Final

import click

from fastkiq import _core, client
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.cli.table import COLOURS, Column, Style, lines
from fastkiq.errors import RedisReplyError
from fastkiq.flights import Holder, Survey, look, scan
from fastkiq.logging import colourful
from fastkiq.printable import counted, printable
from fastkiq.recovery import Account, Recovery, condemned, is_ours, newcomer

_EXAMPLES = """\b
Examples:
  fastkiq recover --dry-run      who holds what, and what would happen
  fastkiq recover                puts back what the dead hold
  fastkiq recover --force ID     and what this living process holds
  fastkiq recover --purge        before Redis is left to something else

Exit codes: 0 all is back, or there was nothing; 1 something stays in flight, or --purge was refused, or Redis
failed; 2 called wrongly; 130 interrupted.
"""
_WOULD: Final = {
    "dead": "would go back at once",
    "gone": "would go back at once",
    "alive": "would stay: it lives",
    "newer": "would stay: a newer version of fastkiq wrote it, and only that can read it",
}
_STAYS: Final = {
    "alive": "stays: it lives",
    "newer": "stays: a newer version of fastkiq wrote it, and only that can read it",
}


@click.command(epilog=_EXAMPLES)
@click.option("--dry-run", is_flag=True, help="Change nothing: list who holds what, and what would happen.")
@click.option(
    "--force", "forced", multiple=True, metavar="ID", help="Fence this living process without waiting; repeatable."
)
@click.option("--purge", is_flag=True, help="Afterwards remove all of fastkiq's own keys, if nothing lives.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")
@redis_options
def recover(dry_run: bool, forced: tuple[str, ...], purge: bool, as_json: bool, **given: Any) -> int:
    """Puts the jobs that dead processes have in flight back to the front of their queues.

    Workers do that for each other. This is for when none runs, or none will again. A process is dead when it is in no
    registry, has ended on this machine, or shows no heartbeat for its whole lease (30 s), for which this command then
    waits. A living one keeps its jobs: stop it, or --force it; it then runs its jobs, and so does whoever gets them.

    A job that runs at the third death of its process goes to the dead set instead; death handlers are not called by
    this command.

    --purge removes fastkiq's own keys, whose names start with `fastkiq:`; queues, schedule, retries and dead jobs are
    Sidekiq's format and stay.
    """
    config = configured(**given)
    core = client.Client(config=config).core
    recovery = Recovery(core, (config.dead_max_jobs, config.dead_timeout_in_seconds), _say)
    survey = look(core)
    for identity in forced:
        if identity not in survey.holders:
            like = [name for name in survey.holders if name.startswith(identity)]
            hint = f"; did you mean {like[0]}?" if len(like) == 1 else ""
            raise click.BadParameter(f"no process is called {identity!r}{hint}", param_hint="--force")
    document = _plan(core, recovery, survey, forced) if dry_run else _account(recovery.run(survey, forced, purge))
    if not dry_run:
        survey = look(core)
    document["unreadable"] = survey.unreadable
    document["stays"] = sum(holder.jobs for holder in survey.holding)
    document["dry_run"] = dry_run
    refusal = None
    if purge and dry_run:
        refusal = _living(recovery, survey, forced) or newcomer(core)
        keys = {key for page in scan(core, "fastkiq:*") for key in page if is_ours(key)}
        document["purge"] = {"keys": len(keys), "refused": refusal}
    elif purge:
        removed, refusal, left = recovery.purge()
        document["purge"] = {"keys": removed, "refused": refusal, "left": list(left)}
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        _show(document)
    return 1 if document["stays"] or document["unreadable"] or refusal is not None else 0


def _say(text: str) -> None:
    click.echo(f"fastkiq: {text}", err=True)


def _plan(core: _core.Client, recovery: Recovery, survey: Survey, forced: tuple[str, ...]) -> dict[str, Any]:
    """What would happen to each process that holds jobs."""
    rows = []
    try:
        third = condemned(core, survey)
    except RedisReplyError as error:
        third = {}
        _say(f"which jobs would go to the dead set cannot be told: {printable(error, 500)}")
    for holder in survey.holding:
        state = recovery.judge(holder)
        would = _WOULD.get(state, f"would be watched for {holder.lease:g} s, then go back")
        if holder.identity in forced and state in ("alive", "stale"):
            state, would = "forced", "would go back at once, and run a second time where it runs now"
        jobs = third.get(holder.identity, []) if state not in ("alive", "newer") else []
        if jobs:
            would += f"; {len(jobs):,} to the dead set"
        row = _row(holder.identity, state, holder.queues, would, holder)
        rows.append(row | {"dead": [{"class": job_class, "jid": jid} for job_class, jid in jobs]})
    return {"processes": rows}


def _living(recovery: Recovery, survey: Survey, forced: tuple[str, ...]) -> str | None:
    """What would speak against a purge."""
    for holder in survey.holders.values():
        if holder.score is None or holder.identity in forced:
            continue
        if recovery.judge(holder) in ("alive", "newer"):
            return f"{holder.identity} lives"
    return None


def _account(accounts: list[Account]) -> dict[str, Any]:
    """What has happened to each process."""
    rows = []
    for account in accounts:
        if not account.queues and not account.moved and not account.poison and account.refusal is None:
            continue  # it held nothing: only --purge has looked at it
        done = _STAYS.get(account.state, "stays") if account.stays else _done(account)
        row = _row(account.identity, account.state, account.queues, done, None)
        poison = [{"class": job_class, "jid": jid} for job_class, jid in account.poison]
        row |= {"put_back": account.moved, "dead": poison, "stays": account.stays, "refusal": account.refusal}
        rows.append(row)
    return {"processes": rows, "put_back": sum(account.moved for account in accounts)}


def _done(account: Account) -> str:
    if not account.poison:
        return "put back"
    return (
        f"{account.moved:,} put back, {len(account.poison):,} to the dead set" if account.moved else "to the dead set"
    )


def _row(identity: str, state: str, queues: dict[str, int], what: str, holder: Holder | None) -> dict[str, Any]:
    row: dict[str, Any] = {"process": identity, "state": state, "queues": queues, "what": what}
    if holder is not None and holder.score is not None:
        row |= {"seconds_since_beat": round(holder.age, 1), "lease": holder.lease}
    return row


def _show(document: dict[str, Any]) -> None:
    rows = [
        {"process": row["process"], "state": row["state"], "queue": queue, "jobs": jobs, "what": _what(row)}
        for row in document["processes"]
        for queue, jobs in (row["queues"] or {"": 0}).items()
    ]
    columns = [
        Column("Process", "process", lambda name: printable(name, 200)),
        Column("State", "state", str),
        Column("Queue", "queue", lambda name: printable(name, 200)),
        Column("Jobs", "jobs", lambda jobs: f"{jobs:,}"),
        Column("", "what", lambda text: printable(text, 300), free=True),
    ]
    if rows:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        click.echo("\n".join(lines(rows, columns, width, COLOURS if colourful(sys.stdout) else Style())))
    for key in document["unreadable"]:
        _say(f"{printable(key, 200)} looks like a flight and is none: it stays as it is")
    for row in document["processes"]:
        for job in row.get("dead", ()):
            name, jid = printable(job["class"], 100), printable(job["jid"], 100)
            went = "would go" if document["dry_run"] else "went"
            _say(f"{name} {jid} {went} to the dead set: its process died three times while it ran")
    if not document["dry_run"]:
        _say(f"{counted(document['put_back'], 'job')} put back, {document['stays']:,} in flight")
    elif not rows:
        _say("nothing is in flight")
    if "purge" in document:
        _show_purge(document["purge"], document["dry_run"])


def _what(row: dict[str, Any]) -> str:
    return row["what"] if row.get("refusal") is None else f"{row['what']}: {row['refusal']}"


def _show_purge(purge: dict[str, Any], dry_run: bool) -> None:
    keys = counted(purge["keys"], "key")
    if purge["refused"] is not None:
        _say(f"fastkiq's keys stay: {printable(purge['refused'], 500)}")
    elif dry_run:
        _say(f"after that --purge would remove fastkiq's own keys, {purge['keys']:,} now")
    else:
        _say(f"{keys} of fastkiq's own removed")
    for key in purge.get("left", ()):
        _say(f"{printable(key, 200)} is no key that this version knows: it stays")
