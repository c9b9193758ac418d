"""The web UI on real sockets; `web_fixtures` says what the fixtures are."""

from web_fixtures import deeds, django_project, web

__all__ = ["deeds", "django_project", "web"]
