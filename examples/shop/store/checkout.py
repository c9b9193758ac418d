"""From a cart to an order."""

from typing import Any

from django.db import transaction

from store import workers
from store.models import Cart, Order, OrderLine


def place(cart_id: int, customer: dict[str, Any]) -> Order | None:
    """Makes the cart an order and sets it going; None when there is no such cart any more: a second click.

    `proceed` enqueues within the transaction, and the job leaves when it commits (`FASTKIQ` in the settings): no job
    looks for an order that is not there yet, or never will be.
    """
    with transaction.atomic():
        cart = Cart.objects.select_for_update().filter(pk=cart_id).first()
        if cart is None:
            return None
        order = Order.objects.create(**customer)
        OrderLine.objects.bulk_create(
            OrderLine(order=order, product=line.product, quantity=line.quantity, price=line.product.price)
            for line in cart.lines.select_related("product")
        )
        cart.delete()
        order.note("Placed")
        workers.proceed(order)
    return order
