"""fastkiq in Django: a backend for its Tasks, `manage.py fastkiq`, enqueueing after commit, the web UI in urls.py.

`"fastkiq.contrib.django"` goes into INSTALLED_APPS; how the rest is set up: docs/django.md.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastkiq.contrib.django.backend import FastkiqBackend
    from fastkiq.contrib.django.site import urls

__all__ = ["FastkiqBackend", "urls"]


def __getattr__(name: str) -> Any:
    """INSTALLED_APPS imports this package before Django is ready for what is in it."""
    if name == "FastkiqBackend":
        from fastkiq.contrib.django.backend import FastkiqBackend

        return FastkiqBackend
    if name == "urls":
        from fastkiq.contrib.django.site import urls

        return urls
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
