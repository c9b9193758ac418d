from django.db import models


class Parcel(models.Model):
    """Something to be sent."""

    to = models.CharField(max_length=100)
    note = models.CharField(max_length=500, default="")
