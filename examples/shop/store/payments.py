"""The payment service, over HTTP: slow at times, away at times."""

import httpx
from django.conf import settings

from store.models import Order


class Declined(Exception):
    """The answer is no, and will be no the next time."""


class Unavailable(Exception):
    """There was no answer, or none to rely on. Perhaps the card was charged: only the same key asked again can tell."""


def charge(order: Order) -> str:
    """The id of the order's charge. Called again for the same order it answers the same charge, and makes no other.

    Raises Declined or Unavailable.
    """
    try:
        answer = httpx.post(
            f"{settings.SHOP_PAYMENT_URL}/charges",
            json={"card": order.card, "cents": int(order.total * 100), "reference": str(order)},
            headers={"Idempotency-Key": str(order.token)},
            timeout=settings.SHOP_PAYMENT_TIMEOUT,  # never without one: the thread would wait for ever
        )
    except httpx.TransportError as error:
        raise Unavailable(f"the payment service did not answer: {type(error).__name__}") from error
    if answer.status_code == 402:
        raise Declined(answer.json()["message"])
    if answer.status_code != 201:
        raise Unavailable(f"the payment service answered {answer.status_code}")
    return str(answer.json()["id"])
