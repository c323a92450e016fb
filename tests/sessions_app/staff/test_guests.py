"""Test a guest's page, and the search for a person."""

from __future__ import annotations

import re
from typing import Any

import factory
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.people import LIMIT
from tests.factories import ErasureFactory, GuestFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn
from tests.sessions_app.staff.rows import BAD_VALUES, EMAIL, NAME, PHONE, CanaryFactory, make_rows

pytestmark = pytest.mark.django_db


#: The queries that search for guests, without the queries that ask which guests are hidden.
SELECT_GUESTS = 'SELECT "sessions_app_guest"."id", "sessions_app_guest"."uid"'


SELECT_WORDS = 'SELECT "sessions_app_guestword"."guest_id"'


def find(client: Client, **fields: str) -> Any:
    return client.post("/guests/find/", fields)


def found(response: Any) -> list[tuple[int, str]]:
    return [(match.guest.pk, str(match.reason)) for match in response.context["search"].matches]


# The guest's page


def test_a_guest_is_masked_without_the_right(log_in: LogIn) -> None:
    guest = CanaryFactory().guest
    seen = log_in("support").get(f"/guests/{guest.pk}/").content.decode()
    masked = log_in("administrator").get(f"/guests/{guest.pk}/").content.decode()
    for value in (NAME, EMAIL, PHONE):
        assert value in seen
        assert value not in masked


@pytest.mark.parametrize(("role", "status"), [("", 302), ("stranger", 403), ("administrator", 200)])
def test_who_may_open_a_guest(log_in: LogIn, role: str, status: int) -> None:
    assert log_in(role).get(f"/guests/{CanaryFactory().guest_id}/").status_code == status


def test_the_sessions_of_a_guest_are_paged(log_in: LogIn) -> None:
    guest = GuestFactory(name="Jana")
    rows = make_rows(WebChatFactory(), 25, guest=guest)
    SessionFactory()
    client = log_in("support")
    first = client.get(f"/guests/{guest.pk}/")
    second = client.get(f"/guests/{guest.pk}/" + first.context["links"]["older"])
    listed = [row.pk for response in (first, second) for row in response.context["page"].rows]
    assert listed == [row.pk for row in rows]
    assert client.get(f"/guests/{guest.pk}/?after=x").status_code == 422


def test_a_guest_with_few_sessions_has_no_strip_for_pages_and_an_id_to_copy(log_in: LogIn) -> None:
    guest = CanaryFactory().guest
    client = log_in("support")
    page = client.get(f"/guests/{guest.pk}/").content.decode()
    assert f'data-copy="{guest.pk}"' in page
    assert "card-footer" not in page
    make_rows(WebChatFactory(), 25, guest=guest)
    assert "card-footer" in client.get(f"/guests/{guest.pk}/").content.decode()


def test_an_anonymized_guest_says_in_which_month_and_links_no_record(log_in: LogIn) -> None:
    guest = CanaryFactory().guest
    assert "/anonymize/" in log_in("support").get(f"/guests/{guest.pk}/").content.decode()
    ErasureFactory(subject=guest)
    response = log_in("support").get(f"/guests/{guest.pk}/")
    assert response.status_code == 200
    page = response.content.decode()
    assert f"Anonymized in {timezone.localdate():%B %Y}." in page
    assert re.findall('href="(/erasures/[^"]*)"', page) == ["/erasures/"], "the menu's"
    assert "/anonymize/" not in page
    assert NAME not in page


# Find a person


@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("stranger", 403), ("administrator", 403), ("support", 200)]
)
def test_who_may_look_a_person_up(log_in: LogIn, role: str, status: int) -> None:
    assert log_in(role).get("/guests/find/").status_code == status
    assert find(log_in(role), name="Jana").status_code == status


