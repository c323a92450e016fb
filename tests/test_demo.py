"""Test that demo data is consistent, created once, and never by accident in production."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Q
from django.utils import timezone

from anonymization.models import Erasure, FileDeletion
from anonymization.storage import storage_problem
from demo.build import Builder
from demo.people import make_people
from demo.staff import PASSWORD
from lib.days import period_of, start_of
from sessions_app.gate import chosen_form
from sessions_app.matching import match_keys
from sessions_app.models import Attachment, ConsentEvent, Guest, Message, Session, Status
from tests.database import media
from webchat.consent_html import sanitise, sha256_hex
from webchat.models import ConsentText, ConsentVersion, EntryForm, WebChat

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def _development(settings: Any) -> None:
    settings.DEBUG = True


@pytest.fixture
def output(db: None, _development: None, django_capture_on_commit_callbacks: Any) -> str:
    """Create a small demo. Return the command's output."""
    return make(django_capture_on_commit_callbacks, sessions=60)


def make(callbacks: Any, **options: Any) -> str:
    printed = StringIO()
    with callbacks(execute=True):
        call_command("make_demo", stdout=printed, **options)
    return printed.getvalue()


def test_it_makes_webchats_versions_sessions_and_staff(output: str) -> None:
    assert list(WebChat.objects.values_list("name", "entry_form", "showroom_form")) == [
        ("Helpdesk Brno", EntryForm.STANDARD, EntryForm.NONE),
        ("Shop Prague", EntryForm.GDPR, EntryForm.GDPR),
        ("Showroom Vienna", EntryForm.GDPR, EntryForm.GDPR),
    ]
    versions = ConsentVersion.objects.values_list("kind", "number")
    assert sorted(versions) == [("consent", number) for number in (1, 1, 2, 2, 3, 3)] + [
        ("notice", 1)
    ]
    assert Session.objects.count() == 60
    assert set(Session.objects.values_list("status", flat=True)) == set(Status)
    assert set(Group.objects.filter(user__isnull=False).values_list("name", flat=True)) == {
        "administrator", "support", "operator", "officer",
    }  # fmt: skip
    assert all(user.check_password(PASSWORD) for user in User.objects.all())
    assert PASSWORD in output
    assert "/w/shop-prague/" in output


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("days", range(7))
def test_on_each_weekday_somebody_waits_and_somebody_is_answered(days: int) -> None:
    builder = Builder(sessions=60)
    builder.now -= timedelta(days=days)
    builder.build()
    assert set(Session.objects.values_list("status", flat=True)) == set(Status)


def test_counters_equal_rows(output: str) -> None:
    live = Session.objects.filter(anonymized_in=None).annotate(
        visitor=Count("messages", filter=Q(messages__sender="visitor"), distinct=True),
        operator_=Count("messages", filter=Q(messages__sender="operator"), distinct=True),
        files=Count("attachments", distinct=True),
    )
    wrong = live.exclude(
        messages_visitor=F("visitor"),
        messages_operator=F("operator_"),
        attachments_count=F("files"),
    )
    assert live.filter(visitor__gt=1).exists()
    assert not wrong.exists()


def test_times_are_in_order_and_durations_equal_them(output: str) -> None:
    for session in Session.objects.filter(anonymized_in=None):
        assert session.created_at <= timezone.now()
        if session.accepted_at:
            assert session.waited == session.accepted_at - session.created_at
            assert session.operator is not None
        if session.status == Status.CLOSED:
            assert session.ended_at is not None
            assert session.duration == session.ended_at - session.created_at
        else:
            assert session.ended_at is None
        times = [session.created_at, *session.messages.values_list("at", flat=True)]
        assert times == sorted(times)
        assert times[-1] <= (session.ended_at or timezone.now())


def test_each_gdpr_session_has_one_consent_to_the_version_of_its_day(output: str) -> None:
    sessions = Session.objects.select_related("webchat").prefetch_related(
        "consent_events__text__version"
    )
    gdpr = [s for s in sessions if chosen_form(s.webchat, s.channel) == EntryForm.GDPR]
    assert ConsentEvent.objects.filter(kind="given").count() == len(gdpr) > 0
    for session in gdpr:
        event = next(event for event in session.consent_events.all() if event.kind == "given")
        version = event.text.version
        rounded = start_of(settings.ERASURE_TIME_PRECISION, session.created_at, settings.TIME_ZONE)
        assert event.day == timezone.localdate(rounded)
        assert (event.text.language, event.channel) == (session.language, session.channel)
        if session.anonymized_in is None:
            assert version == current_on(session.webchat, timezone.localdate(session.created_at))
            assert session.guest_id
            assert session.entered_name
            assert session.entered_email
            assert session.entered_phone


def test_sessions_of_forms_without_consent_were_informed(output: str) -> None:
    sessions = Session.objects.filter(webchat__entry_form=EntryForm.STANDARD)
    informed = ConsentEvent.objects.filter(kind="informed", text__version__kind="notice")
    assert informed.count() == sessions.exclude(channel="phone").count() > 0


