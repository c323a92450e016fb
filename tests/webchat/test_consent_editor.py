"""Test the consent editor in a browser: saving without a change changes no byte.

The page has the strict policy.
"""

import mimetypes
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django import forms
from django.contrib.staticfiles import finders

from webchat.consent_html import MAX_BODY, sanitise
from webchat.default_texts import DEFAULT_TEXTS
from webchat.widgets import ConsentBodyField, ConsentEditor, editor_media


class BodiesForm(forms.Form):
    """The four texts of a WebChat."""

    en, cs, de, sk = (
        ConsentBodyField(label=f"Text ({language})", widget=ConsentEditor(attrs={"lang": language}))
        for language in ("en", "cs", "de", "sk")
    )


BODIES = {language: text.body for language, text in DEFAULT_TEXTS.items()}


def test_what_the_textarea_shows_is_no_change() -> None:
    shown = {
        name: field.widget.format_value(BODIES[name]) for name, field in BodiesForm().fields.items()
    }
    form = BodiesForm(
        {name: text.replace("\n", "\r\n") for name, text in shown.items()}, initial=BODIES
    )

    assert shown["en"].count("\n") > 20
    assert form.changed_data == []
    assert form.is_valid()
    assert form.cleaned_data == BODIES


@pytest.mark.parametrize("body", ["", " \n", "<p></p>", "a\0b", "x" * MAX_BODY, "x" * 3 * MAX_BODY])
def test_a_body_that_cannot_be_stored_is_an_error_at_its_field(body: str) -> None:
    form = BodiesForm({**BODIES, "cs": body})

    assert list(form.errors) == ["cs"]


def test_all_media_carry_the_nonce_and_nothing_else_is_inline() -> None:
    html = str(editor_media(nonce="n0nce"))

    assert html.count('nonce="n0nce"') == html.count("<script") + html.count("<link")
    assert html.count("<script") == html.count("<script src=") + 1
    assert html.index("importmap") < html.index("consent-editor.js")
    assert "<style" not in html


POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-n0nce'; style-src 'self'; font-src 'self';"
    " connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'"
)


class Site:
    """A page with four editors, served from memory. It records posts and errors."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.posted: dict[str, str] = {}
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.route("**/*", self.answer)
        page.goto("http://site.test/")

    def answer(self, route: Any) -> None:
        path = route.request.url.partition("site.test")[2].partition("?")[0]
        if path.startswith("/static/"):
            file = finders.find(path.removeprefix("/static/"))
            route.fulfill(path=file, content_type=mimetypes.guess_type(file)[0])
        elif path == "/save":
            self.posted = {
                name: value[0] for name, value in parse_qs(route.request.post_data).items()
            }
            route.fulfill(body="saved")
        elif path == "/":
            html = (
                f"<!doctype html><html lang=en><title>x</title>{editor_media(nonce='n0nce')}"
                f"<form method=post action=/save>{BodiesForm(initial=BODIES).as_div()}"
                "<button id=save>Save</button></form>"
            )
            route.fulfill(
                body=html, content_type="text/html", headers={"Content-Security-Policy": POLICY}
            )
        else:
            route.fulfill(status=204)

    def save(self) -> dict[str, str]:
        self.page.click("#save")
        self.page.wait_for_url("**/save")
        return self.posted


@pytest.fixture
def site(browser: Any) -> Iterator[Site]:
    site = Site(browser.new_page())
    site.page.wait_for_selector("#id_sk_editor")
    yield site
    site.page.close()
    assert site.complaints == []


@pytest.mark.browser
def test_a_save_without_a_change_is_byte_identical(site: Site) -> None:
    posted = site.save()

    assert {name: sanitise(body) for name, body in posted.items()} == BODIES


@pytest.mark.browser
def test_a_save_after_typing_and_deleting_is_byte_identical(site: Site) -> None:
    for language in BODIES:
        site.page.click(f"#id_{language}_editor")
        site.page.keyboard.press("Control+End")
        site.page.keyboard.type("x")
        site.page.keyboard.press("Backspace")

    posted = site.save()

    assert posted == BODIES


@pytest.mark.browser
def test_the_editor_leaves_canonical_text_as_it_is(site: Site) -> None:
    samples = [
        sanitise(html)
        for html in (
            "<ul><li><ul><li>x</ul></ul><ul><li>y</ul>", "<ol><li>a<hr><h2>b</h2></ol>",
            "a\n\n<b> b </b>\xa0c<br><i>d</i>",
            "<blockquote><ul><li>x</ul><p>y</blockquote>", '<a href="https://x/?a&b=&quot;">x<b>y</b></a><u>z</u>',
            "<p>&lt;b&gt; &amp;amp; e\u0301 \u2028 \ufeff \u00ad 😀</p>", "<blockquote>" * 9 + "x",
        )
    ]  # fmt: skip
    script = """(samples) => {
        const editor = document.getElementById("id_en_editor").editor;
        return samples.map((html) => (editor.commands.setContent(html), editor.getHTML()));
    }"""

    assert site.page.evaluate(script, samples) == samples


@pytest.mark.browser
def test_the_editor_has_its_labels_name_and_its_text_language(site: Site) -> None:
    editor = site.page.get_by_role("textbox", name="Text (cs)")

    assert editor.get_attribute("lang") == "cs"
    assert site.page.get_by_role("toolbar").count() == 4


@pytest.mark.browser
def test_pasted_styles_and_handlers_neither_run_nor_complain(site: Site) -> None:
    site.page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/html", `<style>p{}</style><p style="color:red" onclick="x()">a<b>b</b></p>
                <img src=x onerror=y()>`);
            const editor = document.getElementById("id_en_editor");
            editor.focus();
            editor.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true}));
        }"""
    )

    assert sanitise(site.save()["en"]).startswith("<p>a<strong>b</strong>The General")


@pytest.mark.browser
def test_without_javascript_the_textarea_is_enough(browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    site = Site(context.new_page())

    site.page.fill("#id_en", "First paragraph\n\nSecond")
    posted = site.save()
    context.close()

    assert sanitise(posted.pop("en")) == "<p>First paragraph</p><p>Second</p>"
    assert {name: sanitise(body) for name, body in posted.items()} == {
        name: BODIES[name] for name in posted
    }