def test_no_url_contains_personal_data(log_in: LogIn) -> None:
    CanaryFactory()
    client = log_in("support")
    assert 'method="post"' in client.get("/guests/find/").content.decode()
    assert NAME not in client.get("/guests/find/", {"name": NAME, "email": EMAIL}).content.decode()
    response = find(client, email=EMAIL)
    assert response.status_code == 200
    assert "Location" not in response.headers
    assert "no-store" in response.headers["Cache-Control"]


def test_the_reason_is_said_and_the_best_comes_first(log_in: LogIn) -> None:
    WebChatFactory()
    jana = {"name": "Jana Nováková", "email": "jana@example.com", "phone": "603 123 456"}
    by_name = GuestFactory(name="JANA  NOVAKOVA", email="x@example.com", phone="604 111 111")
    by_phone = GuestFactory(name="Petr", phone=jana["phone"])
    by_email = GuestFactory(email="Jana@EXAMPLE.com")
    by_two = GuestFactory(email=jana["email"], phone=jana["phone"], name="Hana")
    by_all = GuestFactory(**jana)
    GuestFactory(name="Somebody else", email="else@example.com", phone="605 222 222")
    assert found(find(log_in("support"), **jana)) == [
        (by_all.pk, "name, e-mail and phone"),
        (by_two.pk, "e-mail and phone"),
        (by_email.pk, "e-mail only"),
        (by_phone.pk, "phone only"),
        (by_name.pk, "name only"),
    ]


def test_one_match_is_shown_and_not_opened(log_in: LogIn) -> None:
    session = CanaryFactory()
    response = find(log_in("support"), name=NAME)
    assert found(response) == [(session.guest_id, "name only")]
    assert response.context["search"].matches[0].sessions == 1
    assert response.context["search"].matches[0].last_seen == session.created_at


@pytest.mark.parametrize(
    "phone", ["+420603777888", "603777888", "00420 603 777 888", "６０３ 777 888"]
)
def test_a_phone_is_found_in_any_spelling(log_in: LogIn, phone: str) -> None:
    session = CanaryFactory()
    assert found(find(log_in("support"), phone=phone)) == [(session.guest_id, "phone only")]


def test_a_phone_is_read_from_the_region_of_any_webchat(log_in: LogIn) -> None:
    WebChatFactory()
    vienna = WebChatFactory(phone_region="AT")
    session = SessionFactory(webchat=vienna, phone="0664 1234567")
    assert found(find(log_in("support"), phone="0664 1234567")) == [
        (session.guest_id, "phone only")
    ]


def test_a_bad_phone_is_explained_and_the_rest_searched(log_in: LogIn) -> None:
    session = CanaryFactory()
    response = find(log_in("support"), phone="12", email=EMAIL)
    assert found(response) == [(session.guest_id, "e-mail only")]
    assert (
        "This is not a complete phone number. It was not used in the search."
        in response.content.decode()
    )
    response = find(log_in("support"), phone="603 777 888", email=EMAIL)
    assert "complete phone number" not in response.content.decode()
    response = find(log_in("support"), phone="999 999 999")
    assert "This is not a complete phone number. Add the country code." in response.content.decode()


@pytest.mark.parametrize("fields", [{"phone": "12"}, {"email": "nobody"}, {"name": "\u0301"}])
def test_nothing_is_left_out_of_a_search_that_was_none(
    log_in: LogIn, fields: dict[str, str]
) -> None:
    html = find(log_in("support"), **fields).content.decode()
    assert "invalid-feedback" in html
    assert "not used in the search" not in html
    assert "Add the country code" not in html


@pytest.mark.parametrize(
    "fields", [{}, {"name": "  "}, {"phone": "12"}, {"email": "nobody"}, {"name": "\u0301"}]
)
def test_nothing_to_search_by_is_refused(log_in: LogIn, fields: dict[str, str]) -> None:
    CanaryFactory()
    response = find(log_in("support"), **fields)
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()


@pytest.mark.parametrize("name", ["name", "email", "phone"])
@pytest.mark.parametrize("value", [v.encode("utf-8", "replace").decode() for v in BAD_VALUES[1:]])
def test_odd_values_find_nobody(log_in: LogIn, name: str, value: str) -> None:
    CanaryFactory()
    response = find(log_in("support"), **{name: value})
    assert response.status_code in (200, 422)
    assert not response.context["search"] or not found(response)


