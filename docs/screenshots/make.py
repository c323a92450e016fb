"""Make the pictures of the README; started by bin/screenshots."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PICTURES = Path(__file__).resolve().parent
MAX_BYTES = 200_000
COLUMNS = {
    "id",
    "created_at",
    "webchat",
    "channel",
    "status",
    "guest",
    "name",
    "consent",
    "anonymized",
}
STAFF_WIDTH, VISITOR_WIDTH, HEIGHT = 1360, 390, 900


def main() -> None:
    chromium = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if chromium is None:
        sys.exit("No Chromium was found. On Debian: apt-get install chromium")
    (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-", dir=ROOT / "var") as folder:
        database = Path(folder) / "db.sqlite3"
        with (
            demo(database, media=Path(folder) / "media") as address,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            take_all(browser, address, database)
            browser.close()


@contextmanager
def demo(database: Path, *, media: Path) -> Iterator[str]:
    """Serve the demo and yield its address; it is stopped at the end."""
    port = free_port()
    env = os.environ | {
        "DATABASE_URL": f"sqlite:///{database}", "MEDIA_ROOT": str(media), "HOST": "127.0.0.1", "PORT": str(port),
    }  # fmt: skip
    server = subprocess.Popen([ROOT / "bin" / "demo"], env=env, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/livez", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _second in range(300):
        if server.poll() is not None:
            sys.exit(f"The demo ended with exit code {server.returncode}.")
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310  our own http address
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(1)
    sys.exit("The demo does not answer.")


def take_all(browser: Browser, address: str, database: Path) -> None:
    session, guest = example(database)
    support = log_in(browser, address, "support")
    show_columns(support, address)
    take(support, f"{address}/sessions/?until={day_with_erasure(database)}", "sessions")
    take(support, f"{address}/sessions/{session}/", "session", full_page=True)
    take(support, f"{address}/guests/{guest}/anonymize/", "anonymize")
    administrator = log_in(browser, address, "administrator")
    administrator.goto(f"{address}/settings/webchat/")
    administrator.get_by_role("link", name="Shop Prague").first.click()
    administrator.wait_for_url(re.compile(r"/settings/webchat/\d+/"))
    take(administrator, re.sub(r"(/webchat/\d+/).*", r"\1forms/", administrator.url), "forms")
    visitor = new_page(browser, width=VISITOR_WIDTH, height=HEIGHT)
    visitor.goto(f"{address}/w/shop-prague/")
    visitor.get_by_label("Name").fill("Jana Nováková")
    visitor.get_by_label("E-mail").fill("jana.novakova@example.com")
    save(visitor, "entry-form", full_page=True)


def example(database: Path) -> tuple[int, int]:
    """Return a session with consent and a file, of a guest with several sessions."""
    with sqlite3.connect(database) as connection:
        row = connection.execute(
            """
            SELECT s.id, s.guest_id FROM sessions_app_session s
            JOIN sessions_app_consentevent c ON c.session_id = s.id
            WHERE s.anonymized_in IS NULL AND s.status = 'closed' AND s.note <> '' AND s.language = 'en'
            ORDER BY s.attachments_count > 0 DESC,
                     (SELECT count(*) FROM sessions_app_session o WHERE o.guest_id = s.guest_id) DESC, s.id DESC
            """
        ).fetchone()
    return int(row[0]), int(row[1])


def day_with_erasure(database: Path) -> str:
    """Return the second day of a month with anonymized sessions, which start the month by their rounded time."""
    with sqlite3.connect(database) as connection:
        row = connection.execute(
            """
            SELECT date(max(created_at), '+12 hours', '+1 day') FROM sessions_app_session
            WHERE anonymized_in IS NOT NULL AND created_at < datetime('now', '-3 days')
            """
        ).fetchone()
    return str(row[0])


def new_page(browser: Browser, *, width: int, height: int) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale="en-GB",
        timezone_id="Europe/Prague",
        color_scheme="light",
        reduced_motion="reduce",
    )
    return context.new_page()


def password() -> str:
    """Return the demo's password, which its own source names."""
    source = (ROOT / "demo" / "staff.py").read_text()
    match = re.search(r'^PASSWORD = "([^"]+)"', source, re.MULTILINE)
    assert match, "the demo has no password"  # noqa: S101
    return match[1]


def log_in(browser: Browser, address: str, username: str) -> Page:
    page = new_page(browser, width=STAFF_WIDTH, height=HEIGHT)
    page.goto(f"{address}/accounts/login/")
    page.locator("input[name=login]").fill(username)
    page.locator("input[name=password]").fill(password())
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(f"{address}/")
    return page


def show_columns(page: Page, address: str) -> None:
    """Choose columns of which all fit into the picture."""
    page.goto(f"{address}/sessions/")
    page.locator(".column-chooser summary").click()
    chooser = page.locator(".column-chooser form")
    for box in chooser.locator("input[type=checkbox]").all():
        box.set_checked(box.get_attribute("value") in COLUMNS)
    chooser.get_by_role("button", name="Apply").click()
    page.wait_for_load_state()


def take(page: Page, url: str, name: str, *, full_page: bool = False) -> None:
    page.set_viewport_size({"width": STAFF_WIDTH, "height": HEIGHT})
    response = page.goto(url, wait_until="networkidle")
    if response is None or not response.ok:
        sys.exit(f"{name}: the page answers {response.status if response else 'nothing'}.")
    save(page, name, full_page=full_page)


def save(page: Page, name: str, *, full_page: bool = False) -> None:
    """Store the picture with as many colours as fit into the size."""
    path = PICTURES / f"{name}.png"
    if full_page and page.viewport_size:
        # What is fixed to the window, such as the sidebar, then reaches to the end.
        height = int(page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.screenshot(path=path, full_page=full_page, animations="disabled")
    picture = Image.open(path).convert("RGB")
    for colours in (256, 128, 64, 32):
        reduced = picture.quantize(
            colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        reduced.save(path, optimize=True)
        if path.stat().st_size < MAX_BYTES:
            break
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")  # noqa: T201


if __name__ == "__main__":
    main()
