"""What ends a measurement."""

from fastkiq.errors import FastkiqError


class BenchError(FastkiqError):
    """The measurement cannot be made here, or did not come to its end; the message says what to do."""