def test_too_many_matches_are_cut_with_a_notice(log_in: LogIn) -> None:
    emails = factory.Sequence(lambda number: f"jan{number}@example.com")
    GuestFactory.create_batch(LIMIT + 3, name="Jan Novák", email=emails)
    response = find(log_in("support"), name="Jan Novák", email="jan1@example.com")
    assert len(found(response)) == LIMIT
    assert found(response)[0][1] == "name and e-mail"
    assert f"More than {LIMIT} matches; the best {LIMIT} are shown." in response.content.decode()


def test_who_was_anonymized_is_not_found(log_in: LogIn) -> None:
    session = CanaryFactory()
    client = log_in("support")
    assert found(find(client, email=EMAIL))
    ErasureFactory(subject=session.guest)
    response = find(client, email=EMAIL)
    assert not found(response)
    assert "No guest found" in response.content.decode()


def test_each_step_uses_an_index_and_no_join(log_in: LogIn) -> None:
    CanaryFactory()
    client = log_in("support")
    with CaptureQueriesContext(connection) as queries:
        find(client, name=NAME, email=EMAIL, phone=PHONE)
    guests = [q["sql"] for q in queries if q["sql"].startswith(SELECT_GUESTS)]
    assert len(guests) == 6
    words = [q["sql"] for q in queries if q["sql"].startswith(SELECT_WORDS)]
    assert len(words) == 2
    assert not [sql for sql in [*guests, *words] if " OR " in sql or "JOIN" in sql]


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Lukáš Svoboda", "Svoboda Lukáš"),
        ("Lukáš Svoboda", "SVOBODA  lukas"),
        ("Anna Marie von Braun", "Braun von Marie Anna"),
        ("Ana de la Cruz Gómez", "Ana de la Cruz Gómez"),
        ("Věra", "vera"),
    ],
)
def test_a_name_is_found_in_any_order_of_its_words(log_in: LogIn, stored: str, typed: str) -> None:
    guest = GuestFactory(name=stored)
    GuestFactory(name="Lukáš Svobodný")
    assert found(find(log_in("support"), name=typed)) == [(guest.pk, "name only")]


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Ing. Lukáš Svoboda, Ph.D.", "Lukáš Svoboda"),
        ("Lukáš Svoboda", "Ing. Lukáš Svoboda, CSc."),
        ("Lukáš Svoboda", "Svoboda, Lukáš"),
        ("O\u2019Brien Seán", "Sean O'Brien"),
        ("Anna\u2013Marie Nováková \u2010 Malá", "Novakova-Mala Anna - Marie"),
        ("Pablo Diego José de la Cruz Ruiz", "Ruiz José Pablo Cruz de la Diego"),
    ],
)
def test_a_name_is_found_in_full_without_titles(log_in: LogIn, stored: str, typed: str) -> None:
    guest = GuestFactory(name=stored)
    assert found(find(log_in("support"), name=typed)) == [(guest.pk, "name only")]


@pytest.mark.parametrize(
    "typed",
    ["Svoboda", "Svob", "lukáš", "Svoboda Svoboda", "L. Svoboda", "O Brien", "Brien", "malá"],
)
def test_a_surname_or_its_beginning_finds(log_in: LogIn, typed: str) -> None:
    guest = GuestFactory(name="Lukáš O'Brien Nováková-Malá Svoboda")
    assert found(find(log_in("support"), name=typed)) == [(guest.pk, "part of the name only")]


@pytest.mark.parametrize(
    "typed", ["Lukáš Jan Svoboda", "Svobodová", "voboda", "Ing. Jan", "%", "S_oboda"]
)
def test_another_name_finds_nobody(log_in: LogIn, typed: str) -> None:
    GuestFactory(name="Lukáš Svoboda")
    response = find(log_in("support"), name=typed)
    assert not response.context["search"] or found(response) == []


