"""Test that a retention period is previewed in numbers before it anonymizes anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client

from anonymization.ledger.recording import erasing
from tests.factories import SessionFactory, WebChatFactory
from tests.races import wait_until_blocked_by_me
from tests.webchat.test_webchats import GOOD
from webchat import services
from webchat.models import WebChat

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(administrator: Client) -> Client:
    """Return an administrator who may anonymize guests. Shorter periods need this permission."""
    user = User.objects.get(username="administrator")
    user.user_permissions.add(Permission.objects.get(codename="anonymize_guest"))
    return administrator


@pytest.fixture
def webchat() -> WebChat:
    webchat = WebChatFactory(**GOOD)
    for days_ago in (60, 40, 32, 27, 25, 3):
        SessionFactory(webchat=webchat, new_guest=True, ended=True, days_ago=days_ago)
    return webchat


def save(client: Client, webchat: WebChat, days: str, **others: Any) -> Any:
    return client.post(f"/settings/webchat/{webchat.pk}/", GOOD | {"retention_days": days} | others)


def stored(webchat: WebChat) -> int | None:
    webchat.refresh_from_db()
    return webchat.retention_days


def test_switching_it_on_shows_first_what_it_takes(administrator: Client, webchat: WebChat) -> None:
    page = f"/settings/webchat/{webchat.pk}/retention/"
    answer = save(administrator, webchat, "30")
    assert (answer.status_code, answer["Location"]) == (302, f"{page}?days=30")
    assert stored(webchat) is None

    shown = administrator.get(answer["Location"])

    assert (shown.context["preview"].now, shown.context["preview"].week) == (3, 2)
    assert "kept until somebody anonymizes them" in shown.content.decode()
    assert stored(webchat) is None
    answer = administrator.post(page, {"days": "30", "shown": "3"})
    assert (answer.status_code, answer["Location"]) == (302, f"/settings/webchat/{webchat.pk}/")
    assert stored(webchat) == 30
    general = administrator.get(f"/settings/webchat/{webchat.pk}/")
    assert "Sessions are anonymized 30 days after they end." in general.content.decode()
    assert general.context["preview"].now == 3


def test_what_else_was_typed_is_saved_at_once(administrator: Client, webchat: WebChat) -> None:
    answer = save(administrator, webchat, "30", name="Typed just now")
    assert answer["Location"].endswith("/retention/?days=30")
    webchat.refresh_from_db()
    assert (webchat.name, webchat.retention_days) == ("Typed just now", None)
    assert (
        "The other settings were saved." in administrator.get(answer["Location"]).content.decode()
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_nothing_else_is_said_to_be_saved_when_nothing_else_changed(
    administrator: Client, webchat: WebChat, newline: str
) -> None:
    site = GOOD["site"].replace("\n", newline)
    answer = save(administrator, webchat, "30", site=site)
    assert answer["Location"].endswith("/retention/?days=30")
    assert (
        "The other settings were saved."
        not in administrator.get(answer["Location"]).content.decode()
    )
    answer = save(administrator, webchat, "", site=site)
    assert "Nothing was changed." in administrator.get(answer["Location"]).content.decode()


def test_what_else_is_wrong_comes_back_with_everything_typed(
    administrator: Client, webchat: WebChat
) -> None:
    answer = save(administrator, webchat, "30", name="")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert '<input type="number" name="retention_days" value="30"' in page
    assert stored(webchat) is None


@pytest.mark.parametrize(
    ("before", "typed", "after", "asks"),
    [
        (30, "29", 30, True),
        (30, "30", 30, False),
        (30, "31", 31, False),
        (30, "", None, False),
        (None, "", None, False),
    ],
)
def test_only_a_period_that_takes_more_is_asked_about(
    administrator: Client,
    webchat: WebChat,
    before: int | None,
    typed: str,
    after: int | None,
    asks: bool,
) -> None:
    WebChat.objects.update(retention_days=before)
    answer = save(administrator, webchat, typed)
    assert ("retention" in answer["Location"]) is asks
    assert stored(webchat) == after


def test_the_check_uses_the_stored_period_at_the_time_of_saving(
    administrator: Client, webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    WebChat.objects.update(retention_days=30)
    save_settings = services.save_settings

    def after_another_one(*args: Any, **options: Any) -> set[str]:
        WebChat.objects.update(retention_days=None)
        return save_settings(*args, **options)

    monkeypatch.setattr(services, "save_settings", after_another_one)
    answer = save(administrator, webchat, "40", name="Typed just now")
    assert answer["Location"].endswith("/retention/?days=40")
    assert stored(webchat) is None
    assert webchat.name == "Typed just now"


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_the_second_is_asked_by_what_the_first_one_left(webchat: WebChat) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs two connections to a PostgreSQL")
    WebChat.objects.update(retention_days=30)

    def save_in_a_thread() -> set[str]:
        try:
            return services.save_settings(webchat, changes={"retention_days": 40}, by=None)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with erasing():
            services.save_settings(webchat, changes={"retention_days": None}, by=None)
            answer = pool.submit(save_in_a_thread)
            assert wait_until_blocked_by_me(answer), "it did not wait"
        assert isinstance(answer.exception(timeout=60), services.TakesMore)
    assert stored(webchat) is None


@pytest.mark.parametrize("days", ["0", "-1", "36501", "1.5", "x", str(10**30)])
def test_a_wrong_number_is_refused(administrator: Client, webchat: WebChat, days: str) -> None:
    answer = save(administrator, webchat, days)
    assert answer.status_code == 422
    assert 'id="id_retention_days_error"' in answer.content.decode()
    page = f"/settings/webchat/{webchat.pk}/retention/"
    assert administrator.get(page, {"days": days}).status_code == 302
    assert administrator.post(page, {"days": days, "shown": "9"}).status_code == 302
    assert stored(webchat) is None


def test_more_than_was_shown_is_asked_again(administrator: Client, webchat: WebChat) -> None:
    page = f"/settings/webchat/{webchat.pk}/retention/"
    answer = administrator.post(page, {"days": "30", "shown": "2"})
    assert answer.status_code == 409
    assert answer.context["preview"].now == 3
    assert "more sessions than you were shown" in answer.content.decode()
    assert stored(webchat) is None
    assert administrator.post(page, {"days": "30", "shown": "4"}).status_code == 302, (
        "fewer than shown"
    )
    assert stored(webchat) == 30


def test_sessions_of_another_webchat_do_not_count(administrator: Client, webchat: WebChat) -> None:
    other = WebChatFactory()
    preview = administrator.get(f"/settings/webchat/{other.pk}/retention/?days=1").context[
        "preview"
    ]
    assert (preview.now, preview.week) == (0, 0)
