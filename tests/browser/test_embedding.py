"""Test the script on a foreign site: strict policy, no third-party cookies, unlisted sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, Error, Frame, Page, Request, expect

from sessions_app.models import Session
from tests.browser.conftest import PHONE
from tests.browser.sites import Site, somebodys_site
from tests.browser.test_live_conversation import say, sees
from tests.factories import ErasureFactory, WebChatFactory
from tests.pages import COMPLETE, entry_url, ticket_in
from webchat.models import WebChat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TYPED = {"Name": "Zdislava Testová", "E-mail": "zdislava@example.com", "Phone": "603 123 456"}
#: Counts the data that a visitor leaves on the device for one origin.
STORED = """async () => ({
  cookie: document.cookie, local: length(() => localStorage), session: length(() => sessionStorage),
  databases: (await indexedDB.databases().catch(() => [])).length,
})""".replace("length(", "((storage) => { try { return storage().length; } catch { return 0; } })(")
NOTHING = {"cookie": "", "local": 0, "session": 0, "databases": 0}


@pytest.fixture(scope="module")
def browser(
    launch_browser: Callable[..., Browser], chromium_launch_args: dict[str, Any]
) -> Iterator[Browser]:
    """Start a Chromium that blocks third-party cookies."""
    args = [*chromium_launch_args["args"], "--test-third-party-cookie-phaseout"]
    browser = launch_browser(**chromium_launch_args | {"args": args})
    yield browser
    browser.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with somebodys_site() as site:
        yield site


def script(live_server: Any, webchat: WebChat, attributes: str = "") -> str:
    return f'<script src="{live_server.url}/w/{webchat.public_id}/widget.js" {attributes} async></script>'


def listen(page: Page) -> None:
    page.wait_for_function("window.mluviiGdpr")
    page.evaluate(
        "window.heard = [];"
        "for (const name of ['ready', 'open', 'close', 'started', 'ended'])"
        "  mluviiGdpr.on(name, (event) => heard.push(event))"
    )


def heard(page: Page, *events: str) -> None:
    page.wait_for_function("(n) => heard.length >= n", arg=len(events))
    assert page.evaluate("heard") == list(events)


def chat_in(page: Page) -> Frame:
    frame = page.locator("iframe").element_handle().content_frame()
    assert frame is not None
    return frame


def enter(frame: Frame) -> None:
    for label, value in TYPED.items():
        frame.get_by_label(label).fill(value)
    frame.locator("[name=consent]").check()
    frame.locator("#entry button[type=submit]").click()
    frame.wait_for_url("**/r/**")


def said_by(request: Request) -> str:
    return f"{request.url} {request.post_data} {request.headers}"


def test_third_party_cookies_are_blocked_here(
    site: Site, browser: Browser, chromium_launch_args: dict[str, Any], tmp_path: Path
) -> None:
    """This is the control of the other tests. A profile that allows such a cookie keeps it."""
    preferences = tmp_path / "Default" / "Preferences"
    preferences.parent.mkdir()
    preferences.write_text('{"profile": {"cookie_controls_mode": 0}}')
    url = site.page("/", f'<iframe src="{site.probe}"></iframe>')
    lenient = browser.browser_type.launch_persistent_context(tmp_path, **chromium_launch_args)
    for context, kept in ((browser.new_context(), []), (lenient, ["probe"])):
        context.new_page().goto(url)
        assert [cookie["name"] for cookie in context.cookies()] == kept
        context.close()


@pytest.mark.usefixtures("streams")
def test_a_visitor_talks_with_an_operator_in_the_frame(
    site: Site,
    live_server: Any,
    open_browser: Callable[..., Page],
    log_in_browser: Callable[..., Page],
    tmp_path: Path,
) -> None:
    webchat = WebChatFactory(site=f"https://www.example.com {site.origin}")
    ours = live_server.url
    site.policy = f"default-src 'none'; script-src {ours}; frame-src {ours}; require-trusted-types-for 'script'"
    bare, twice = site.page("/bare", ""), site.page("/help/lamps", 2 * script(live_server, webchat))
    page = open_browser()
    requests: list[Request] = []
    page.goto(bare)
    globals_before = set(page.evaluate("Object.keys(window)"))
    page.on("request", lambda request: requests.append(request))
    page.goto(twice)
    page.wait_for_load_state("networkidle")

    # The script is loaded twice. There is one button, one global, and no other request.
    button = page.get_by_role("button")
    expect(button).to_have_count(1)
    expect(button).to_have_text("Chat with us")
    expect(button).to_have_attribute("aria-expanded", "false")
    assert set(page.evaluate("Object.keys(window)")) - globals_before == {"mluviiGdpr"}
    assert {request.url for request in requests} == {
        twice,
        f"{ours}/w/{webchat.public_id}/widget.js",
    }
    assert page.locator("iframe").count() == 0
    listen(page)
    assert button.evaluate("(button) => getComputedStyle(button).position") == "fixed", (
        "styled under that policy"
    )

    # The frame is opened with the keyboard. No value leaves before the form is sent.
    button.focus()
    page.keyboard.press("Enter")
    frame = chat_in(page)
    expect(frame.get_by_label("Name")).to_be_visible()
    expect(button.filter(has_text="Chat with us")).to_have_attribute("aria-expanded", "true")
    for shown in (page, frame):
        assert [
            (v["id"], v["nodes"][0]["html"]) for v in Axe().run(shown).response["violations"]
        ] == []
    assert frame.evaluate("document.referrer") == f"{site.origin}/"
    frame.locator("#entry button[type=submit]").click()
    expect(frame.get_by_label("Name")).to_be_focused()
    for label, value in TYPED.items():
        frame.get_by_label(label).press_sequentially(value)
    page.wait_for_load_state("networkidle")
    assert [r.url for r in requests if any(value in said_by(r) for value in TYPED.values())] == []
    assert not Session.objects.exists()
    # Messages from the page itself or from another frame are ignored.
    page.evaluate("postMessage({ mluviiGdpr: 'ended' }, '*')")
    enter(frame)
    heard(page, "ready", "open", "started")

    # The site receives nothing of the conversation. Escape hides it without ending it.
    operator = log_in_browser("operator")
    operator.goto("/sessions/live/")
    operator.get_by_role("button", name="Take").click()
    say(operator, "Good day")
    sees(frame, "Good day")
    say(frame, "Hello from a frame")
    sees(operator, "Hello from a frame")
    parcel = tmp_path / "parcel.txt"
    parcel.write_bytes(b"parcel 7")
    frame.get_by_text("Send a file").click()
    frame.locator("[name=file]").set_input_files(parcel)
    frame.get_by_role("button", name="Send the file").click()
    for shown in (operator, frame):
        sees(shown, "parcel.txt")
    with page.expect_download() as download:
        frame.get_by_role("link", name="parcel.txt").click()
    assert Path(download.value.path()).read_bytes() == b"parcel 7"
    assert frame.evaluate("(document.documentElement.scrollWidth - innerWidth)") <= 0
    frame.get_by_label("Your message").press("Escape")
    expect(page.locator("iframe")).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    expect(frame.get_by_text("Hello from a frame")).to_be_visible()
    link = frame.get_by_role("link", name="Open the conversation in its own window")
    assert link.get_attribute("href") in frame.url
    # Use the keyboard, because a click may be lost while the frame is rendered again.
    frame.get_by_text("End the conversation").press("Enter")
    frame.get_by_role("button", name="End conversation").click()
    heard(page, "ready", "open", "started", "close", "open", "ended")
    expect(operator.get_by_role("heading", level=1)).to_contain_text("Closed")
    frame.get_by_label("5 stars").check()
    frame.get_by_role("button", name="Send the feedback").click()
    expect(frame.get_by_text("Thank you for your feedback")).to_be_visible()
    assert Session.objects.get().feedback_stars == 5
    page.get_by_role("button", name="Close").click()
    expect(page.locator("iframe")).to_be_hidden()

    # Nothing is stored on the device for either origin.
    assert page.evaluate(STORED) == NOTHING
    assert frame.evaluate(STORED) == NOTHING
    assert page.context.cookies() == []


def test_the_showroom_is_opened_by_the_site_with_what_it_knows_until_an_erasure_ends_it(
    site: Site, live_server: Any, open_browser: Callable[..., Page]
) -> None:
    webchat = WebChatFactory(site=site.origin, languages=["en", "cs"], button_position="left")
    page = open_browser(viewport=PHONE)
    # The site has a style that would hide everything.
    site.pages["/site.css"] = (
        "body * { display: none !important } main, .own { display: block !important }"
    )
    attributes = 'data-channel="showroom" data-lang="cs-CZ" data-param-order-id="A 17"'
    style = '<link rel="stylesheet" href="/site.css"><a class="own" href="#">Call us</a>'
    page.goto(site.page("/", style + script(live_server, webchat, attributes)))
    listen(page)
    button = page.get_by_role("button", name="Videohovor")
    expect(button).to_be_visible()
    box = button.bounding_box()
    assert box is not None
    assert (box["x"], round(box["y"] + box["height"])) == (20, PHONE["height"] - 20)

    page.get_by_role("link").focus()
    page.evaluate("mluviiGdpr.open()")
    frame = chat_in(page)
    frame.wait_for_url(f"**/w/{webchat.public_id}/showroom/?lang=cs")
    expect(frame.locator("html")).to_have_attribute("lang", "cs")
    expect(button).to_be_hidden()
    panel = page.get_by_role("dialog").bounding_box()
    assert panel == {"x": 0, "y": 0, **PHONE}
    allowed = page.locator("iframe").get_attribute("allow")
    assert allowed == "; ".join(
        f"{name} {live_server.url}" for name in ("camera", "microphone", "autoplay")
    )
    expect(frame.locator("[name='param.order-id']")).to_have_value("A 17")
    frame.locator("[name=name]").fill("Zdislava")
    frame.locator("[name=email]").fill("zdislava@example.com")
    frame.locator("[name=phone]").fill("603 123 456")
    frame.locator("[name=consent]").check()
    frame.locator("#entry button[type=submit]").click()
    heard(page, "ready", "open", "started")
    session = Session.objects.get()
    assert (session.params, session.landing_page) == ({"order-id": "A 17"}, f"{site.origin}/")

    ErasureFactory(subject=session)
    frame.goto(frame.url)
    heard(page, "ready", "open", "started", "ended")
    expect(frame.get_by_role("heading")).to_be_visible()
    page.evaluate("mluviiGdpr.close()")
    expect(page.get_by_role("link")).to_be_focused()


def test_a_site_that_is_not_listed_shows_no_button_and_hears_why(
    site: Site, live_server: Any, browser: Browser
) -> None:
    webchat = WebChatFactory(site="https://www.example.com")
    page = browser.new_context().new_page()
    with page.expect_console_message() as hint:
        page.goto(site.page("/", script(live_server, webchat)))
    assert f"{site.origin} is not an allowed site" in hint.value.text
    expect(page.get_by_role("heading")).to_be_visible()
    # The functions exist, so that the site's own scripts continue to work.
    page.evaluate("mluviiGdpr.on('ready', () => {}); mluviiGdpr.open(); mluviiGdpr.close()")
    assert page.locator("mluvii-gdpr, iframe").count() == 0
    page.context.close()


def test_a_page_of_a_site_that_is_not_listed_cannot_frame_the_form(
    site: Site, live_server: Any, browser: Browser
) -> None:
    webchat = WebChatFactory(site="https://www.example.com")
    page = browser.new_context().new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(
        site.page("/", f'<iframe src="{live_server.url}{entry_url(webchat)}"></iframe>'),
        wait_until="commit",
    )
    frame = chat_in(page)
    with suppress(Error):  # raised if the refusal arrives during the wait
        frame.wait_for_url("chrome-error://**")
    frame.wait_for_url("chrome-error://**")
    assert frame.locator("form").count() == 0
    assert any("frame-ancestors https://www.example.com" in line for line in said), said
    page.context.close()


def test_a_conversation_survives_a_site_that_replaces_its_body(
    site: Site, live_server: Any, open_browser: Callable[..., Page]
) -> None:
    """Turbo does this on each click. It also runs the scripts of the new body again."""
    page = open_browser()
    page.goto(site.page("/", script(live_server, WebChatFactory(site=site.origin))))
    listen(page)
    page.get_by_role("button", name="Chat with us").click()
    enter(chat_in(page))
    room = chat_in(page).url
    page.evaluate(
        "document.body.replaceWith(Object.assign(document.createElement('body'), {textContent: 2}))"
    )
    expect(page.get_by_role("button", name="Chat with us")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    page.evaluate("mluviiGdpr.open()")
    assert chat_in(page).url == room
    heard(page, "ready", "open", "started", "close", "open")


@pytest.mark.parametrize(
    "swap",
    [
        "document.querySelector('mluvii-gdpr').remove()",
        "document.documentElement.replaceChildren(document.head, document.createElement('body'))",
        "document.replaceChild(document.createElement('html'), document.documentElement)",
    ],
    ids=["the host", "all children", "the document element"],
)
def test_a_removed_button_returns_each_time(
    site: Site, live_server: Any, open_browser: Callable[..., Page], swap: str
) -> None:
    page = open_browser()
    page.goto(site.page("/", script(live_server, WebChatFactory(site=site.origin))))
    button = page.get_by_role("button", name="Chat with us")
    expect(button).to_be_visible()
    for _ in range(2):
        page.evaluate(swap)
        expect(button).to_be_visible()
    button.click()
    expect(chat_in(page).get_by_label("Name")).to_be_visible()


def test_a_script_that_removes_the_button_does_not_block_the_page(
    site: Site, live_server: Any, open_browser: Callable[..., Page]
) -> None:
    page = open_browser()
    page.goto(site.page("/", script(live_server, WebChatFactory(site=site.origin))))
    page.wait_for_selector("mluvii-gdpr", state="attached")
    answer = page.evaluate(
        """async () => {
          const remove = () => document.querySelector("mluvii-gdpr")?.remove();
          const observer = new MutationObserver(remove);
          observer.observe(document.documentElement, { childList: true });
          remove();
          await new Promise((done) => setTimeout(done, 50));
          observer.disconnect();
          return "alive";
        }"""
    )
    assert answer == "alive"
    expect(page.get_by_role("button", name="Chat with us")).to_be_visible()


@pytest.mark.parametrize(
    ("policy", "attributes"),
    [("", ""), ("default-src 'none'; script-src 'nonce-n1'; style-src 'nonce-n1'", 'nonce="n1"')],
    ids=["no policy", "nonce"],
)
def test_a_browser_without_constructed_stylesheets_has_a_styled_button(
    site: Site, live_server: Any, open_browser: Callable[..., Page], policy: str, attributes: str
) -> None:
    """Safari before 16.4 has none, and Firefox before 119 has no aria properties."""
    page = open_browser()
    page.add_init_script(
        "delete window.CSSStyleSheet;"
        "for (const name of ['ariaLabel', 'ariaExpanded', 'role']) delete Element.prototype[name];"
    )
    site.policy = policy
    webchat = WebChatFactory(site=site.origin)
    page.goto(site.page("/", script(live_server, webchat, attributes)))
    button = page.get_by_role("button", name="Chat with us")
    assert button.evaluate("(button) => getComputedStyle(button).position") == "fixed"
    expect(button).to_have_attribute("aria-expanded", "false")
    page.evaluate("mluviiGdpr.on('ready', () => {})")


def test_the_functions_exist_in_a_browser_that_cannot_show_the_button(
    site: Site, live_server: Any, browser: Browser
) -> None:
    page = browser.new_context().new_page()
    page.add_init_script("delete Element.prototype.attachShadow")
    page.goto(site.page("/", script(live_server, WebChatFactory(site=site.origin))))
    page.wait_for_load_state()
    page.evaluate("mluviiGdpr.on('ready', () => {}); mluviiGdpr.open(); mluviiGdpr.close()")
    page.context.close()


def test_a_tag_manager_that_strips_attributes_can_set_everything(
    site: Site, live_server: Any, open_browser: Callable[..., Page]
) -> None:
    webchat = WebChatFactory(site=site.origin, languages=["en", "cs"])
    settings = '{ channel: "showroom", lang: "cs", params: { orderId: "A 17", count: 3 } }'
    tag = script(live_server, webchat, 'data-param-count="4"')
    page = open_browser()
    page.goto(site.page("/", f"<script>mluviiGdprSettings = {settings}</script>{tag}"))
    page.get_by_role("button", name="Videohovor").click()
    frame = chat_in(page)
    frame.wait_for_url(f"**/w/{webchat.public_id}/showroom/?lang=cs")
    expect(frame.locator("[name='param.orderId']")).to_have_value("A 17")
    # An attribute of the script is more specific than the settings of the site.
    expect(frame.locator("[name='param.count']")).to_have_value("4")


def test_a_hidden_form_of_another_site_starts_no_conversation(
    site: Site, live_server: Any, open_browser: Callable[..., Page], client: Client
) -> None:
    webchat = WebChatFactory()
    entered = COMPLETE | {"ticket": ticket_in(client.get(entry_url(webchat)))}
    fields = "".join(f'<input type="hidden" name="{n}" value="{v}">' for n, v in entered.items())
    action = f"{live_server.url}{entry_url(webchat)}"
    page = open_browser()
    page.goto(
        site.page(
            "/win", f'<form method="post" action="{action}">{fields}<button>Win</button></form>'
        )
    )
    with page.expect_response(action) as answer:
        page.get_by_role("button", name="Win").click()
    assert answer.value.status == 403
    expect(page.get_by_role("alert")).to_contain_text("Another website sent this form.")
    expect(page.get_by_role("checkbox")).not_to_be_checked()
    assert not Session.objects.exists()
    # The visitor, who now sees the form and its text, may decide.
    enter(page.main_frame)
    assert Session.objects.count() == 1


def test_the_preview_follows_the_typed_text(log_in_browser: Callable[..., Page]) -> None:
    webchat = WebChatFactory(site="https://www.example.com")
    page = log_in_browser("administrator")
    page.goto(f"/settings/webchat/{webchat.pk}/install/")
    preview = page.locator("#button-preview button")
    box, button = page.locator(".site-preview").bounding_box(), preview.bounding_box()
    assert box is not None
    assert button is not None
    assert box["x"] < button["x"] < button["x"] + button["width"] < box["x"] + box["width"]
    page.get_by_label("Showroom (Czech)").fill("Ukažte mi to")
    expect(preview).to_have_text("Ukažte mi to")
    page.get_by_label("Showroom (Czech)").fill("")
    expect(preview).to_have_text("Videohovor")
    page.get_by_label("Bottom left").check()
    assert preview.evaluate("(button) => button.parentElement.className") == "left"
