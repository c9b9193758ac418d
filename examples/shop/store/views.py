"""The pages. Each answers at once: whatever takes time, or may fail, is a job."""

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from store import carts, checkout
from store.forms import AddForm, CheckoutForm, QuantityForm
from store.models import CartLine, Order, Product


@require_GET
def front(request: HttpRequest) -> HttpResponse:
    return render(request, "store/front.html", {"products": Product.objects.all()})


@require_GET
def product(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "store/product.html", {"product": get_object_or_404(Product, slug=slug), "form": AddForm()})


@require_POST
def add(request: HttpRequest, slug: str) -> HttpResponse:
    product = get_object_or_404(Product, slug=slug)
    form = AddForm(request.POST)
    if not form.is_valid():
        return render(request, "store/product.html", {"product": product, "form": form}, status=422)
    cart = carts.find_or_make(request)
    CartLine.objects.update_or_create(cart=cart, product=product, defaults=form.cleaned_data)
    cart.save()  # it was touched
    return redirect("cart")


@require_GET
def cart(request: HttpRequest) -> HttpResponse:
    return render(request, "store/cart.html", {"cart": carts.find(request)})


@require_POST
def change(request: HttpRequest, line_id: int) -> HttpResponse:
    line = get_object_or_404(CartLine, pk=line_id, cart=carts.find(request))
    form = QuantityForm(request.POST)
    if form.is_valid():
        line.quantity = form.cleaned_data["quantity"]
        line.save() if line.quantity else line.delete()
        line.cart.save()
    return redirect("cart")


def check_out(request: HttpRequest) -> HttpResponse:
    cart = carts.find(request)
    if cart is None or not cart.lines.exists():
        return redirect(carts.ordered(request) or "cart")  # a second click, most likely
    form = CheckoutForm(request.POST or None)
    if form.is_valid():
        return redirect(checkout.place(cart.token, form.cleaned_data))
    return render(request, "store/checkout.html", {"cart": cart, "form": form}, status=422 if form.errors else 200)


@require_GET
def order(request: HttpRequest, token: str) -> HttpResponse:
    return render(request, "store/order.html", {"order": get_object_or_404(Order, token=token)})


@require_GET
def progress(request: HttpRequest, token: str) -> HttpResponse:
    """The part of the order's page that changes; progress.js asks for it."""
    return render(request, "store/progress.html", {"order": get_object_or_404(Order, token=token)})


@require_GET
def invoice(request: HttpRequest, token: str) -> FileResponse:
    order = get_object_or_404(Order, token=token)
    if not order.invoice:
        raise Http404("not yet")
    return FileResponse(order.invoice.open("rb"), as_attachment=True, filename=f"invoice-{order.pk}.pdf")
