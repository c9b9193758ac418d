"""What Django does around a request, around each job: connections, language and time zone.

The last two go along with the job where they are not the project's own. What a job activates ends with it, since Django
keeps them in context variables. The signals of requests are not sent: a job is none.
"""

import re
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import AbstractContextManager
from typing import Any, Final
from zoneinfo import ZoneInfo

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.db import connections
from django.utils import timezone, translation

import fastkiq
from fastkiq.config import Config
from fastkiq.worker import Worker

_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,40}(/[A-Za-z0-9_+-]{1,40}){0,3}")


class Around:
    """Server middleware. A job that runs inside of the caller's own code leaves the connections alone, and one that a
    test runs inside of a transaction (fastkiq.testing in Django's TestCase) the connection of that."""

    def call(self, worker: Worker, job: Any) -> Generator[None, None, None]:
        """In a thread, whose connections outlive the job."""
        if worker._unit is None:
            yield
            return
        held = in_transactions()
        close_old(held)
        try:
            yield
        finally:
            close_old(held)

    async def acall(self, worker: Worker, job: Any) -> AsyncGenerator[None, None]:
        """On the event loop: each job has a thread of its own for what must not block, the database above all, as each
        request has under ASGI. With the thread go its connections."""
        if worker._unit is None:
            yield
            return
        async with ThreadSensitiveContext():
            try:
                yield
            finally:
                await sync_to_async(connections.close_all)()


def in_transactions() -> set[str]:
    """The aliases of this thread's connections with an open `atomic`."""
    return {each.alias for each in connections.all(initialized_only=True) if each.in_atomic_block}


def close_old(held: Collection[str]) -> None:
    """What Django does to this thread's connections around a request, but for these aliases. With DEBUG it keeps their
    queries until the next one begins; those that a test captures stay."""
    for connection in connections.all(initialized_only=True):
        if not connection.force_debug_cursor:
            connection.queries_log.clear()
        if connection.alias not in held:
            connection.close_if_unusable_or_obsolete()


def install(config: Config) -> None:
    """Into this configuration, once."""
    if Around not in config.server_middleware:
        config.server_middleware.prepend(Around)
    fastkiq.carry("django.language", read=_language, enter=_in_language)
    fastkiq.carry("django.timezone", read=_zone, enter=_in_zone)


def _language() -> str | None:
    language = translation.get_language()
    return language if settings.USE_I18N and language != settings.LANGUAGE_CODE else None


def _in_language(value: Any) -> AbstractContextManager[Any]:
    if not isinstance(value, str) or not translation.check_for_language(value):
        value = settings.LANGUAGE_CODE
    return translation.override(value)


def _zone() -> str | None:
    name = timezone.get_current_timezone_name()
    return name if settings.USE_TZ and name != timezone.get_default_timezone_name() and _ZONE.fullmatch(name) else None


def _in_zone(value: Any) -> AbstractContextManager[Any]:
    return timezone.override(_zone_of(value) if isinstance(value, str) else None)


def _zone_of(name: str) -> ZoneInfo | None:
    """None, which is the project's own, for what this machine does not know."""
    try:
        return ZoneInfo(name) if _ZONE.fullmatch(name) else None
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return None
