"""The tabs, in Sidekiq's order and at Sidekiq's addresses, and the keys that lead there after a `g`."""

from dataclasses import dataclass

from fastkiq.web.i18n import gettext as _
from fastkiq.web.view import current


@dataclass(frozen=True)
class Tab:
    """One of them."""

    path: str
    label: str
    key: str

    @property
    def state(self) -> str:
        """The value of `aria-current`: `page`, `true` on a page below it, or empty."""
        path = current().path
        if path == self.path:
            return "page"
        return "true" if self.path != "/" and path.startswith(self.path + "/") else ""


def tabs() -> list[Tab]:
    """All of them, in the language of the request."""
    return [
        Tab("/", _("Dashboard"), "d"),
        Tab("/busy", _("Busy"), "b"),
        Tab("/queues", _("Queues"), "q"),
        Tab("/retries", _("Retries"), "r"),
        Tab("/scheduled", _("Scheduled"), "s"),
        Tab("/morgue", _("Dead"), "x"),
        Tab("/cron", _("Recurring"), "c"),
        Tab("/metrics", _("Metrics"), "m"),
    ]
