"""What visitors send."""

from typing import ClassVar

from django import forms

from store.models import Order


class AddForm(forms.Form):
    """So many of a product, into the cart."""

    quantity = forms.IntegerField(min_value=1, max_value=10, initial=1)


class QuantityForm(forms.Form):
    """So many of a line of the cart; none takes it out."""

    quantity = forms.IntegerField(min_value=0, max_value=10)


class CheckoutForm(forms.ModelForm):
    """Who orders. In the place of card fields, which a payment service brings along, there are its test cards."""

    card = forms.ChoiceField(
        choices=[("card_good", "Test card that pays"), ("card_declined", "Test card that is declined")],
        widget=forms.RadioSelect,
        initial="card_good",
    )

    class Meta:
        model = Order
        fields = ("name", "email", "address", "card")
        widgets: ClassVar = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
            "address": forms.Textarea(attrs={"autocomplete": "street-address", "rows": 3}),
        }
