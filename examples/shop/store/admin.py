"""What staff see."""

from typing import ClassVar

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join

from store import workers
from store.models import Event, Order, OrderLine, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "price", "stock")
    prepopulated_fields: ClassVar = {"slug": ["name"]}

    def save_model(self, request: HttpRequest, obj: Product, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "picture" in form.changed_data:
            workers.MakeThumbnail.perform_async(obj.pk)


class Lines(admin.TabularInline):
    model = OrderLine
    extra = 0
    can_delete = False
    readonly_fields = ("product", "quantity", "price")


class Events(admin.TabularInline):
    model = Event
    extra = 0
    can_delete = False
    readonly_fields = ("at", "text")


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("__str__", "state", "name", "placed_at")
    list_filter = ("state",)
    search_fields = ("name", "email")
    readonly_fields = ("token", "state", "card", "charge", "invoice", "placed_at", "touched_at", "jobs")
    inlines = (Lines, Events)

    @admin.display
    def jobs(self, order: Order) -> str:
        """Links to fastkiq's lists, with the jobs of this order alone."""
        pages = [(reverse("fastkiq:page", args=[each]), order.tag, each) for each in ("retries", "scheduled", "dead")]
        return format_html_join(" · ", '<a href="{}?tag={}">{}</a>', pages)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False
