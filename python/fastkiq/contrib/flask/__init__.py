"""Flask: the extension `Fastkiq`, jobs in the application context, `flask fastkiq`, the web UI as a blueprint.

How they are used: docs/flask.md.
"""

from fastkiq.contrib.flask.extension import Fastkiq
from fastkiq.contrib.flask.web import web_ui

__all__ = ["Fastkiq", "web_ui"]
