"""The Python half: runs what Ruby enqueues for it, and enqueues for Ruby.

fastkiq process mailer.py -q python
python mailer.py ann@example.org               asks Ruby for an invoice, which asks Python to send it
"""

import sys

import fastkiq
from fastkiq import Client


class SendInvoice(fastkiq.Worker, name="SendInvoice", queue="python", retry=5):
    """Ruby's `Sidekiq::Client.push("class" => "SendInvoice", ...)` runs here: the name is what both sides agree on."""

    def perform(self, address: str, invoice: dict[str, object]) -> None:
        print(f"mail to {address}: invoice {invoice['number']} over {invoice['total']}", flush=True)


def order(address: str, total: str) -> str | None:
    """Enqueues Ruby's worker `MakeInvoice`. Python knows no class of that name, so its queue is said here."""
    return Client().push("MakeInvoice", address, total, queue="ruby")


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(f"{each}: job {order(each, '19.90')}")
