"""One person's whole story: consent, receipt, second conversation, withdrawal, erasure, proof."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sessions_app.models import Guest, Session
from tests.browser.test_my_consent import enter
from tests.factories import WebChatFactory
from webchat.models import OnWithdrawal, WebChat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: What the pages must say in each language.
SENTENCES = {
    "cs": {
        "active": "Váš souhlas je platný. Můžete ho kdykoli odvolat bez udání důvodu.",
        "withdraw": "Odvolat souhlas",
        "withdraw?": "Odvolat souhlas?",
        "one only": "Týká se to jen této konverzace. Každá konverzace má vlastní odkaz.",
        "withdrawn": "Odvolali jste souhlas",
        "listed": "Vaše odvolání je v seznamu pro našeho pověřence pro ochranu osobních údajů",
        "anonymize": "Anonymizovat hosta",
        "certificate": "Osvědčení o výmazu, záznam 1",
        "treatment": "Co bylo smazáno, vyprázdněno a zachováno",
        "complete": "Dokončeno: obsah a soubory jsou smazány, identifikující pole vyprázdněna",
        "not stored": "Tato konverzace zde není uložena",
        "others": "O vašich ostatních konverzacích to nic neříká: každá má svůj odkaz.",
        "cleared": "Obsah smazán, pole vyprázdněna.",
        "check": "Ověřit",
        "proven": "Prokázáno: vymazáno",
        "not erased": "Nevymazáno",
    },
    "de": {
        "active": "Ihre Einwilligung ist wirksam. Sie können sie jederzeit ohne Angabe von Gründen",
        "withdraw": "Einwilligung widerrufen",
        "withdraw?": "Einwilligung widerrufen?",
        "one only": "Das gilt nur für dieses Gespräch. Jedes Gespräch hat seinen eigenen Link.",
        "withdrawn": "Sie haben Ihre Einwilligung widerrufen",
        "listed": "Ihr Widerruf steht in einer Liste für unseren Datenschutzbeauftragten.",
        "anonymize": "Gast anonymisieren",
        "certificate": "Bescheinigung der Löschung, Eintrag 1",
        "treatment": "Was gelöscht und geleert wurde und was erhalten bleibt",
        "complete": "Abgeschlossen: Inhalte und Dateien sind gelöscht, identifizierende Felder geleert",
        "not stored": "Dieses Gespräch ist hier nicht gespeichert",
        "others": "Über Ihre anderen Gespräche sagt das nichts aus: Jedes hat seinen eigenen Link.",
        "cleared": "Inhalt gelöscht, Felder geleert.",
        "check": "Prüfen",
        "proven": "Nachgewiesen: gelöscht",
        "not erased": "Nicht gelöscht",
    },
}


@pytest.mark.parametrize("language", SENTENCES)
def test_one_person(
    language: str, open_browser: Callable[..., Page], log_in_browser: Callable[..., Page]
) -> None:
    says = SENTENCES[language]
    webchat = WebChatFactory(languages=[language])

    # The person consents twice and keeps the receipts.
    visitor = open_browser(locale=language)
    first, second = (converse(visitor, webchat) for _ in range(2))
    receipts = [kept(visitor, f"{mine}receipt.json") for mine in (first, second)]
    assert receipts[0] != receipts[1]
    visitor.goto(first)
    expect(visitor.get_by_text(says["active"])).to_be_visible()

    # They withdraw the first consent. The second one is not changed.
    visitor.get_by_role("link", name=says["withdraw"], exact=True).click()
    expect(visitor.get_by_role("heading", name=says["withdraw?"])).to_be_visible()
    expect(visitor.get_by_text(says["one only"])).to_be_visible()
    visitor.get_by_role("button", name=says["withdraw"], exact=True).click()
    expect(visitor.get_by_role("heading", name=says["withdrawn"])).to_be_visible()
    expect(visitor.get_by_text(says["listed"])).to_be_visible()
    receipts.append(kept(visitor, f"{first}withdrawal-receipt.json"))
    visitor.goto(second)
    expect(visitor.get_by_text(says["active"])).to_be_visible()

    # The officer anonymizes the guest with both conversations.
    officer = log_in_browser("officer", locale=language)
    assert prove(officer, receipts[0], says["check"]) == says["not erased"]
    guest, sessions = Guest.objects.get(), list(Session.objects.all())
    assert [session.guest for session in sessions] == [guest, guest]
    officer.goto("/withdrawals/")
    officer.get_by_role("link", name=str(guest.pk), exact=True).click()
    officer.get_by_role("link", name=says["anonymize"]).first.click()
    officer.get_by_role("button", name=says["anonymize"]).click()
    expect(officer.get_by_role("heading", name=says["certificate"])).to_be_visible()
    expect(officer.get_by_role("heading", name=says["treatment"])).to_be_visible()
    expect(officer.get_by_text(says["complete"])).to_be_visible()

    # Both links say that the conversation is not stored. No page shows the person any more.
    for mine in (first, second):
        answer = visitor.goto(mine)
        assert answer is not None
        assert answer.status == 404
        expect(visitor.get_by_role("heading", name=says["not stored"])).to_be_visible()
        expect(visitor.get_by_text(says["others"])).to_be_visible()
    for page in (guest, *sessions):
        officer.goto(page.get_absolute_url())
        assert "Jana" not in officer.content()
        assert "603" not in officer.locator("main").inner_text()
    expect(officer.get_by_text(says["cleared"]).first).to_be_visible()

    # Each receipt that the person kept proves the erasure.
    for receipt in receipts:
        assert prove(officer, receipt, says["check"]) == says["proven"]


def test_a_receipt_of_an_immediate_erasure_is_saved(
    open_browser: Callable[..., Page], log_in_browser: Callable[..., Page]
) -> None:
    visitor = open_browser()
    mine = converse(visitor, WebChatFactory(on_withdrawal=OnWithdrawal.ANONYMIZE))
    visitor.goto(f"{mine}withdraw/")
    visitor.get_by_role("button", name="Withdraw my consent").click()
    expect(visitor.get_by_text("The erasure is recorded as number 1.")).to_be_visible()
    with visitor.expect_download() as saved:
        visitor.get_by_role("link", name="Receipt of the withdrawal").click()
    assert saved.value.suggested_filename == "withdrawal-receipt.json"
    receipt = Path(saved.value.path()).read_bytes()
    visitor.get_by_text("Show the receipt").click()
    assert visitor.locator("pre.receipt").inner_text() == receipt.decode().rstrip("\n")
    assert prove(log_in_browser("officer"), receipt, "Check") == "Proven: erased"


def converse(visitor: Page, webchat: WebChat) -> str:
    """Start a conversation of the same person. Return the URL of its My consent page."""
    enter(visitor, webchat)
    mine = visitor.locator("a[href*='/c/']").first.get_attribute("href")
    assert mine
    return mine


def kept(visitor: Page, url: str) -> bytes:
    """Return a receipt, which has the same bytes each time."""
    first, again = (visitor.request.get(url) for _ in range(2))
    assert (first.status, first.body()) == (200, again.body())
    json.loads(first.body())
    return first.body()


def prove(officer: Page, receipt: bytes, check: str) -> str:
    """Upload a receipt at Prove. Return the answer."""
    officer.goto("/prove/")
    file = {"name": "receipt.json", "mimeType": "application/json", "buffer": receipt}
    officer.locator("[name=file]").set_input_files(file)
    officer.get_by_role("button", name=check, exact=True).click()
    return officer.locator("#answer").inner_text()
