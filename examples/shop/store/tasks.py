"""Tasks in Django's own words (`django.tasks`, in Django 5.2 the package django-tasks); fastkiq is their backend."""

from django_tasks import task

from store import mails
from store.models import Order


@task(queue_name="mail")
def tell_shipped(order_id: int) -> None:
    """The last mail of an order."""
    mails.send(Order.objects.get(pk=order_id), "shipped")
