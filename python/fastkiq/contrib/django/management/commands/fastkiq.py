"""`manage.py fastkiq`: fastkiq's command line, with the project set up."""

import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fastkiq.cli import run
from fastkiq.contrib.django.checks import TAG


class Command(BaseCommand):
    """All that follows the name goes to fastkiq as it is."""

    help = "Runs jobs (process), serves the web UI (web) and all else that the command `fastkiq` does."
    requires_system_checks: tuple[str, ...] = ()  # but see `handle`

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "command",
            nargs=REMAINDER,
            metavar="COMMAND [ARGUMENT ...]",
            help="process -q high, web, stats, --help, ...",
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """Past Django's own parser, which would take `-v` and `--version` for itself."""
        words = without_djangos(argv[2:])
        try:
            self._check(words)
        except CommandError as error:
            self.stderr.write(str(error))
            sys.exit(error.returncode)
        sys.exit(run(words or ["--help"]))

    def handle(self, *_: Any, **options: Any) -> None:
        """For `call_command("fastkiq", "process", "--drain")`."""
        self._check(options["command"])
        code = run(options["command"] or ["--help"])
        if code:
            raise CommandError(f"fastkiq {' '.join(options['command'])} ended with {code}", returncode=code)

    def _check(self, words: list[str]) -> None:
        """A worker that cannot work is not started. Other checks would load urls.py, and so the whole site."""
        if words[:1] == ["process"] and "--help" not in words and "-h" not in words:
            self.check(tags=[TAG])


def without_djangos(words: list[str]) -> list[str]:
    """Without `--settings` and `--pythonpath`, which Django has obeyed already."""
    left: list[str] = []
    pending = iter(words)
    for word in pending:
        if word in ("--settings", "--pythonpath"):
            next(pending, None)
        elif not word.startswith(("--settings=", "--pythonpath=")):
            left.append(word)
    return left
