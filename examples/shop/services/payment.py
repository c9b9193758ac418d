"""A payment service as they are: charges cards, declines some, is slow or away at times.

    python -m services.payment --port 8026 --file data/charges.jsonl --failure-rate 0.3

POST /charges          JSON {"card", "cents", "reference"}, header Idempotency-Key; answers 201 {"id"}, 402 {"message"},
                       503, or not at all
GET /charges           what was charged, as JSON; `asked` is how many requests there were for it
POST /failure-rate     form rate=0.9: from now on so many requests fail
"""

import argparse
import json
import random
import threading
import time
import uuid
from html import escape
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from services.page import Handler, page, table


class Ledger:
    """Charges by idempotency key: whoever asks again with the same key gets the charge that there is."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.Lock()
        self.charges: dict[str, dict[str, Any]] = {}
        if file.exists():
            for line in file.read_text().splitlines():
                charge = json.loads(line)
                self.charges[charge["key"]] = charge

    def charge(self, key: str, card: str, cents: int, reference: str) -> dict[str, Any]:
        """The charge of this key, made now if there is none."""
        with self.lock:
            charge = self.charges.get(key)
            if charge is None:
                charge = {"id": f"ch_{uuid.uuid4().hex[:16]}", "key": key, "card": card, "cents": cents}
                charge |= {"reference": reference, "at": time.time(), "asked": 0}
                with self.file.open("a") as file:
                    file.write(json.dumps(charge) + "\n")
                self.charges[key] = charge
            charge["asked"] += 1
            return dict(charge)

    def all(self) -> list[dict[str, Any]]:
        """The latest first."""
        with self.lock:
            return sorted(map(dict, self.charges.values()), key=lambda charge: -charge["at"])


class Service(ThreadingHTTPServer):
    """The server, with its ledger."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], ledger: Ledger, failure_rate: float) -> None:
        super().__init__(address, Payments)
        self.ledger = ledger
        self.failure_rate = failure_rate
        self.chance = random.Random()


class Payments(Handler):
    """One request."""

    server: Service

    def do_GET(self) -> None:
        charges = self.server.ledger.all()
        if self.path == "/charges":
            self.reply(200, json.dumps(charges), "application/json")
            return
        rows = [
            [escape(charge["reference"]), f"{charge['cents'] / 100:.2f} EUR", charge["id"], str(charge["asked"])]
            for charge in charges
        ]
        form = (
            '<form method="post" action="/failure-rate"><p><label>Requests that fail, 0 to 1: '
            f'<input name="rate" size="4" value="{self.server.failure_rate}"></label> <button>Set</button></p></form>'
        )
        self.reply(200, page("Payment service", form + table(["For", "Charged", "Charge", "Times asked"], rows)))

    def do_POST(self) -> None:
        if self.path == "/failure-rate":
            self.server.failure_rate = float(parse_qs(self.body().decode())["rate"][0])
            self.reply(303, "", Location="/")
        elif self.path == "/charges":
            self.charge(self.headers.get("Idempotency-Key", ""), json.loads(self.body()))
        else:
            self.reply(404, "no such page")

    def charge(self, key: str, wanted: dict[str, Any]) -> None:
        """Goes well, or wrong in one of three ways."""
        chance = self.server.chance
        time.sleep(chance.uniform(0.02, 0.3))
        wrong = chance.choice(["away", "away", "lost", "late"]) if chance.random() < self.server.failure_rate else ""
        if wrong == "away":
            self.reply(503, json.dumps({"message": "try again later"}), "application/json")
            return
        if wanted["card"] == "card_declined":
            self.reply(402, json.dumps({"message": "The bank says no"}), "application/json")
            return
        charge = self.server.ledger.charge(key, wanted["card"], wanted["cents"], wanted["reference"])
        if wrong == "lost":  # charged, and the shop never hears of it: this is what the key is for
            self.close_connection = True
            return
        if wrong == "late":
            time.sleep(4)
        self.reply(201, json.dumps({"id": charge["id"]}), "application/json")


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description="a payment service that fails at times")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True, help="where the charges are kept")
    parser.add_argument("--failure-rate", type=float, default=0.3)
    given = parser.parse_args()
    Service((given.host, given.port), Ledger(given.file), given.failure_rate).serve_forever()


if __name__ == "__main__":
    main()
