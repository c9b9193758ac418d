"""Orders a mug in the shop, as a browser would, and waits until it is shipped. Runs in the shop's own container."""

import re
import time

import httpx

DEADLINE = time.monotonic() + 90


def token(page: httpx.Response) -> str:
    (found,) = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text))
    return str(found)


with httpx.Client(base_url="http://127.0.0.1:8000", follow_redirects=True, timeout=10) as browser:
    form = browser.get("/products/enamel-mug/")
    browser.post("/products/enamel-mug/add/", data={"quantity": "2", "csrfmiddlewaretoken": token(form)})
    form = browser.get("/checkout/")
    customer = {"name": "Ann", "email": "ann@example.org", "address": "1 Quay", "card": "card_good"}
    order = browser.post("/checkout/", data={**customer, "csrfmiddlewaretoken": token(form)})
    assert order.status_code == 200, order
    while "Shipped" not in browser.get(f"{order.url}progress/").text:
        assert time.monotonic() < DEADLINE, "not shipped within 90 s"
        time.sleep(1)
    assert browser.get(f"{order.url}invoice/").content.startswith(b"%PDF")
