"""Test that the ground of an erasure is chosen on the confirm page and stored in its record."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from anonymization.models import Erasure, Ground
from sessions_app.models import Session
from tests.factories import ErasureFactory, RecordFactory, SessionFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db

CHOICES = ["request", "withdrawal", "authority", "mistake", "other"]
#: Values that staff cannot choose: the last two are reserved for the system, or do not exist.
WRONG = ["", "x", "Request", "\0", "retention", "page"]


def menu(response: Any) -> tuple[list[str], list[str]]:
    """Return the values of the menu and the selected ones."""
    (select,) = re.findall(r'<select name="ground".*?</select>', response.content.decode(), re.S)
    return re.findall('value="([^"]*)"', select), re.findall('value="([^"]*)" selected', select)


def shown_on(response: Any) -> dict[str, Any]:
    return {f"shown-{name}": rows for name, rows in response.context["shown"]}


@pytest.mark.parametrize("withdrawn", [False, True])
def test_a_withdrawal_is_proposed_for_a_session_that_waits_for_one(
    support: Client, withdrawn: bool
) -> None:
    session = SessionFactory(withdrawn=withdrawn)
    proposed = ["withdrawal" if withdrawn else "request"]
    assert menu(support.get(f"/sessions/{session.pk}/anonymize/")) == (CHOICES, proposed)
    several = support.post("/sessions/anonymize/", {"session": [session.pk]})
    assert menu(several) == (CHOICES, proposed)
    assert menu(support.get(f"/guests/{session.guest_id}/anonymize/")) == (CHOICES, ["request"])


def test_a_request_is_proposed_for_several_of_which_some_were_withdrawn(support: Client) -> None:
    sessions = [SessionFactory(withdrawn=True, new_guest=True), SessionFactory(new_guest=True)]
    chosen = {"session": [session.pk for session in sessions]}
    assert menu(support.post("/sessions/anonymize/", chosen))[1] == ["request"]


@pytest.mark.parametrize("kind", ["guests", "sessions"])
@pytest.mark.parametrize("ground", CHOICES)
def test_the_record_keeps_what_was_chosen(support: Client, kind: str, ground: str) -> None:
    session = SessionFactory()
    url = f"/{kind}/{session.guest_id if kind == 'guests' else session.pk}/anonymize/"
    record = support.post(url, {**shown_on(support.get(url)), "ground": ground}, follow=True)
    assert Erasure.objects.get().ground == ground
    assert str(Ground(ground).label) in record.content.decode()


def test_several_have_one_ground(support: Client) -> None:
    chosen = {"session": [s.pk for s in SessionFactory.create_batch(2, new_guest=True)]}
    page = support.post("/sessions/anonymize/", chosen)
    sent = {**chosen, **shown_on(page), "confirm": "yes", "ground": "mistake"}
    assert support.post("/sessions/anonymize/", sent).status_code == 302
    assert list(Erasure.objects.values_list("ground", flat=True)) == ["mistake", "mistake"]


@pytest.mark.parametrize("ground", WRONG)
def test_a_wrong_ground_erases_nothing_and_is_said_at_the_menu(
    support: Client, ground: str
) -> None:
    session = SessionFactory()
    url = f"/sessions/{session.pk}/anonymize/"
    chosen = {"session": [session.pk], "confirm": "yes", "ground": ground}
    page = support.post("/sessions/anonymize/", {"session": [session.pk]})
    for refused in (
        support.post(url, {**shown_on(support.get(url)), "ground": ground}),
        support.post("/sessions/anonymize/", {**chosen, **shown_on(page)}),
    ):
        assert refused.status_code == 422
        assert 'id="id_ground_error"' in refused.content.decode()
    assert Session.objects.get().anonymized_in is None
    assert not Erasure.objects.exists()


def test_a_refused_erasure_keeps_the_chosen_ground(support: Client) -> None:
    session = SessionFactory()
    refused = support.post(f"/sessions/{session.pk}/anonymize/", {"ground": "authority"})
    assert refused.status_code == 409
    assert menu(refused)[1] == ["authority"]


@pytest.mark.parametrize(("given", "kept"), [((), "request"), (("--ground", "mistake"), "mistake")])
def test_the_commands_have_an_option(given: tuple[str, ...], kept: str) -> None:
    one, other = SessionFactory.create_batch(2, new_guest=True)
    call_command("anonymize_session", str(one.pk), *given)
    call_command("anonymize_guest", str(other.guest_id), *given)
    assert list(Erasure.objects.values_list("ground", flat=True)) == [kept, kept]


@pytest.mark.parametrize("ground", ["", "x", "retention"])
def test_a_wrong_option_erases_nothing(ground: str) -> None:
    session = SessionFactory()
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("anonymize_session", str(session.pk), "--ground", ground)
    assert not Erasure.objects.exists()


def test_the_list_shows_and_filters_grounds(log_in: LogIn) -> None:
    ErasureFactory(subject__new_guest=True, ground=Ground.MISTAKE)
    ErasureFactory(subject__new_guest=True)
    RecordFactory()
    officer = log_in("officer")
    page = officer.get("/erasures/").content.decode()
    cells = re.findall(r'data-label="Ground">\s*([^<]*?)\s*</td>', page)
    assert cells == ["–", "Request of the person (Art. 17 GDPR)", "Mistake or test data"]
    filtered = officer.get("/erasures/?ground=mistake")
    assert [erasure.number for erasure, *_ in filtered.context["rows"]] == [1]
    assert [str(chip.text) for chip in filtered.context["chips"]] == ["Mistake or test data"]
    assert officer.get("/erasures/?ground=x").status_code == 422
