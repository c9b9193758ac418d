"""The pictures of README and docs/web.md, of the demo after a minute: `make screenshots`."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
PORT = 9393
PAGES = [("dashboard", "/", "light"), ("busy", "/busy?only=jobs", "dark"), ("retries", "/retries/groups", "light")]
PAGES += [("metrics", "/metrics/shop.Mail", "dark")]


def main() -> None:
    """Writes docs/images/NAME.png."""
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:  # its path is to be seen in the stacks
        script = shutil.copy(ROOT / "examples" / "web_demo.py", folder)
        demo = subprocess.Popen([sys.executable, script, "--port", str(PORT)], cwd=folder)
        try:
            wait()
            shoot()
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(60)


def wait() -> None:
    """Until the pages answer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/stats", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def shoot() -> None:
    """The dashboard stays open for a minute, so that its chart has something to show."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for at, (name, path, scheme) in enumerate(PAGES):
            page = browser.new_page(viewport={"width": 1200, "height": 760}, color_scheme=scheme)
            page.goto(f"http://127.0.0.1:{PORT}{path}")
            if name == "busy":  # a job that takes long, and has just begun
                page.locator("tr", has_text="ImportCatalogue").locator("summary").last.click()
            page.wait_for_timeout(60_000 if at == 0 else 7_000)
            if name == "busy":
                page.locator("tr", has=page.locator("details[open]")).first.scroll_into_view_if_needed()
            page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
