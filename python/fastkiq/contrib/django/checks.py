"""System checks: what `manage.py check` has to say, and `manage.py fastkiq process` before it begins."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django import VERSION
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections

from fastkiq import config as configuration
from fastkiq.config import VARIABLES
from fastkiq.contrib.django import conf
from fastkiq.errors import ConfigError, FastkiqError
from fastkiq.options import is_queue

if TYPE_CHECKING:
    from fastkiq.contrib.django.backend import FastkiqBackend

DOCS = "See docs/django.md."
TAG = "fastkiq"


def install() -> None:
    """Registers them; those that ask Redis run with `check --deploy` only, as Django's own slow ones."""
    register(of_settings, TAG)
    register(of_transactions, TAG)
    register(of_tasks, TAG)
    register(of_redis, TAG, deploy=True)


def of_settings(**_: Any) -> Iterator[CheckMessage]:
    """FASTKIQ: unknown names, values out of range, databases that are not there."""
    try:
        found = conf.read()
    except ConfigError as error:
        yield Error(str(error), hint=f"Nothing is enqueued until this is mended. {DOCS}", id="fastkiq.E001")
        return
    yield from _unknown_databases("FASTKIQ: enqueue_after_commit", found.databases)


def of_transactions(**_: Any) -> Iterator[CheckMessage]:
    """A worker may see a job before the request that enqueued it has committed."""
    try:
        held = conf.read().databases
    except ConfigError:
        return
    for alias in settings.DATABASES:
        if settings.DATABASES[alias].get("ATOMIC_REQUESTS") and alias not in held:
            yield Warning(
                f"The database {alias!r} has ATOMIC_REQUESTS, and jobs are enqueued before a request's transaction is "
                "committed: they may run before their rows can be seen, and do so even after a rollback.",
                hint=f"Say FASTKIQ = {{'enqueue_after_commit': {True if alias == 'default' else alias!r}, ...}}.",
                id="fastkiq.W001",
            )


def of_redis(**_: Any) -> Iterator[CheckMessage]:
    """Whether Redis is named, and answers."""
    if conf.problem is not None:
        return
    config = configuration.default()
    try:
        config.load_once()
    except FastkiqError as error:
        yield Error(str(error), id="fastkiq.E002")
        return
    if config.source("redis_url") == "default":
        yield Warning(
            f"Nobody has said where Redis is, so it is {config.safe_url()}.",
            hint=f"Say FASTKIQ = {{'redis_url': ...}}, or set {' or '.join(VARIABLES['redis_url'])}.",
            id="fastkiq.W002",
        )
    try:
        from fastkiq.client import Client

        probe = Client(config=config)
        try:
            probe.core.command("PING")
        finally:
            probe.close()
    except FastkiqError as error:
        yield Warning(f"Redis does not answer: {error}", hint=DOCS, id="fastkiq.W003")


def of_tasks(**_: Any) -> Iterator[CheckMessage]:
    """The entries of TASKS that are fastkiq's."""
    if VERSION < (6, 0) and find_spec("django_tasks") is None:
        return
    from fastkiq.contrib.django.backend import FastkiqBackend
    from fastkiq.contrib.django.compat import tasks

    for backend in tasks.task_backends.all():
        if isinstance(backend, FastkiqBackend):
            yield from of_backend(backend)


def of_app(backend: "FastkiqBackend") -> Iterator[CheckMessage]:
    """What the backend itself says, for a project in which none of these checks is registered."""
    if not apps.is_installed("fastkiq.contrib.django"):
        yield Error(
            f"TASKS[{backend.alias!r}] is fastkiq's, but its app is not installed: no worker would run its tasks.",
            hint="Put 'fastkiq.contrib.django' into INSTALLED_APPS.",
            id="fastkiq.E003",
        )


def of_backend(backend: "FastkiqBackend") -> Iterator[CheckMessage]:
    """One entry of TASKS."""
    where = f"TASKS[{backend.alias!r}]"
    for name in backend.queue_names:
        if not is_queue(name):
            yield Error(
                f"{where}: the queue {name!r:.80} must be made of letters, digits and _ : . -",
                hint="It is part of a key in Redis, and of command lines.",
                id="fastkiq.E004",
            )
    if backend.problem is not None:
        yield Error(str(backend.problem), hint=f"Nothing is enqueued until this is mended. {DOCS}", id="fastkiq.E005")
        return
    if backend.settings.databases:
        yield from _unknown_databases(f"{where}['OPTIONS']: ENQUEUE_AFTER_COMMIT", backend.settings.databases)
    without = [name for name in backend.queue_names if not backend.settings.priorities.known(name)]
    if "PRIORITIES" in backend.options and without:
        yield Warning(
            f"{where}: PRIORITIES names no queue beside {', '.join(map(repr, without))}: tasks there cannot have any.",
            hint="Name them there, or write '{queue}:high', '{queue}', '{queue}:low', which holds for each queue.",
            id="fastkiq.W004",
        )
    retry_queue = backend.settings.job.get("retry_queue")
    if retry_queue is not None and backend.queue_names and retry_queue not in served([backend]):
        yield Warning(
            f"{where}: retries go to the queue {retry_queue!r}, which is none of this backend's.",
            hint=f"Add it to QUEUES, or let workers serve it: manage.py fastkiq process -q {retry_queue}",
            id="fastkiq.W005",
        )


def served(backends: "list[FastkiqBackend]") -> list[str]:
    """The queues that workers of these backends serve when nobody says which."""
    return list(dict.fromkeys(name for each in backends for name in each.settings.priorities.served(each.queue_names)))


def _unknown_databases(where: str, aliases: tuple[str, ...]) -> Iterator[CheckMessage]:
    for alias in aliases:
        if alias not in connections:
            yield Error(
                f"{where}: there is no database {alias!r}.",
                hint=f"DATABASES has {', '.join(map(repr, connections))}.",
                id="fastkiq.E006",
            )
