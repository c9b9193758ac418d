"""`--at`: a time on the command line."""

from datetime import datetime

import click


def time_of(text: str) -> datetime | float:
    """ISO 8601 with a zone, or epoch seconds. Raises BadParameter."""
    try:
        return float(text)
    except ValueError:
        pass  # then it is a date
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither ISO 8601 nor epoch seconds", param_hint="--at") from None
    if when.utcoffset() is None:
        raise click.BadParameter(f"{text!r} has no time zone: write {when.isoformat()}Z for UTC", param_hint="--at")
    return when
