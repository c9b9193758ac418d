"""Dangerous actions are asked about first: by a dialog in the page, or, where no script runs, by a page of its own."""

from starlette.responses import Response

from fastkiq.web.rendering import render
from fastkiq.web.security.form_token import FIELD
from fastkiq.web.view import current

CONFIRM = "confirm"


def ask(question: str, back: str) -> Response | None:
    """None when the user has said yes; else the page that asks, which posts the same form again.

    In a handler, before the deed: `if asked := ask(_("Delete all jobs?"), url("/retries")): return asked`.
    """
    view = current()
    if view.by_token or any(name == CONFIRM and value == "1" for name, value in view.form):
        return None
    fields = [(name, value) for name, value in view.form if name not in (FIELD, CONFIRM)]
    return render("confirm.html", question=question, fields=fields, back=back)
