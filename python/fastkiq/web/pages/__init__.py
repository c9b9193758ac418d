"""The pages, one file each with its `routes`. A new page is a new file, named here."""

from starlette.routing import BaseRoute

from fastkiq.web.pages import (
    api_acting,
    api_cron,
    api_reading,
    busy,
    cron,
    dashboard,
    groups,
    job_sets,
    jobs,
    metrics,
    preferences,
    processes,
    queue,
    queues,
    running,
    search,
    signals,
    static,
    stats,
    sweeps,
    waiting,
)


def routes() -> list[BaseRoute]:
    """All of them; the first that fits answers."""
    return [
        *dashboard.routes,
        *queues.routes,
        *queue.routes,
        *stats.routes,
        *api_reading.routes,
        *api_acting.routes,
        *api_cron.routes,
        *job_sets.routes,
        *groups.routes,
        *sweeps.routes,
        *jobs.routes,
        *waiting.routes,
        *running.routes,
        *search.routes,
        *busy.routes,
        *signals.routes,
        *processes.routes,
        *cron.routes,
        *metrics.routes,
        *preferences.routes,
        *static.routes,
    ]
