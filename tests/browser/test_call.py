"""Test a video call between two browsers with fake devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from sessions_app import conversation
from sessions_app.models import Session, Signal
from tests.browser.conftest import PHONE
from tests.browser.sites import somebodys_site
from tests.browser.test_accessibility import violations
from tests.browser.test_main_path import fill_in
from tests.factories import ErasureFactory, WebChatFactory

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("streams"),
]

DEVICES = ["camera", "microphone"]
#: Whether new frames arrive from the other side, as the video element counts them.
GROWS = """async () => {
  const video = document.querySelector("[data-remote]");
  const before = video.currentTime, frames = video.getVideoPlaybackQuality().totalVideoFrames;
  if (!video.videoWidth) return false;
  await new Promise((wait) => setTimeout(wait, 100));
  return video.currentTime > before && video.getVideoPlaybackQuality().totalVideoFrames > frames;
}"""
#: Delays the browser's permission question until the test answers it, and records the tracks.
SLOWLY = """window.got = [];
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => {
  await new Promise((answer) => { window.answer = answer; });
  const stream = await ask(wishes);
  got.push(...stream.getTracks());
  return stream;
};
null"""  # the page would call a function
TRACKS = "() => document.querySelector('[data-remote]').srcObject.getTracks().map((t) => [t.kind, t.muted])"


@pytest.fixture(scope="module")
def browser(
    launch_browser: Callable[..., Browser], chromium_launch_args: dict[str, Any]
) -> Iterator[Browser]:
    """Start a browser with a fake camera and microphone that reveals the addresses of this machine.

    Hiding the addresses needs multicast, which containers do not have.
    """
    flags = [
        "--use-fake-device-for-media-stream=device-count=2",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
    ]
    args = [*chromium_launch_args["args"], *flags]
    started = launch_browser(**chromium_launch_args | {"args": args})
    yield started
    started.close()


@pytest.fixture
def call(
    open_browser: Callable[..., Page], log_in_browser: Callable[..., Page]
) -> Callable[..., tuple[Page, Page]]:
    """Return a function that lets a visitor pass the gate and an operator take the call."""

    def begin(**visitors: Any) -> tuple[Page, Page]:
        visitor = open_browser(**{"permissions": DEVICES, "viewport": PHONE} | visitors)
        visitor.goto(f"/w/{WebChatFactory().public_id}/showroom/")
        fill_in(visitor)
        visitor.get_by_role("button", name="Connect").click()
        visitor.wait_for_url("**/r/**")
        operator = log_in_browser("operator", permissions=DEVICES)
        operator.goto(f"/sessions/{Session.objects.get().pk}/")
        operator.get_by_role("button", name="Take the conversation").click()
        expect(operator.get_by_role("button", name="Start camera")).to_be_visible()
        return visitor, operator

    return begin


def start(*pages: Page) -> None:
    for page in pages:
        page.get_by_role("button", name="Start camera").click()


def is_seen(page: Page) -> None:
    expect(page.locator(".call")).to_have_attribute("data-state", "connected")
    page.wait_for_function(GROWS)


def hang_up(*pages: Page) -> None:
    """Hang up before the browser is closed. Otherwise it sends "bye" after the server stopped."""
    for page in pages:
        page.get_by_role("button", name="Hang up").click()
        expect(page.get_by_role("button", name="Start camera")).to_be_focused()


def at_once(name: str, *pages: Page) -> None:
    """Let both sides press a button before either receives a signal, so that two offers cross."""
    for page in pages:
        page.evaluate(f"setTimeout(() => document.querySelector('[data-{name}]').click(), 50)")


def are_forgotten(page: Page) -> None:
    """Expect that signals are deleted soon after both sides have read them."""
    for _ in range(50):
        if not Signal.objects.exists():
            return
        page.wait_for_timeout(100)
    raise AssertionError


def test_both_see_each_other_switch_off_and_hang_up(call: Callable[..., tuple[Page, Page]]) -> None:
    visitor, operator = call()
    start(visitor, operator)
    for page in (visitor, operator):
        is_seen(page)
        expect(page.get_by_role("button", name="Turn microphone off")).to_be_focused()
        page.get_by_text("Choose camera and microphone").click()
        assert violations(page, "call") == []
    are_forgotten(visitor)

    at_once("off-video", visitor, operator)
    for page in (visitor, operator):
        expect(page.get_by_text("The other person's camera is off.")).to_be_visible()
        expect(page.locator("[data-self]")).not_to_be_visible()
        assert page.evaluate(TRACKS) == [["audio", False], ["video", True]]
    at_once("off-video", visitor, operator)
    for page in (visitor, operator):
        expect(page.get_by_text("The other person's camera is off.")).not_to_be_visible()
        is_seen(page)
    operator.get_by_role("button", name="Turn microphone off").click()
    expect(visitor.get_by_text("The other person's microphone is off.")).to_be_visible()
    operator.get_by_label("Microphone", exact=True).select_option(index=1)
    operator.locator("[name=note]").fill("Wants a lamp")
    operator.get_by_role("button", name="Save note").click()
    expect(operator.get_by_text("Note saved.")).to_be_visible()
    expect(operator.get_by_role("button", name="Turn microphone on")).to_be_visible()
    assert Session.objects.get().note == "Wants a lamp"
    is_seen(operator)
    visitor.get_by_label("Camera", exact=True).select_option(index=1)
    is_seen(operator)
    are_forgotten(visitor)

    hang_up(operator)
    expect(visitor.locator(".call")).to_have_attribute("data-state", "left")
    assert visitor.evaluate(TRACKS) == []
    other_tab = visitor.context.new_page()
    other_tab.goto(visitor.url)
    other_tab.route("**/signal/?after=*", lambda route: None)
    operator.route("**/signal/", forget_nothing)
    start(operator)
    is_seen(visitor)
    start(other_tab)
    expect(visitor.locator(".call")).to_have_attribute("data-state", "elsewhere")
    other_tab.unroute(
        "**/signal/?after=*"
    )  # the second tab reads its signals only after the first tab has answered the operator
    for page in (other_tab, operator):
        is_seen(page)
    hang_up(other_tab, operator)


def test_a_device_that_is_switched_off_stays_off(open_browser: Callable[..., Page]) -> None:
    """This holds while the browser asks for permission, and for a person who left the call."""
    visitor = open_browser(permissions=DEVICES)
    visitor.goto(f"/w/{WebChatFactory().public_id}/showroom/")
    fill_in(visitor)
    visitor.get_by_role("button", name="Connect").click()
    start(visitor)
    expect(visitor.locator("[data-self]")).to_be_visible()
    visitor.evaluate(SLOWLY)
    visitor.get_by_role("button", name="Turn camera off").click()
    visitor.get_by_role("button", name="Turn camera on").click()
    hang_up(visitor)
    visitor.evaluate("answer()")
    visitor.wait_for_function(
        "() => got.length && got.every((track) => track.readyState === 'ended')"
    )
    expect(visitor.locator("[data-self]")).not_to_be_visible()

    # The widget's window is closed while the browser asks.
    start(visitor)
    visitor.evaluate("got.length = 0; document.dispatchEvent(new Event('call:hidden')); answer()")
    visitor.wait_for_function(
        "() => got.length && got.every((track) => track.readyState === 'ended')"
    )
    expect(visitor.get_by_role("button", name="Start camera")).to_be_enabled()

    start(visitor)
    visitor.evaluate("answer()")
    expect(visitor.locator("[data-self]")).to_be_visible()
    visitor.route("**/signal/**", lambda route: route.fulfill(status=403))
    visitor.evaluate("document.dispatchEvent(new Event('call:signal'))")
    expect(visitor.get_by_text("The call has ended.")).to_be_visible()
    expect(visitor.locator("video")).to_have_count(0)


def test_who_hands_the_call_back_is_seen_no_longer(call: Callable[..., tuple[Page, Page]]) -> None:
    """This also works if it was returned in another window and this one contains typed text."""
    visitor, operator = call()
    start(visitor, operator)
    is_seen(visitor)
    operator.get_by_label("Your message").fill("half a sen")
    operator.evaluate("window.used = document.querySelector('[data-self]').srcObject.getTracks()")
    session = Session.objects.get()
    conversation.release_session(session, operator=session.operator)
    expect(operator.locator("video")).to_have_count(0)
    assert operator.evaluate("used.map((track) => track.readyState)") == ["ended", "ended"]
    expect(visitor.locator(".call")).to_have_attribute("data-state", "waiting")
    hang_up(visitor)


def forget_nothing(route: Route) -> None:
    """Keep the other side's signals."""
    if "kind=connected" in (route.request.post_data or ""):
        route.fulfill(status=204)
    else:
        route.continue_()


