"""`fastkiq doctor`: what would lose jobs, or lets work stand still."""

import json
import shutil
import sys
from typing import Any, Final

import click

from fastkiq import _core, client
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.doctor import examine
from fastkiq.doctor.finding import LEVELS, Finding, Level, worst
from fastkiq.errors import RedisAuthError, RedisConnectionError, RedisError
from fastkiq.logging import colourful
from fastkiq.printable import counted, printable

_CODES: Final[dict[Level, int]] = {"ok": 0, "info": 0, "unknown": 0, "warning": 1, "critical": 3}
_UNREACHABLE: Final = 4
_STYLES: Final[dict[Level, str]] = {
    "ok": "green",
    "info": "cyan",
    "unknown": "dim",
    "warning": "yellow",
    "critical": "bold red",
}
_LONGEST: Final = 500

_EXAMPLES = """\b
Examples:
  fastkiq doctor                        what is wrong, then what is fine
  fastkiq doctor --quiet                only what is wrong
  fastkiq doctor --json --redis URL     for programs: each check by itself

Exit codes, for monitors: 0 fine (what is not known counts as fine), 1 warnings, 2 called wrongly, 3 critical: jobs
can be lost or work stands still, 4 Redis cannot be asked, 130 interrupted.
"""


@click.command(epilog=_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="Print only warnings, what is critical, and what is not known.")
@redis_options
def doctor(as_json: bool, quiet: bool, **given: Any) -> int:
    """Looks at Redis, workers and queues, and says what would lose jobs or lets work stand still.

    It changes nothing. Where there is very much to look at, it looks at a part and says so.
    """
    config = configured(**given)
    document: dict[str, Any] = {"redis": config.safe_url(), "fastkiq": _core.__version__}
    try:
        asked = client.Client(config=config).core
        wait = config.redis_timeout / 2  # as the core waits for them
        url, embedded = config.resolved_url(), config.is_embedded()
        name, findings = examine(asked, url, config.wait_replicas, wait, embedded=embedded)
    except RedisError as error:
        document |= {"level": "unreachable", "exit_code": _UNREACHABLE, "error": printable(error, _LONGEST)}
        document |= {"do": _way_out(error, config.safe_url()), "findings": []}
        if as_json:
            click.echo(json.dumps(document, indent=2))
        else:
            hint = f" ({document['do']})" if document["do"] else ""
            click.echo(f"fastkiq: Redis cannot be asked: {document['error']}{hint}", err=True)
        return _UNREACHABLE
    level = worst(findings)
    document |= {"server": name, "level": level, "exit_code": _CODES[level]}
    shown = [each for each in findings if not quiet or each.level not in ("ok", "info")]
    if as_json:
        document["findings"] = [
            {"check": each.check, "level": each.level, "found": each.found, "do": each.do} for each in shown
        ]
        click.echo(json.dumps(document, indent=2))
    else:
        _show(document, findings, shown, quiet)
    return _CODES[level]


def _way_out(error: RedisError, url: str) -> str:
    """What to do about a Redis that cannot be asked, where that can be told."""
    text = str(error)
    if "without any password configured" in text:
        return "this Redis has no password: leave it out of the URL"
    if isinstance(error, RedisAuthError) or "NOAUTH" in text or "WRONGPASS" in text:
        return "the URL needs the right user and password: redis://user:password@host, or redis://:password@host"
    if not isinstance(error, RedisConnectionError):
        return ""
    if url.startswith("rediss://"):
        return "is Redis running, and does that port speak TLS? rediss:// on a plain port gets no answer"
    return "is Redis running? --redis URL says where; --redis embedded needs none"


def _show(document: dict[str, Any], findings: list[Finding], shown: list[Finding], quiet: bool) -> None:
    head = f"{printable(document['server'], 80)} at {printable(document['redis'], 200)}"
    counts = ((level, sum(each.level == level for each in findings)) for level in reversed(LEVELS))
    tail = ", ".join(f"{count} {level}" for level, count in counts if count)
    shown = _folded(shown)
    if sys.stdout.isatty():
        _paint(head, shown, tail, quiet)
    elif not quiet:
        click.echo("\n".join([head, *map(_line, shown), tail]))
    elif shown:
        click.echo("\n".join(map(_line, shown)))


def _folded(findings: list[Finding]) -> list[Finding]:
    """The gravest first; those that are fine in one."""
    bad = sorted((each for each in findings if each.level != "ok"), key=lambda each: -LEVELS.index(each.level))
    fine = [each.check for each in findings if each.level == "ok"]
    return [*bad, Finding(f"{counted(len(fine), 'check')} ok", "ok", ", ".join(fine))] if fine else bad


def _line(finding: Finding) -> str:
    """One finding, one line: for a file or `grep`."""
    do = f"; {printable(finding.do, _LONGEST)}" if finding.do and finding.level != "ok" else ""
    return f"{finding.level:<8}  {finding.check:<16}  {printable(finding.found, _LONGEST)}{do}"


def _paint(head: str, shown: list[Finding], tail: str, quiet: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size().columns
    console = Console(width=width, no_color=not colourful(sys.stdout), highlight=False)
    if not quiet:
        console.print(Text(head, style="dim"))
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column()
    for finding in shown:
        text = Text(printable(finding.found, _LONGEST))
        if finding.do and finding.level != "ok":
            text.append(f"\n{printable(finding.do, _LONGEST)}", style="dim")
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), Text(finding.check), text)
    if shown:
        console.print(table)
    if not quiet:
        console.print(Text(tail, style=_STYLES[worst(shown)]))
