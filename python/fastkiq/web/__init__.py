"""The web UI: `app()` for ASGI, `wsgi_app()` for WSGI, `mount()` and `wsgi_mount()` beside another application.

Needs the extra: `pip install 'fastkiq[web]'`. How it is mounted and secured: docs/web.md.
"""

from fastkiq.web.application import app
from fastkiq.web.security.access import Access
from fastkiq.web.wsgi import mount, wsgi_app, wsgi_mount

__all__ = ["Access", "app", "mount", "wsgi_app", "wsgi_mount"]
