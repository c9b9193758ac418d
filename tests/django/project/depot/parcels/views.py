from typing import Any

from django.db import transaction
from django.http import HttpResponse

from depot.parcels.models import Parcel
from depot.parcels.tasks import label
from depot.parcels.workers import Weigh


def send(request: Any) -> HttpResponse:
    to = request.GET.get("to", "ann")
    with transaction.atomic():
        Parcel.objects.create(to=to)
        result = label.enqueue(to)
    if "fail" in request.GET:
        raise RuntimeError("after the enqueue")
    return HttpResponse(result.id)


async def asend(request: Any) -> HttpResponse:
    result = await label.aenqueue(request.GET.get("to", "ann"))
    await Weigh.aperform_async(1)
    return HttpResponse(result.id)
