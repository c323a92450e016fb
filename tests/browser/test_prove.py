"""An officer proves an erasure in a browser: with a code, a file, a receipt, and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.test_accessibility import violations_of_each_kind
from tests.factories import ErasureFactory, SessionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def ask(page: Page, presented: str, answer: str) -> None:
    page.goto("/prove/")
    page.get_by_label("Receipt, certificate, number or hash").fill(presented)
    page.get_by_role("button", name="Check").click()
    page.get_by_role("heading", name=answer, exact=True).wait_for()
    assert page.url.endswith("/prove/"), "what is presented is not part of the address"


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "no JavaScript"])
def test_a_certificate_is_kept_and_proven(
    log_in_browser: Callable[..., Page], tmp_path: Path, scripts: bool
) -> None:
    record = ErasureFactory(subject=SessionFactory(messages=["Hello"]))
    page = log_in_browser("officer", java_script_enabled=scripts)
    page.goto(f"/erasures/{record.pk}/")
    code = page.locator("code.hash", has_text="MGE1").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    download.value.save_as(tmp_path / "certificate.json")
    page.get_by_role("main").get_by_role("link", name="Prove an erasure").click()
    page.wait_for_url("**/prove/")
    ask(page, code, "Proven: erased")
    assert page.get_by_text("Number of records (proven)").is_visible()
    page.goto("/prove/")
    page.get_by_label("or a file").set_input_files(tmp_path / "certificate.json")
    page.get_by_role("button", name="Check").click()
    page.get_by_role("heading", name="Proven: erased").wait_for()
    ask(page, str(SessionFactory().uid), "Not erased")
    page.get_by_label("Receipt, certificate, number or hash").fill("nonsense")
    page.get_by_role("button", name="Check").click()
    page.get_by_text("This is not a receipt, a certificate").first.wait_for()


def test_each_answer_is_accessible(log_in_browser: Callable[..., Page]) -> None:
    record = ErasureFactory(subject=SessionFactory(messages=["Hello"]))
    page, found = log_in_browser("officer"), []
    page.goto(f"/erasures/{record.pk}/")
    code = page.locator("code.hash", has_text="MGE1").inner_text()
    for presented, answer in ((code, "Proven: erased"), ("999", "Unknown")):
        ask(page, presented, answer)
        found += violations_of_each_kind(page, answer)
    ask(page, "1", "Proven: erased")
    page.get_by_label("Saved latest ledger hash").fill("nonsense")
    page.get_by_role("button", name="Check").click()
    page.get_by_text("A latest ledger hash has the form").first.wait_for()
    found += violations_of_each_kind(page, "refused")
    assert "\n".join(found) == ""