def spoil_first_offer(page: Page) -> list[str]:
    """Replace a page's first offer by nonsense, and return the list of replaced offers."""
    spoilt: list[str] = []

    def pass_on(route: Route) -> None:
        sent = route.request.post_data or ""
        if "kind=offer" in sent and not spoilt:
            spoilt.append(sent)
            sent = sent.replace("v%3D0", "nonsense")
        route.continue_(post_data=sent or None)

    page.route("**/signal/", pass_on)
    return spoilt


def test_an_erasure_ends_the_call_on_both_sides(call: Callable[..., tuple[Page, Page]]) -> None:
    visitor, operator = call()
    spoilt = spoil_first_offer(operator)
    start(operator)
    expect(visitor.get_by_text("The operator is calling.")).to_be_visible()
    start(visitor)
    for page in (visitor, operator):
        is_seen(page)
    assert len(spoilt) == 1, "they began again"
    visitor.evaluate("window.used = document.querySelector('[data-self]').srcObject.getTracks()")
    room, session = visitor.url, Session.objects.get()
    assert visitor.request.get(f"{room}ice/").status == 200, "the control"
    ErasureFactory(subject=session)
    expect(visitor.get_by_text("This conversation was anonymized")).to_be_visible()
    expect(visitor.get_by_text("The call has ended.")).to_be_visible()
    assert visitor.evaluate("used.map((track) => track.readyState)") == ["ended", "ended"]
    expect(operator.get_by_text("Deleted. Messages: 0")).to_be_visible()
    for page in (visitor, operator):
        expect(page.locator("video")).to_have_count(0)
    late = {"kind": "candidate", "body": "{}"}
    assert visitor.request.post(f"{room}signal/", form=late).status == 404
    assert visitor.request.get(f"{room}ice/").status == 404
    token = operator.locator("[name=csrfmiddlewaretoken]").first.input_value()
    answer = operator.request.post(
        f"/sessions/{session.pk}/signal/", form=late | {"csrfmiddlewaretoken": token}
    )
    assert answer.status == 409
    assert not Signal.objects.exists()


