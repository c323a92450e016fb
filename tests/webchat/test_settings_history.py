"""Test the history of settings, read-only settings, and the right to shorten retention."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from anonymization.ledger.recording import erasing
from tests.factories import SessionFactory, StaffFactory, WebChatFactory
from tests.pages import LogIn, compact
from tests.webchat.test_webchats import GOOD
from webchat import services
from webchat.models import SettingChange, WebChat
from webchat.setting_changes import record_setting_changes
from webchat.views import history

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def rows(page: str) -> list[str]:
    body = page.partition("<tbody")[2].partition("</tbody>")[0]
    return [row for row in body.split("</tr>") if "<td" in row]


def test_changes_are_shown_newest_first_with_both_values(log_in: LogIn, webchat: WebChat) -> None:
    by = StaffFactory(role="administrator")
    services.save_settings(webchat, changes={"entry_form": "standard"}, by=by)
    services.save_settings(webchat, changes={"retention_days": 30}, by=None, previewed=True)
    services.save_settings(WebChatFactory(), changes={"entry_form": "standard"}, by=by)
    answer = log_in("officer").get(f"/settings/webchat/{webchat.pk}/history/")
    newest, oldest = rows(compact(answer))
    for value in ("Retention in days", "–", "30", "the system"):
        assert f">{value}<" in newest
    for value in ("Entry form", "GDPR", "Standard", "administrator"):
        assert f">{value}<" in oldest


def test_settings_of_the_installation_have_a_page_of_their_own(
    log_in: LogIn, webchat: WebChat
) -> None:
    services.save_settings(webchat, changes={"entry_form": "standard"}, by=None)
    with erasing():
        record_setting_changes(None, changes={"dpo": (None, "<b>Jan</b>")}, by=None)
    (row,) = rows(log_in("officer").get("/settings/gdpr/history/").content.decode())
    assert "&lt;b&gt;Jan&lt;/b&gt;" in row


def test_a_long_history_is_paged_by_key(
    administrator: Client, webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE_SIZE", 2)
    for days in (50, 40, 30):
        services.save_settings(webchat, changes={"retention_days": days}, by=None, previewed=True)
    url = f"/settings/webchat/{webchat.pk}/history/"
    first = administrator.get(url).content.decode()
    older = SettingChange.objects.order_by("-pk")[1].pk
    assert len(rows(first)) == 2
    assert f'href="?before={older}"' in first
    second = administrator.get(f"{url}?before={older}").content.decode()
    assert len(rows(second)) == 1
    assert "before=" not in second.partition("</thead>")[2]
    assert "No change yet" in administrator.get(f"{url}?before=1").content.decode()


@pytest.mark.parametrize("page", ["", "install/", "forms/"])
def test_an_officer_reads_settings_and_has_nothing_to_press(
    log_in: LogIn, webchat: WebChat, page: str
) -> None:
    officer, url = log_in("officer"), f"/settings/webchat/{webchat.pk}/{page}"
    shown = officer.get(url).content.decode().partition("<main")[2]
    assert "You can see these settings, but not change them." in shown
    assert 'type="submit"' not in shown
    assert "<fieldset" in shown
    assert " disabled>" in shown
    assert officer.post(url, GOOD).status_code == 403
    assert 'type="submit"' in log_in("administrator").get(url).content.decode()


@pytest.fixture
def filled() -> WebChat:
    webchat = WebChatFactory(**GOOD)
    for days_ago in (60, 40, 32, 27, 25, 3):
        SessionFactory(webchat=webchat, new_guest=True, ended=True, days_ago=days_ago)
    return webchat


def let_anonymize(client: Client) -> None:
    user = User.objects.get(username="administrator")
    user.user_permissions.add(Permission.objects.get(codename="anonymize_guest"))


@pytest.mark.parametrize(
    ("before", "days", "status"),
    [(None, 30, 403), (100, 30, 403), (None, 22, 403), (100, 80, 302), (None, 999, 302)],
)
def test_a_period_that_makes_sessions_due_needs_the_right_to_anonymize(
    administrator: Client, filled: WebChat, before: int | None, days: int, status: int
) -> None:
    WebChat.objects.update(retention_days=before)
    page = f"/settings/webchat/{filled.pk}/retention/"
    shown = administrator.get(f"{page}?days={days}").content.decode()
    assert ("Only staff members who may anonymize guests" in shown) is (status == 403)
    assert ("btn-danger" in shown) is (status == 302)
    answer: Any = administrator.post(page, {"days": days, "shown": "9"})
    assert answer.status_code == status
    filled.refresh_from_db()
    assert filled.retention_days == (before if status == 403 else days)
    assert SettingChange.objects.exists() is (status == 302)
    if status == 403:
        named = f"{3 if days == 30 else 5} at the next run"
        assert named in " ".join(answer.content.decode().split())
        let_anonymize(administrator)
        assert administrator.post(page, {"days": days, "shown": "9"}).status_code == 302
        assert SettingChange.objects.get().changed_by.username == "administrator"
