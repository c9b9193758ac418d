"""The shop from its front door to its books."""

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from servers import wait_until
from shop_kit import PATIENCE, Customer, Shop, pdf_text

pytestmark = pytest.mark.timeout(180)

STATE = "select state from store_order where token = %s"


def log_in(page: Page) -> None:
    page.goto("admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()


def test_an_order_is_followed_from_the_shelf_to_the_door(shop: Shop, page: Page, look: Callable[[str], None]) -> None:
    page.goto("")
    wait_until(lambda: shop.number("select count(*) from store_product where thumbnail = ''") == 0, PATIENCE)
    page.reload()
    look("front")
    assert page.locator(".products img").count() == 6
    page.get_by_role("link", name="Desk lamp").click()
    look("product")
    page.get_by_role("button", name="Put into the cart").click()
    page.get_by_label("Quantity of Desk lamp").fill("2")
    page.get_by_role("button", name="Change").click()
    look("cart")
    page.get_by_role("link", name="Check out").click()
    look("checkout")
    page.get_by_label("Name").fill("Ann <b>Example</b>")
    page.get_by_label("Email").fill("ann@example.org")
    page.get_by_label("Address").fill("Quay 5\n<i>Harbour</i>")
    page.get_by_role("button", name="Order and pay 178.00 EUR").click()
    look("order")
    expect(page.locator(".state")).to_have_text("Shipped")
    look("shipped")

    token = page.url.rstrip("/").rsplit("/", 1)[1]
    ((number, charge),) = shop.rows("select id, charge from store_order where token = %s", token)
    assert [each["id"] for each in shop.charges() if each["key"] == token] == [charge]
    mails = wait_until(lambda: mails if len(mails := shop.mails("ann@example.org")) == 2 else None, PATIENCE)
    assert set(mails) == {f"Order {number} is paid", f"Order {number} is on its way"}
    (attached,) = mails[f"Order {number} is paid"].iter_attachments()
    text = pdf_text(attached.get_content())
    assert f"Invoice for order {number}" in text
    assert "178.00 EUR" in text
    assert "<i>Harbour</i>" in text.replace(" ", "")
    with page.expect_download() as download:
        page.get_by_role("link", name="Invoice").click()
    assert download.value.path().read_bytes() == attached.get_content()

    page.goto(shop.address("mails"))
    look("mails")
    page.get_by_role("link", name=f"Order {number} is paid").click()
    look("mail")


def test_a_declined_card_ends_in_a_state_and_a_mail(shop: Shop) -> None:
    before = shop.number("select stock from store_product where slug = 'rubber-plant'")
    with Customer(shop, "poor@example.org") as customer:
        customer.put("rubber-plant", 3)
        token = customer.order("card_declined")
    wait_until(lambda: shop.rows(STATE, token) == [("declined",)], PATIENCE)
    (subject,) = wait_until(lambda: shop.mails("poor@example.org"), PATIENCE)
    assert subject.endswith("could not be paid")
    assert shop.number("select stock from store_product where slug = 'rubber-plant'") == before
    assert [each for each in shop.charges() if each["key"] == token] == []


def test_an_order_that_cannot_be_paid_is_put_on_hold_until_staff_run_it_again(shop: Shop) -> None:
    shop.fail(1)
    with Customer(shop, "patient@example.org") as customer:
        customer.put("rubber-plant", 1)
        token = customer.order()
    wait_until(lambda: shop.rows(STATE, token) == [("unpaid",)], 2 * PATIENCE, "no try to be left")
    ((number,),) = shop.rows("select id from store_order where token = %s", token)
    wait_until(lambda: set(shop.mails("patient@example.org")) == {f"Order {number} waits for its payment"}, PATIENCE)
    wait_until(lambda: shop.jobs() == {"dead": 1}, PATIENCE)
    shop.fail(0)  # a job that comes from the dead has one try
    shop.manage("fastkiq", "dead", "retry", "--tag", f"order-{number}")
    wait_until(lambda: shop.rows(STATE, token) == [("shipped",)], PATIENCE)
    wait_until(lambda: len(shop.mails("patient@example.org")) == 3, PATIENCE)
    assert len([each for each in shop.charges() if each["key"] == token]) == 1
    shop.fail(0.3)


def test_a_second_click_orders_once(shop: Shop) -> None:
    with Customer(shop, "impatient@example.org") as customer:
        customer.put("notebook", 1)
        with ThreadPoolExecutor(5) as clicks:
            tokens = set(clicks.map(lambda _: customer.order(), range(5)))
    assert len(tokens) == 1
    assert shop.number("select count(*) from store_order where email = 'impatient@example.org'") == 1


def test_jobs_are_for_staff(shop: Shop, page: Page, look: Callable[[str], None]) -> None:
    for path in ("jobs/", "jobs/retries", "jobs/static/app.css"):
        answer = httpx.get(shop.address("shop") + path)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (302, "/admin/login/")
    page.goto("jobs/retries")
    expect(page).to_have_url(re.compile("/admin/login/"))
    log_in(page)
    page.goto("jobs/")
    look("jobs")
    page.goto("jobs/cron")
    expect(page.get_by_text("store.workers.ForgetCarts").first).to_be_visible()
    look("cron")
    page.goto("admin/store/order/")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="retries", exact=True).click()
    expect(page).to_have_url(re.compile(r"/jobs/retries\?tag=order-\d+$"))
    look("retries")


