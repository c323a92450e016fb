"""Test Settings > GDPR."""

import datetime as dt

import pytest

from anonymization.policy import registry
from anonymization.record_of_processing import chapters_of

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("administrator", 200),
        ("officer", 200),
        ("support", 200),
        ("operator", 403),
        ("stranger", 403),
        ("", 302),
    ],
)
def test_who_may_read_it(log_in, role, status):
    assert log_in(role).get("/settings/gdpr/").status_code == status


def test_it_names_every_duty(log_in):
    page = log_in("officer").get("/settings/gdpr/").content.decode()

    for article in ("7(1)", "7(3)", "13", "15", "17", "28", "30", "32"):
        assert article in page


def test_it_names_missing_data(log_in, settings):
    settings.DPA_CONTACT = settings.DPA_COUNTERPARTY = ""
    settings.DPA_SIGNED_ON = None

    page = log_in("officer").get("/settings/gdpr/").content.decode()

    assert page.count("To do</span>") == 3
    assert 'href="/settings/gdpr/edit/"' in page
    assert (
        'href="/settings/gdpr/edit/"'
        not in log_in("support").get("/settings/gdpr/").content.decode()
    )


def test_it_shows_the_contact_and_the_signed_agreement(log_in, settings):
    settings.DPA_CONTACT = "privacy@example.com"
    settings.DPA_SIGNED_ON, settings.DPA_COUNTERPARTY = dt.date(2026, 1, 31), "<Hosting> s.r.o."
    settings.CONTROLLER_NAME, settings.CONTROLLER_CONTACT = "<Example> a.s.", "officer@example.com"

    page = log_in("officer").get("/settings/gdpr/").content.decode()

    assert "privacy@example.com" in page
    assert "Signed on Jan. 31, 2026" in page
    assert "&lt;Hosting&gt; s.r.o." in page
    assert "&lt;Example&gt; a.s." in page
    assert 'href="mailto:officer@example.com"' in page
    assert "To do</span>" not in page


@pytest.mark.parametrize(
    "untrue",
    ["copy of it is made", "recorded, without personal data", "The Guest ID: a number, so that"],
)
def test_it_claims_nothing_that_is_not_so(log_in, untrue):
    page = " ".join(log_in("officer").get("/settings/gdpr/").content.decode().split())

    assert untrue not in page
    assert "There is no export of one person" in page
    assert "the record names the staff member" in page


def test_the_map_names_every_field_of_every_model_once(log_in):
    records = {
        record.label: record for chapter in chapters_of(registry) for record in chapter.records
    }

    assert records.keys() == {policy.model._meta.label for policy in registry}
    for policy in registry:
        named = sorted(
            field.name
            for line in records[policy.model._meta.label].treatments
            for field in line.fields
        )
        assert named == sorted(policy.fields)


def test_every_line_of_the_map_has_a_reason():
    lines = [
        line
        for chapter in chapters_of(registry)
        for record in chapter.records
        for line in record.treatments
    ]

    assert lines
    assert all(str(line.reason).strip() for line in lines)


def test_records_about_visitors_come_first():
    chapters = chapters_of(registry)

    assert chapters[0].records[0].label == "sessions_app.Guest"
    assert any(record.is_personal for record in chapters[0].records)
    assert not any(record.is_personal for record in chapters[-1].records)


def test_every_field_of_the_map_reads_as_words():
    records = [
        record
        for chapter in chapters_of(registry)
        if not chapter.is_technical
        for record in chapter.records
    ]
    named = [field for record in records for line in record.treatments for field in line.fields]

    unnamed = {
        f"{field.model.__name__}.{field.name}"
        for field in named
        if "verbose_name" not in field.deconstruct()[3]
    }
    assert unnamed == set()


def test_each_record_of_the_map_opens_by_itself(log_in):
    page = log_in("officer").get("/settings/gdpr/").content.decode()

    assert page.count('<details class="fold">') == len(list(registry))
