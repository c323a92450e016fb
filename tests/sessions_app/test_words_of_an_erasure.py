"""The pages about an erasure name all data that is kept, and only verified data as proven."""

from __future__ import annotations

from django.test import Client

from sessions_app.models import ConsentEvent
from tests.factories import ErasureFactory, SessionFactory
from tests.pages import compact

EVIDENCE = (
    "the kind of event (given, withdrawn or informed), the version and language of the text, "
    "the channel, the way of a withdrawal, the rounded date and a signature"
)


def test_every_value_of_the_kept_evidence_is_named(support: Client) -> None:
    """A new value of the evidence must be added to the sentence, and then here."""
    session = SessionFactory()
    preview = compact(support.get(f"/sessions/{session.pk}/anonymize/"))
    record = ErasureFactory(subject=session)
    certificate = compact(support.get(f"/erasures/{record.pk}/"))
    assert EVIDENCE in preview
    assert EVIDENCE in certificate
    values = {field.name for field in ConsentEvent._meta.concrete_fields}
    assert values - {"id", "session"} == {"kind", "text", "channel", "via", "day", "hmac"}


def test_only_chained_data_is_called_unchanged(support: Client) -> None:
    page = compact(support.get(f"/erasures/{ErasureFactory().pk}/"))
    assert "its chained data (number, type, date, requester and hashes) was not changed" in page
    assert "this record was not changed" not in page


def test_fields_are_cleared_and_not_deleted(support: Client) -> None:
    session = SessionFactory()
    guest = session.guest
    for url in (f"/sessions/{session.pk}/", f"/guests/{guest.pk}/"):
        page = compact(support.get(url))
        assert "The next page shows what will be deleted, cleared and kept." in page
    ErasureFactory(subject=session)
    page = compact(support.get(f"/sessions/{session.pk}/"))
    assert "<dt>Personal data</dt><dd>Content deleted, fields cleared.</dd>" in page
    assert page.count(">Cleared.</p>") == 2, "the note and the parameters"
