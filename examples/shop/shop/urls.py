"""The shop, the admin, and behind the admin's login the jobs."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

import fastkiq.contrib.django

urlpatterns = [
    path("", include("store.urls")),
    path("admin/", admin.site.urls),
    path("jobs/", fastkiq.contrib.django.urls()),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}store/icon.svg")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),  # in development; else the web server's affair
]
