"""What is on the shelves. Both functions want to be called in a transaction."""

from django.db.models import F

from store.models import Order, Product


def take(order: Order) -> bool:
    """Takes all that was ordered, or nothing, and then answers False, when something is short."""
    wanted = {line.product_id: line.quantity for line in order.lines.all()}
    # Locked in the same order by everybody: two orders of the same two products never wait for each other.
    products = list(Product.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))
    if any(product.stock < wanted[product.pk] for product in products):
        return False
    for product in products:
        Product.objects.filter(pk=product.pk).update(stock=F("stock") - wanted[product.pk])
    return True


def put_back(order: Order) -> None:
    """The reverse."""
    for line in order.lines.order_by("product_id"):
        Product.objects.filter(pk=line.product_id).update(stock=F("stock") + line.quantity)
