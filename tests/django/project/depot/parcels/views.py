from typing import Any

from django.db import transaction
from django.http import HttpResponse

from depot.parcels.tasks import label
from depot.parcels.workers import Weigh


def send(request: Any) -> HttpResponse:
    with transaction.atomic():
        return HttpResponse(label.enqueue(request.GET.get("to", "ann")).id)


async def asend(request: Any) -> HttpResponse:
    result = await label.aenqueue(request.GET.get("to", "ann"))
    await Weigh.aperform_async(1)
    return HttpResponse(result.id)
