"""OpenTelemetry: `instrument()` makes spans and metrics of pushes and runs, by the conventions for messaging.

How it is used, and what there is: docs/opentelemetry.md.
"""

from fastkiq.contrib.opentelemetry.instrumentation import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
