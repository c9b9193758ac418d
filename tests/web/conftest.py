"""The web UI on real sockets; `web_fixtures` says what the fixtures are."""

import pytest

from fastkiq.web import grouping
from fastkiq.web.pages import job_sets, search, waiting
from web_fixtures import deeds, django_project, web

__all__ = ["deeds", "django_project", "web"]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer has all that there is to be found, however slow the machine; tests of parts set their own bounds."""
    for module in (job_sets, search, waiting):
        monkeypatch.setattr(module, "_SECONDS", 10.0)
    monkeypatch.setattr(grouping, "_SLICE", 10.0)
