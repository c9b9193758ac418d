"""The web UI on real sockets; `web_fixtures` says what the fixtures are."""

from web_fixtures import deeds, web

__all__ = ["deeds", "web"]
