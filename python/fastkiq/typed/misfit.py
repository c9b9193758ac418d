"""A value that is not what its annotation says."""

from typing import Any


class Misfit(ValueError):
    """`path` leads to the value, from the parameter on: `.lines[2].price`. Containers put themselves before it."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def under(self, step: str) -> "Misfit":
        """The same one, seen from the value that holds this one under `step`: `[2]` or `.price`."""
        self.path = step + self.path
        return self


def wanted(what: str, value: Any) -> Misfit:
    """`a UUID is wanted, not 'abc'`; of what is no JSON the type is enough."""
    shown = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__qualname__
    return Misfit(f"{what} is wanted, not {shown if len(shown) <= 80 else shown[:77] + '...'}")


class Unconvertible(Exception):
    """An annotation whose values cannot be told apart in JSON, or that nobody knows how to write as JSON."""
