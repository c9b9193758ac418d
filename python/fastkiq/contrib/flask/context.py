"""Each job runs in an application context of its own, so that `current_app`, `g` and extensions are there."""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from flask import Flask, current_app, has_app_context

_apps: Final[dict[str, Flask]] = {}
"""By import name, the one that was set up last at the end: a factory's next application takes the place of the one
before."""


def register(app: Flask) -> None:
    """Jobs may run in this application's context."""
    _apps.pop(app.import_name, None)
    _apps[app.import_name] = app


def in_app_context(worker: Any, job: Any) -> Generator[None, Any, None]:
    """Server middleware. Functions of `teardown_appcontext` get what the job raises."""
    with _app_of(worker).app_context():
        yield


def _app_of(worker: Any) -> Flask:
    """Of the context there is (a job run inline); else of the application in whose folder the class is defined."""
    if has_app_context():
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        return app
    last = next(reversed(_apps.values()))
    if len(_apps) == 1:
        return last
    file = getattr(sys.modules.get(type(worker).__module__), "__file__", None)
    around = [app for app in _apps.values() if file is not None and Path(file).is_relative_to(app.root_path)]
    return max(reversed(around), key=lambda app: len(app.root_path), default=last)
