"""Where pushes and runs are hooked into."""

from opentelemetry import metrics, trace

from fastkiq import _core, outlets
from fastkiq import config as configuration
from fastkiq.config import Config
from fastkiq.contrib.opentelemetry.producer import Producer
from fastkiq.contrib.opentelemetry.runs import Runs

_NAME = "fastkiq"
_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
_hooked: list[tuple[Config, Runs, Producer]] = []


def instrument(
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    link: bool = False,
    config: Config | None = None,
) -> None:
    """Spans and metrics of what this process enqueues and runs, from now on; called again, in place of the former.

    The providers are the global ones unless given. A run is a child of the push that has enqueued it; with `link` it
    begins a trace of its own that has a link to it, which suits jobs that run long after.
    """
    uninstrument()
    tracer = trace.get_tracer(_NAME, _core.__version__, tracer_provider, _SCHEMA)
    meter = metrics.get_meter(_NAME, _core.__version__, meter_provider, _SCHEMA)
    chosen = configuration.default() if config is None else config
    runs, producer = Runs(tracer, meter, link=link), Producer(tracer, meter)
    chosen.server_middleware.prepend(runs)
    outlets.add(producer.publish, last=True)
    _hooked.append((chosen, runs, producer))


def uninstrument() -> None:
    """Takes it out again. What is running ends its span."""
    while _hooked:
        config, runs, producer = _hooked.pop()
        config.server_middleware.remove(runs)
        outlets.remove(producer.publish)
