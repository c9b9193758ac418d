"""`/stats` and `/stats/queues` as Sidekiq's Web UI answers them, key by key: monitors read them."""

from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fastkiq import api
from fastkiq.web.summary import read_figures
from fastkiq.web.view import current

_MOST_QUEUES: Final = 100_000


def stats(request: Request) -> Response:
    """All figures."""
    redis = current().site.redis
    summary, server = read_figures(redis)
    return JSONResponse(
        {
            "sidekiq": {
                "processed": summary.processed,
                "failed": summary.failed,
                "busy": summary.busy,
                "processes": summary.processes,
                "enqueued": summary.enqueued,
                "scheduled": summary.scheduled,
                "retries": summary.retries,
                "dead": summary.dead,
                "default_latency": round(api.Stats(redis).default_latency(), 3),
            },
            "redis": {
                "redis_version": server.redis_version,
                "uptime_in_days": str(server.uptime_days),
                "connected_clients": str(server.clients),
                "used_memory_human": _human(server.memory),
                "used_memory_peak_human": _human(server.peak_memory),
                "store_name": server.name.capitalize(),
                "store_version": server.version,
            },
            "server_utc_time": datetime.now(UTC).strftime("%H:%M:%S UTC"),
        }
    )


def queues(request: Request) -> Response:
    """Queue -> jobs, the fullest first."""
    states = api.queues(current().site.redis, most=_MOST_QUEUES)
    return JSONResponse({state.name: state.size for state in sorted(states, key=lambda each: -each.size)})


def moved(request: Request) -> Response:
    """Where Sidekiq had it once."""
    return RedirectResponse(current().url("/stats"), 302)


def _human(count: float) -> str:
    """As Redis writes it: `1.05M`."""
    for unit in ("B", "K", "M", "G", "T"):
        if count < 1024 or unit == "T":
            break
        count /= 1024
    return f"{count:.0f}B" if unit == "B" else f"{count:.2f}{unit}"


routes: Final[list[BaseRoute]] = [
    Route("/stats", stats),
    Route("/stats/queues", queues),
    Route("/dashboard/stats", moved),
]
