"""The types of options that take a time or a span: `--at`, `--in`, `--every`."""

from datetime import datetime
from typing import Any, Final

import click

from fastkiq import spans


class _Time(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | float:
        try:
            return float(value)
        except ValueError:
            pass  # then it is a date
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither ISO 8601 nor epoch seconds", param, ctx)
        if when.utcoffset() is None:
            self.fail(f"{value!r} has no time zone: write {when.isoformat()}Z for UTC", param, ctx)
        return when


class _Span(click.ParamType):
    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return spans.seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


TIME: Final = _Time()
"""ISO 8601 with a zone, as an aware datetime, or epoch seconds."""
SPAN: Final = _Span()
"""Seconds: `fastkiq.spans` says how they are written."""