def test_without_devices_one_writes_and_is_told_why(call: Callable[..., tuple[Page, Page]]) -> None:
    visitor, operator = call(
        permissions=[], color_scheme="dark", viewport={"width": 320, "height": 640}
    )
    assert violations(visitor, "before the call") == []
    start(operator)
    expect(visitor.get_by_text("The operator is calling.")).to_be_visible()
    start(visitor)
    expect(
        visitor.get_by_role("alert").get_by_text("not allowed. Allow them using the icon")
    ).to_be_visible()
    expect(visitor.get_by_text("No camera or microphone. Please use the chat.")).to_be_visible()
    expect(
        operator.get_by_text("The visitor can't join the call. Please use the chat.")
    ).to_be_visible()
    assert violations(visitor, "no devices") == []
    visitor.get_by_label("Your message").fill("I can only write")
    visitor.get_by_label("Your message").press("Enter")
    expect(operator.locator(".bubble").get_by_text("I can only write")).to_be_visible()
    # With a microphone alone, the other side hears the person and does not see them.
    visitor.context.grant_permissions(["microphone"])
    start(visitor)
    expect(
        visitor.get_by_role("alert").get_by_text("The other person can only hear you")
    ).to_be_visible()
    expect(visitor.get_by_role("button", name="Turn camera on")).to_be_visible()
    expect(operator.get_by_text("The other person's camera is off.")).to_be_visible()
    is_seen(visitor)
    hang_up(visitor, operator)


def test_a_site_s_frame_may_use_the_camera(
    live_server: Any, open_browser: Callable[..., Page]
) -> None:
    """It needs the widget's ``allow``, our Permissions-Policy and the person's permission."""
    with somebodys_site() as site:
        webchat = WebChatFactory(site=site.origin)
        address = f"{live_server.url}/w/{webchat.public_id}/widget.js"
        page = open_browser(permissions=DEVICES)
        page.goto(
            site.page("/", f'<script src="{address}" data-channel="showroom" async></script>')
        )
        page.get_by_role("button", name="Video call").click()
        frame = page.frame_locator("iframe")
        for label, value in (
            ("Name", "Eva"),
            ("E-mail", "eva@example.com"),
            ("Phone", "603123457"),
        ):
            frame.get_by_label(label).fill(value)
        frame.locator("[name=consent]").check()
        allowed = "document.featurePolicy.allowsFeature('camera')"
        assert not page.frames[1].evaluate(allowed), "not before the gate"
        frame.get_by_role("button", name="Connect").click()
        frame.get_by_role("button", name="Start camera").click()
        expect(frame.get_by_text("An operator will join you here.")).to_be_visible()
        expect(frame.locator("[data-self]")).to_be_visible()
        assert page.frames[1].evaluate(allowed)
        page.frames[1].evaluate(
            "window.used = document.querySelector('[data-self]').srcObject.getTracks()"
        )
        page.get_by_role("button", name="Close").click()
        expect(page.locator("iframe")).to_be_hidden()
        page.frames[1].wait_for_function(
            "() => used.every((track) => track.readyState === 'ended')"
        )
        page.get_by_role("button", name="Video call").click()
        expect(frame.get_by_role("button", name="Start camera")).to_be_visible()
