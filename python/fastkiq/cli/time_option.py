"""What options that take a time or a span make of it: `--at`, `--in`, `--every`. click names the option in errors."""

from datetime import datetime

import click

from fastkiq import spans


def time_of(text: str) -> datetime | float:
    """ISO 8601 with a zone, or epoch seconds. Raises BadParameter."""
    try:
        return float(text)
    except ValueError:
        pass  # then it is a date
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither ISO 8601 nor epoch seconds") from None
    if when.utcoffset() is None:
        raise click.BadParameter(f"{text!r} has no time zone: write {when.isoformat()}Z for UTC")
    return when


def span_of(text: str) -> float:
    """Seconds. Raises BadParameter."""
    try:
        return spans.seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
