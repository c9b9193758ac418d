"""The jobs. They get ids, never objects; they look at the database before they act, so that each may run twice."""

from datetime import timedelta

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

import fastkiq
from store import invoices, mails, payments, pictures, stock, tasks
from store.models import Cart, Order, Product, State


def proceed(order: Order) -> None:
    """Enqueues what the order's state calls for: the whole process on one page.

    Once too often does no harm, since every job looks at the state first; once too few, because a machine went down
    between a commit and this call, is made good by ResumeOrders.
    """
    tags = [order.tag]
    match order.state:
        case State.PLACED:
            ReserveStock.set(tags=tags).perform_async(order.pk)
        case State.RESERVED:
            ChargeCard.set(tags=tags).perform_async(order.pk)
        case State.PAID:
            MakeInvoice.set(tags=tags).perform_async(order.pk)
            Ship.set(tags=tags).perform_in(settings.SHOP_SHIPPING_SECONDS, order.pk)
        case State.SHIPPED:
            tasks.tell_shipped.enqueue(order.pk)
        case State.SOLD_OUT | State.DECLINED | State.UNPAID:
            SendMail.set(tags=tags).perform_async(order.pk, order.state)


def locked(order_id: int) -> Order:
    """The order, for this transaction alone."""
    return Order.objects.select_for_update().get(pk=order_id)


class ReserveStock(fastkiq.Worker, queue="orders"):
    """Takes the goods off the shelves before anybody pays for them."""

    def perform(self, order_id: int) -> None:
        with transaction.atomic():
            order = locked(order_id)
            if order.state == State.PLACED:
                order.move_to(State.RESERVED if stock.take(order) else State.SOLD_OUT)
            proceed(order)


class ChargeCard(fastkiq.Worker, queue="orders", retry=8):
    """Asks the payment service, and again while it is away. A card that is declined is no error but an answer."""

    def perform(self, order_id: int) -> None:
        order = Order.objects.get(pk=order_id)
        if order.state in (State.RESERVED, State.UNPAID):
            try:
                charge = payments.charge(order)  # in no transaction: nobody waits for our locks while we wait for it
            except payments.Declined as error:
                order = self.settle(order_id, State.DECLINED, note=str(error))
            except payments.Unavailable as error:
                order.note("The payment service cannot be reached; it will be asked again")
                raise fastkiq.Retry(in_=settings.SHOP_RETRY_SECONDS * 2**self.job.attempt) from error
            else:
                order = self.settle(order_id, State.PAID, charge=charge)
        proceed(order)

    def settle(self, order_id: int, state: State, *, charge: str = "", note: str = "") -> Order:
        """Writes down how it went, unless another run of this job has done so."""
        with transaction.atomic():
            order = locked(order_id)
            if order.state in (State.RESERVED, State.UNPAID):
                order.charge = charge
                order.move_to(state, note)
                if state == State.DECLINED:
                    stock.put_back(order)
        return order

    @classmethod
    def retries_exhausted(cls, job: fastkiq.Job, error: BaseException) -> None:
        """The goods stay reserved, and the job waits among the dead ones, where staff can run it again."""
        with transaction.atomic():
            order = locked(job.args[0])
            if order.state == State.RESERVED:
                order.move_to(State.UNPAID)
            proceed(order)


class MakeInvoice(fastkiq.Worker, queue="documents"):
    """A PDF under a name of its own: made again, it is written over."""

    def perform(self, order_id: int) -> None:
        order = Order.objects.get(pk=order_id)
        if not order.invoice:
            order.invoice.save(f"invoice-{order.pk}.pdf", ContentFile(invoices.pdf(order)), save=False)
            order.save(update_fields=["invoice"])  # this field alone: other jobs write the others
        SendMail.set(tags=[order.tag]).perform_async(order_id, "confirmation")


class SendMail(fastkiq.Worker, queue="mail", retry=10):
    """One of the mails in templates/mail."""

    def perform(self, order_id: int, kind: str) -> None:
        mails.send(Order.objects.get(pk=order_id), kind)


class Ship(fastkiq.Worker, queue="orders"):
    """Enqueued by `perform_in`: packing takes its time."""

    def perform(self, order_id: int) -> None:
        with transaction.atomic():
            order = locked(order_id)
            if order.state == State.PAID:
                order.move_to(State.SHIPPED)
            proceed(order)


class MakeThumbnail(fastkiq.Worker, queue="pictures", retry=2):
    """For each picture that staff upload."""

    def perform(self, product_id: int) -> None:
        product = Product.objects.get(pk=product_id)
        product.thumbnail.save(f"{product.slug}.jpg", ContentFile(pictures.thumbnail(product.picture)), save=False)
        product.save(update_fields=["thumbnail"])


class ForgetCarts(fastkiq.Worker, queue="low", cron="0 3 * * *", timezone="Europe/Berlin"):
    """Each night at three: carts that nobody has touched for a week."""

    def perform(self) -> None:
        count, _ = Cart.objects.filter(touched_at__lt=timezone.now() - timedelta(days=7)).delete()
        self.logger.info("%d rows of abandoned carts forgotten", count)


class ResumeOrders(fastkiq.Worker, queue="low", every=timedelta(minutes=1), missed="skip"):
    """Orders that stand still: a database and a Redis do not commit together, so a web server that is killed between
    the two leaves an order without a job.
    """

    def perform(self) -> None:
        a_while_ago = timezone.now() - timedelta(minutes=10)
        for order in Order.objects.filter(state__in=State.under_way(), touched_at__lt=a_while_ago):
            order.save(update_fields=["touched_at"])  # the next look at it is in another ten minutes
            proceed(order)