def test_a_picture_that_staff_upload_gets_its_thumbnail(shop: Shop, page: Page) -> None:
    red = BytesIO()
    Image.new("RGB", (900, 300), "red").save(red, "PNG")
    log_in(page)
    page.goto("admin/store/product/")
    page.get_by_role("link", name="Wall clock").click()
    page.get_by_label("Picture").set_input_files({"name": "red.png", "mimeType": "image/png", "buffer": red.getvalue()})
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()

    def colour() -> object:
        with Image.open(shop.folder / "media" / "thumbnails" / "wall-clock.jpg") as thumbnail:
            return thumbnail.size == (480, 480) and thumbnail.getpixel((240, 240))

    wait_until(lambda: colour() in [(254, 0, 0), (255, 0, 0)], PATIENCE)


def test_fifty_customers_at_once_and_a_worker_that_is_killed(shop: Shop) -> None:
    """25 want one of the 20 prints, 25 two mugs and a notebook, three of them with a card that is declined."""
    stock = dict(shop.rows("select slug, stock from store_product"))
    assert stock["lighthouse-print"] == 20

    def visit(number: int) -> tuple[str, str]:
        address = f"customer{number}@example.org"
        with Customer(shop, address) as customer:
            if number % 2:
                customer.put("enamel-mug", 2)
                customer.put("notebook", 1)
            else:
                customer.put("lighthouse-print", 1)
            return customer.order("card_declined" if number in (1, 21, 41) else "card_good"), address

    def kill() -> None:
        wait_until(lambda: shop.number("select count(*) from store_order where charge <> ''") > 8, PATIENCE)
        os.kill(shop.running["pids"]["worker"], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with ThreadPoolExecutor(50) as crowd:
        orders = dict(crowd.map(visit, range(50)))
    killer.join()
    wait_until(lambda: "worker | ended with -9" in shop.output(), PATIENCE, "the runner to tell of the death")
    still = "select count(*) from store_order where state in ('placed', 'reserved', 'paid')"
    wait_until(lambda: shop.number(still) == 0, 2 * PATIENCE, "every order to be done with")
    wait_until(lambda: shop.jobs() == {}, PATIENCE, "every job to be done, none dead")

    states = {str(token): state for token, state in shop.rows("select token, state from store_order")}
    assert Counter(states[token] for token in orders) == {"shipped": 42, "sold_out": 5, "declined": 3}
    left = dict(shop.rows("select slug, stock from store_product"))
    sold = Counter({"lighthouse-print": 20, "enamel-mug": 44, "notebook": 22})
    assert {slug: stock[slug] - left[slug] for slug in stock if stock[slug] != left[slug]} == sold

    assert set(Counter(each["reference"] for each in shop.charges()).values()) == {1}, "nobody is charged twice"
    charges = Counter(each["key"] for each in shop.charges())
    assert {token: charges[token] for token in orders} == {token: int(states[token] == "shipped") for token in orders}
    assert shop.number("select count(*) from store_event where text like '%%asked again'") > 0, "payments have failed"
    for token, address in orders.items():
        ((number, invoice),) = shop.rows("select id, invoice from store_order where token = %s", token)
        mails = shop.mails(address)
        if states[token] == "shipped":
            assert set(mails) == {f"Order {number} is paid", f"Order {number} is on its way"}
            (attached,) = mails[f"Order {number} is paid"].iter_attachments()
            assert f"Invoice for order {number}" in pdf_text(attached.get_content())
            assert (shop.folder / "invoices" / invoice).read_bytes() == attached.get_content()
        else:
            (subject,) = mails
            assert subject == f"Order {number} " + (
                "is sold out" if states[token] == "sold_out" else "could not be paid"
            )


def test_abandoned_carts_are_forgotten_at_night(shop: Shop) -> None:
    with Customer(shop, "old@example.org") as old, Customer(shop, "new@example.org") as new:
        old.put("notebook", 1)
        ((cart,),) = shop.rows("select token from store_cart order by touched_at desc limit 1")
        shop.rows("update store_cart set touched_at = now() - interval '8 days' where token = %s", cart)
        new.put("notebook", 1)
        shop.manage("fastkiq", "cron", "run", "store.workers.ForgetCarts")
        wait_until(lambda: shop.number("select count(*) from store_cart where token = %s", cart) == 0, PATIENCE)
        assert "Cart (1)" in new.http.get("").text
        assert "Cart (0)" in old.http.get("").text


def test_an_order_whose_job_was_never_enqueued_is_resumed(shop: Shop) -> None:
    """As if the web server had been killed between the commit and the push."""
    ((order, token),) = shop.rows(
        "insert into store_order (token, state, name, email, address, card, charge, invoice, placed_at, touched_at)"
        " values (gen_random_uuid(), 'placed', 'Lost', 'lost@example.org', 'Quay 5', 'card_good', '', '',"
        " now() - interval '20 minutes', now() - interval '20 minutes') returning id, token"
    )
    shop.rows(
        "insert into store_orderline (order_id, product_id, quantity, price)"
        " select %s, id, 1, price from store_product where slug = 'desk-lamp'",
        order,
    )
    shop.manage("fastkiq", "cron", "run", "store.workers.ResumeOrders")
    wait_until(lambda: shop.rows(STATE, token) == [("shipped",)], PATIENCE)
    assert [each["cents"] for each in shop.charges() if each["key"] == str(token)] == [8900]


def test_ctrl_c_leaves_nothing_running_and_the_next_start_has_the_data(shop: Shop) -> None:
    with Customer(shop, "early@example.org") as customer:
        customer.put("desk-lamp", 1)
        token = customer.order()
    assert shop.stop() == 0, shop.output()
    wait_until(lambda: shop.processes() == {}, 15, "nothing to be left")
    shop.start()
    wait_until(lambda: shop.rows(STATE, token) == [("shipped",)], PATIENCE)
    wait_until(lambda: len(shop.mails("early@example.org")) == 2, PATIENCE)
