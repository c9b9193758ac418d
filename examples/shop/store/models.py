"""What the shop sells, and what it has sold."""

import uuid
from decimal import Decimal

from django.core.files.storage import Storage, storages
from django.db import models
from django.urls import reverse


def invoice_storage() -> Storage:
    """Where not everybody can read."""
    return storages["invoices"]


class Product(models.Model):
    """A thing with a picture. The thumbnail is made by a job."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    description = models.TextField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField()
    picture = models.ImageField(upload_to="products")
    thumbnail = models.ImageField(upload_to="thumbnails", blank=True, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.name)

    def get_absolute_url(self) -> str:
        return reverse("product", args=[self.slug])


class Cart(models.Model):
    """A visitor's, named in the session. Forgotten after a week in which nothing was put into it."""

    token = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    touched_at = models.DateTimeField(auto_now=True, db_index=True)

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines.all()), Decimal(0))


class CartLine(models.Model):
    cart = models.ForeignKey(Cart, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE)
    quantity = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=["cart", "product"], name="one_line_a_product"),)

    @property
    def total(self) -> Decimal:
        return Decimal(self.quantity * self.product.price)


class State(models.TextChoices):
    """How far an order is. `workers.proceed` says what comes after each."""

    PLACED = "placed", "Placed"
    RESERVED = "reserved", "In stock, waiting for the payment"
    PAID = "paid", "Paid, being packed"
    SHIPPED = "shipped", "Shipped"
    SOLD_OUT = "sold_out", "Cancelled: sold out"
    DECLINED = "declined", "Cancelled: the card was declined"
    UNPAID = "unpaid", "On hold: the payment service cannot be reached"

    @classmethod
    def under_way(cls) -> "tuple[State, ...]":
        """Those in which a job is to come."""
        return (cls.PLACED, cls.RESERVED, cls.PAID)


class Order(models.Model):
    """`token` is that of the cart it was. It names the order to the customer, since a running number can be guessed,
    and to the payment service, so that there is one charge however often it is asked for.
    """

    token = models.UUIDField(unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLACED, db_index=True)
    name = models.CharField(max_length=80)
    email = models.EmailField()
    address = models.TextField()
    card = models.CharField(max_length=40)  # the payment API's name for it: a shop never sees the number
    charge = models.CharField(max_length=40, blank=True)
    invoice = models.FileField(storage=invoice_storage, blank=True)
    placed_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"Order {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("order", args=[self.token])

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines.all()), Decimal(0))

    @property
    def tag(self) -> str:
        """Of its jobs, by which the admin finds them."""
        return f"order-{self.pk}"

    @property
    def under_way(self) -> bool:
        return self.state in State.under_way()

    def move_to(self, state: State, note: str = "") -> None:
        """Saves the new state and notes it. Call it with the order locked."""
        self.state = state.value  # a plain text, as when it comes from the database: jobs take nothing else
        self.save()
        self.note(f"{state.label}. {note}".strip(". "))

    def note(self, text: str) -> None:
        """One more line of the history that customer and staff see."""
        self.events.create(text=text)


class OrderLine(models.Model):
    """Keeps the price of the day."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveSmallIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        ordering = ("pk",)

    @property
    def total(self) -> Decimal:
        return Decimal(self.quantity * self.price)


class Event(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    text = models.CharField(max_length=200)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return str(self.text)


class Mail(models.Model):
    """Says that a mail has left, so that a job that runs twice sends it once."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="mails")
    kind = models.CharField(max_length=20)
    sent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["order", "kind"], name="one_mail_of_a_kind"),)
