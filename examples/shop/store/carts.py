"""The visitor's cart: its token is in the session."""

from django.http import HttpRequest

from store.models import Cart, Order


def find(request: HttpRequest) -> Cart | None:
    """The cart, if there is one."""
    return Cart.objects.filter(token=request.session.get("cart")).first()


def find_or_make(request: HttpRequest) -> Cart:
    """The cart, made for a visitor who has none."""
    cart = find(request) or Cart.objects.create()
    request.session["cart"] = str(cart.token)
    return cart


def ordered(request: HttpRequest) -> Order | None:
    """The order that the cart has become, if it has."""
    return Order.objects.filter(token=request.session.get("cart")).first()


def in_pages(request: HttpRequest) -> dict[str, int]:
    """For every template: how many things are in the cart."""
    cart = find(request)
    return {"cart_count": sum(cart.lines.values_list("quantity", flat=True)) if cart else 0}
