"""`manage.py seed`: something to sell, and somebody to log in as. What is there stays as it is."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.text import slugify

from store import drawings, workers
from store.models import Product

PRODUCTS = [
    ("Enamel mug", "14.50", 60, drawings.mug, "Holds a third of a litre of whatever keeps you awake. Survives falls."),
    (
        "Desk lamp",
        "89.00",
        25,
        drawings.lamp,
        "Bends where you need it, and gives warm light from four in the afternoon.",
    ),
    ("Notebook", "9.80", 80, drawings.notebook, "A hundred and twenty pages with dots, sewn, so that it lies flat."),
    ("Rubber plant", "32.00", 18, drawings.plant, "Forgives a week without water. The pot comes with it."),
    ("Wall clock", "54.00", 12, drawings.clock, "Ticks so softly that you have to listen for it."),
    (
        "Lighthouse print",
        "24.00",
        20,
        drawings.lighthouse,
        "A limited edition of twenty: when they are gone they are gone.",
    ),
]


class Command(BaseCommand):
    help = "products with pictures, and the login admin"

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", "admin@harbour.example", "admin")
        for name, price, stock, draw, description in PRODUCTS:
            slug = slugify(name)
            if Product.objects.filter(slug=slug).exists():
                continue
            with transaction.atomic():
                product = Product(name=name, slug=slug, price=price, stock=stock, description=description)
                product.picture.save(f"{slug}.png", ContentFile(drawings.png(draw)))
                workers.MakeThumbnail.perform_async(product.pk)
            self.stdout.write(f"a new product: {name}")