def test_the_whole_name_comes_before_its_beginning(log_in: LogIn) -> None:
    GuestFactory.create_batch(LIMIT + 3, name="Jan Nováček")
    guest = GuestFactory(name="Nová Jan")
    GuestFactory(name="Jan Novák")
    response = find(log_in("support"), name="Jan Nová")
    assert found(response)[0] == (guest.pk, "name only")
    assert len(found(response)) == LIMIT
    assert f"More than {LIMIT} matches" in response.content.decode()


def test_a_part_of_the_name_is_said_next_to_other_values(log_in: LogIn) -> None:
    guest = GuestFactory(name="Jan Novák", email="jan@example.com", phone="603 123 456")
    WebChatFactory()
    for fields, reason in (
        ({"email": "jan@example.com"}, "part of the name and e-mail"),
        ({"phone": "603123456"}, "part of the name and phone"),
    ):
        assert found(find(log_in("support"), name="Nov", **fields)) == [(guest.pk, reason)]


@pytest.mark.parametrize(
    "email",
    [
        "Eva <eva@example.com>",
        "mailto:eva@example.com",
        "eva@example.com;",
        "\ufeffeva@example.com",
    ],
)
def test_an_address_is_found_as_pasted(log_in: LogIn, email: str) -> None:
    guest = GuestFactory(email="eva@example.com")
    assert found(find(log_in("support"), email=email)) == [(guest.pk, "e-mail only")]


def test_an_address_that_the_form_no_longer_accepts_is_found(log_in: LogIn) -> None:
    guest = GuestFactory(email="jana@localhost")
    assert found(find(log_in("support"), email="jana@localhost")) == [(guest.pk, "e-mail only")]


@pytest.mark.parametrize("email", ["eva", "eva@localhost", "eva@xn--a.de"])
def test_no_address_is_never_answered_with_nobody(log_in: LogIn, email: str) -> None:
    guest = GuestFactory(name="Eva")
    response = find(log_in("support"), email=email)
    assert response.status_code == 422
    assert "This is not an e-mail address." in response.content.decode()
    assert "No guest" not in response.content.decode()
    response = find(log_in("support"), email=email, name="Eva")
    assert found(response) == [(guest.pk, "name only")]
    assert "It was not used in the search." in response.content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": "eva@example.com, jan@example.com"}, "These are several e-mail addresses."),
        ({"phone": "603 123 456, 604 111 222"}, "These are several phone numbers."),
    ],
)
def test_two_values_in_one_field_are_named(
    log_in: LogIn, fields: dict[str, str], said: str
) -> None:
    WebChatFactory()
    GuestFactory(email="eva@example.com", phone="603 123 456")
    response = find(log_in("support"), **fields)
    assert response.status_code == 422
    assert said in response.content.decode()


def test_a_foreign_number_is_found_without_its_plus(log_in: LogIn) -> None:
    WebChatFactory(phone_region="AT")
    guest = GuestFactory(phone="+420 603 123 456")
    assert found(find(log_in("support"), phone="420603123456")) == [(guest.pk, "phone only")]


def test_htmx_gets_the_answer_alone_and_no_address_for_it(log_in: LogIn) -> None:
    """The page remains the one that was opened by GET. A browser can return to it."""
    CanaryFactory()
    client = log_in("support")
    page = client.get("/guests/find/").content.decode()
    assert 'hx-post="/guests/find/"' in page
    assert "hx-push-url" not in page
    for fields, text in (({"name": NAME}, NAME), ({"phone": "12"}, 'role="alert"')):
        part = client.post("/guests/find/", fields, headers={"HX-Request": "true"})
        assert part.status_code == 200
        assert part.content.decode().startswith('<div id="find">')
        assert text in part.content.decode()
        assert not {"HX-Push-Url", "HX-Replace-Url"} & set(part.headers)
        assert "no-store" in part.headers["Cache-Control"]
