"""The visitor's cart: its id is in the session."""

from django.http import HttpRequest

from store.models import Cart


def find(request: HttpRequest) -> Cart | None:
    """The cart, if there is one."""
    return Cart.objects.filter(pk=request.session.get("cart")).first()


def find_or_make(request: HttpRequest) -> Cart:
    """The cart, made for a visitor who has none."""
    cart = find(request) or Cart.objects.create()
    request.session["cart"] = cart.pk
    return cart


def in_pages(request: HttpRequest) -> dict[str, int]:
    """For every template: how many things are in the cart."""
    cart = find(request)
    return {"cart_count": sum(cart.lines.values_list("quantity", flat=True)) if cart else 0}
