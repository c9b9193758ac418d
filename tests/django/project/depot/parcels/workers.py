import fastkiq


class Weigh(fastkiq.Worker, queue="scales", name="parcels.Weigh"):
    """A worker of fastkiq's own, beside the tasks."""

    def perform(self, pk: int) -> None:
        from depot.parcels.models import Parcel

        Parcel.objects.filter(pk=pk).update(note="weighed")