def test_a_withdrawal_waits_for_the_officer(output: str) -> None:
    (event,) = ConsentEvent.objects.filter(kind="withdrawn")
    assert list(Session.objects.withdrawn()) == [event.session]
    assert event.session.ended_at < event.session.withdrawn_at <= timezone.now()


def current_on(webchat: WebChat, day: date) -> ConsentVersion:
    versions = webchat.consent_versions.order_by("-number")
    return next(v for v in versions if timezone.localdate(v.published_at) <= day)


def test_texts_are_canonical_and_differ_between_versions(output: str) -> None:
    texts = ConsentText.objects.all()
    assert texts.count() == 3 * 4 + 3 * 3 + 2
    for text in texts:
        assert sanitise(text.body) == text.body
        assert sha256_hex(text.document) == text.sha256
    assert texts.values("sha256").distinct().count() == texts.count()


def test_phone_numbers_are_valid_and_addresses_are_of_example_domains(output: str) -> None:
    for session in Session.objects.exclude(entered_phone="").select_related("webchat"):
        keys = match_keys(
            name="x", email="", phone=session.entered_phone, region=session.webchat.phone_region
        )
        assert keys.phone[:6] in {"+42020", "+49302"} or keys.phone[5:9] == "5550"
    domains = {
        email.rpartition("@")[2]
        for email in Guest.objects.exclude(email="").values_list("email", flat=True)
    }
    assert domains
    assert all("example." in domain for domain in domains)


def test_the_same_person_is_one_guest(output: str) -> None:
    named = Guest.objects.exclude(name_key="").exclude(email_key="").exclude(phone_key="")
    assert named.annotate(times=Count("sessions")).filter(times__gt=1).exists()
    assert named.values("name_key", "email_key", "phone_key").distinct().count() == named.count()


def test_anonymized_rows_keep_consent_and_no_identity(output: str) -> None:
    anonymized = Session.objects.exclude(anonymized_in=None)
    assert anonymized.exists()
    assert Guest.objects.exclude(anonymized_in=None).exclude(name="").count() == 0
    assert Guest.objects.exclude(anonymized_in=None).exists()
    for session in anonymized:
        assert (session.guest_id, session.entered_name, session.entered_email, session.params) == (
            None,
            "",
            "",
            {},
        )
        assert session.uid is None
    assert not Message.objects.filter(session__in=anonymized).exists()
    assert ConsentEvent.objects.filter(session__in=anonymized).exists()
    assert Erasure.objects.exists()


def test_erasures_lie_in_the_past_in_the_order_of_their_numbers(output: str) -> None:
    erasures = list(Erasure.objects.order_by("number"))
    days = [erasure.day for erasure in erasures]
    assert days == sorted(days)
    assert len(set(days)) > 1
    assert days[-1] <= timezone.localdate()
    periods = {period_of(day) for day in days}
    for session in Session.objects.exclude(anonymized_in=None):
        assert session.anonymized_in in periods
        assert timezone.localdate(session.created_at) <= max(days)


def test_nobody_has_one_first_name_twice() -> None:
    names = [person.name.split() for person in make_people(Random(7), count=3000)]  # noqa: S311  no secret
    assert [name for name in names if len(set(name)) < len(name)] == []
    assert any(len(name) == 3 for name in names)


def test_files_are_stored_and_those_of_erased_sessions_are_gone(output: str) -> None:
    attachments = list(Attachment.objects.all())
    assert len(media()) == len(attachments) > 0
    assert storage_problem() == ""
    assert all(default_storage.size(a.file.name) == a.size for a in attachments)
    assert not FileDeletion.objects.exists()


def test_a_second_call_is_refused_and_changes_nothing(output: str) -> None:
    with pytest.raises(CommandError, match="WebChats already"):
        call_command("make_demo")
    assert Session.objects.count() == 60


def test_if_empty_keeps_existing_data_and_prints_the_logins(
    output: str, django_capture_on_commit_callbacks: Any
) -> None:
    printed = make(django_capture_on_commit_callbacks, if_empty=True, sessions=60)
    assert Session.objects.count() == 60
    assert PASSWORD in printed
    assert "Demo data made" not in printed


def test_known_passwords_are_refused_in_production(db: None, settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG is off"):
        call_command("make_demo", if_empty=True)
    assert not User.objects.exists()


@pytest.mark.usefixtures("db", "_development")
def test_a_few_sessions_are_refused() -> None:
    with pytest.raises(CommandError, match="at least 10"):
        call_command("make_demo", sessions=3)


@pytest.mark.parametrize("script", ["demo", "lib.sh"])
def test_the_shell_can_read_the_commands(script: str) -> None:
    subprocess.run(["sh", "-n", str(ROOT / "bin" / script)], check=True)


@pytest.mark.any_database
def test_a_port_in_use_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f". {ROOT}/bin/lib.sh; require_free_port 127.0.0.1 {port} EVENTS_PORT"
        taken = subprocess.run(
            ["sh", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    free = subprocess.run(
        ["sh", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (taken.returncode, free.returncode, free.stderr) == (1, 0, "")
    assert f"Port {port} of 127.0.0.1 is in use or can't be used: set EVENTS_PORT" in taken.stderr
