"""Mails to customers. A kind of mail is a template in templates/mail; its first line is the subject."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from store.models import Mail, Order


def send(order: Order, kind: str) -> None:
    """Sends it unless it was sent. Should the process die between the two lines at the end it is sent once more, and
    the customer's mail program may know it by its Message-ID.
    """
    if Mail.objects.filter(order=order, kind=kind).exists():
        return
    subject, _, body = render_to_string(f"mail/{kind}.txt", {"order": order, "site": settings.SHOP_URL}).partition("\n")
    headers = {"Message-ID": f"<{kind}.{order.token}@{settings.SHOP_DOMAIN}>"}
    mail = EmailMessage(subject, body.strip() + "\n", to=[order.email], headers=headers)
    if kind == "confirmation":
        with order.invoice.open("rb") as invoice:
            mail.attach(f"invoice-{order.pk}.pdf", invoice.read(), "application/pdf")
    mail.send()
    Mail.objects.get_or_create(order=order, kind=kind)
