import asyncio
import threading
import time
from typing import Any

from django.db import connection
from django.utils import timezone, translation
from django.utils.translation import gettext

import fastkiq
from depot.parcels.models import Parcel

try:
    from django.tasks import task
except ImportError:  # before Django 6.0
    from django_tasks import task


@task
def label(to: str, note: str = "") -> int:
    return Parcel.objects.create(to=to, note=note).pk


@task()
async def alabel(to: str) -> dict[str, Any]:
    parcel = await Parcel.objects.acreate(to=to, note="async")
    await asyncio.sleep(0)
    return {"pk": parcel.pk, "thread": threading.current_thread().name}


@task(queue_name="mail", priority=50)
def urgent() -> str:
    return "sent"


@task(takes_context=True)
def attempt(context: Any, fails: int) -> list[Any]:
    if context.attempt <= fails:
        raise ValueError(f"attempt {context.attempt} of {context.task_result.id}")
    return [context.attempt, context.task_result.status, len(context.task_result.errors)]


@task()
def refused() -> None:
    try:
        raise TimeoutError("nobody answers")
    except TimeoutError as error:
        raise fastkiq.Retry(in_=60) from error


@task(takes_context=True)
async def aattempt(context: Any, fails: int) -> list[Any]:
    if context.attempt <= fails:
        raise ValueError(f"attempt {context.attempt}")
    return [context.attempt, context.task_result.status, len(context.task_result.errors)]


@task()
def surroundings() -> dict[str, Any]:
    return {
        "language": translation.get_language(),
        "text": gettext("Yes"),
        "zone": timezone.get_current_timezone_name(),
        "atomic": connection.in_atomic_block,
    }


@task()
async def asurroundings() -> dict[str, Any]:
    return {"language": translation.get_language(), "zone": timezone.get_current_timezone_name()}


@task()
def unkeepable() -> Any:
    return object()


@task(takes_context=True)
def hang_once(context: Any) -> int:
    if context.attempt == 1:
        time.sleep(60)
    return context.attempt
