"""Addresses of the shop."""

from django.urls import path

from store import views

urlpatterns = [
    path("", views.front, name="front"),
    path("products/<slug:slug>/", views.product, name="product"),
    path("products/<slug:slug>/add/", views.add, name="add"),
    path("cart/", views.cart, name="cart"),
    path("cart/<int:line_id>/", views.change, name="change"),
    path("checkout/", views.check_out, name="checkout"),
    path("orders/<uuid:token>/", views.order, name="order"),
    path("orders/<uuid:token>/progress/", views.progress, name="progress"),
    path("orders/<uuid:token>/invoice/", views.invoice, name="invoice"),
]
