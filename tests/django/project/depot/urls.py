from django.contrib import admin
from django.urls import path

import fastkiq.contrib.django
from depot.parcels import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("ops/jobs/", fastkiq.contrib.django.urls()),
    path("looked-at/", fastkiq.contrib.django.urls(read_only=True)),
    path("send/", views.send),
    path("asend/", views.asend),
]
