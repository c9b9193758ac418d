"""From a cart to an order."""

from typing import Any
from uuid import UUID

from django.db import transaction

from store import workers
from store.models import Cart, Order, OrderLine


def place(token: UUID, customer: dict[str, Any]) -> Order:
    """Makes the cart an order and sets it going. A second click finds the order that the first one has made.

    `proceed` enqueues within the transaction, and the job leaves when it commits (`FASTKIQ` in the settings): no job
    looks for an order that is not there yet, or never will be.
    """
    with transaction.atomic():
        cart = Cart.objects.select_for_update().filter(token=token).first()
        if cart is None:
            return Order.objects.get(token=token)
        order = Order.objects.create(token=token, **customer)
        OrderLine.objects.bulk_create(
            OrderLine(order=order, product=line.product, quantity=line.quantity, price=line.product.price)
            for line in cart.lines.select_related("product")
        )
        cart.delete()
        order.note("Placed")
        workers.proceed(order)
    return order
