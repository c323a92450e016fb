"""Test that the committed OpenAPI description is current and valid, and matches the answers."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
import yaml
from django.core.management import call_command
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mluvii_gdpr.wsgi import application
from tests.api.conftest import Caller
from tests.factories import SessionFactory, StaffFactory

pytestmark = pytest.mark.django_db

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


def test_the_committed_description_is_the_one_that_is_served() -> None:
    """If this fails: manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml"""
    printed = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=printed)
    assert COMMITTED.read_text() == printed.getvalue()
    served = Client().get("/api/schema")
    assert yaml.safe_load(served.content) == yaml.safe_load(printed.getvalue())
    assert yaml.safe_load(printed.getvalue())["openapi"] == "3.1.0"
    as_json = Client().get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert json.loads(as_json.content) == yaml.safe_load(printed.getvalue())


def validator(component: str) -> jsonschema.Draft202012Validator:
    description = yaml.safe_load(COMMITTED.read_text())
    registry = Registry().with_resource("urn:api", Resource(description, DRAFT202012))
    schema = {"$ref": f"urn:api#/components/schemas/{component}"}
    return jsonschema.Draft202012Validator(
        schema, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def test_ids_are_described_as_64_bit_numbers() -> None:
    """A Guest ID has ten digits: a generated client with 32-bit numbers could not read it."""
    described = yaml.safe_load(COMMITTED.read_text())
    schemas, paths = described["components"]["schemas"], described["paths"]
    parameters = {p["name"]: p["schema"] for p in paths["/api/v1/Sessions"]["get"]["parameters"]}
    of_guest = [
        parameter["schema"]
        for path, calls in paths.items()
        for call in calls.values()
        for parameter in call.get("parameters", [])
        if parameter["name"] == "id"
    ]

    assert len(of_guest) == 6
    guest_id = schemas["Guest"]["properties"]["id"]
    assert (guest_id["type"], guest_id["format"]) == ("integer", "int64")
    assert {schema["maximum"] for schema in of_guest} == {2**63 - 1}
    # Swagger UI complains about a parameter with a format of numbers.
    for schema in [*of_guest, parameters["ClientId"]["items"]]:
        assert (schema["type"], schema.get("format")) == ("integer", None)


def test_sessions_of_every_kind_are_as_described(api: Any) -> None:
    taken = {"new_guest": True, "operator": StaffFactory(), "messages": ["Hello"]}
    waiting, ended = SessionFactory(), SessionFactory(**taken, ended=True)
    SessionFactory(**taken, showroom=True)
    SessionFactory(**taken, showroom=True, anonymized=True)
    SessionFactory(webchat__published=[], webchat__entry_form="none", name="", email="", phone="")
    rows = api().sessions()
    assert len(rows) == 5
    described = yaml.safe_load(COMMITTED.read_text())["components"]["schemas"]["Session"]
    for row in rows:
        assert list(row) == list(described["properties"])
        validator("Session").validate(row)
    assert waiting.pk in [row["id"] for row in rows]
    guest = api().get(f"/api/v1/Guests/{ended.guest_id}").json()
    validator("Guest").validate(guest)


BOUNDED = settings(
    max_examples=12,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# Requests through the WSGI application close the connection, which would end a test's transaction.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_made_up_requests_are_answered_as_described(
    api: Any, mode: schemathesis.GenerationMode
) -> None:
    """Valid and invalid requests get no server error, and only documented statuses and bodies."""
    SessionFactory.create_batch(3, new_guest=True, messages=["Hello"])
    caller: Caller = api()
    described = schemathesis.openapi.from_wsgi("/api/schema", application)
    operations = [operation.ok() for operation in described.get_all_operations()]
    assert len(operations) == 8
    for operation in operations:
        assert statuses_of(operation.as_strategy(generation_mode=mode), caller)


def statuses_of(cases: Any, caller: Caller) -> set[int]:
    """Send generated requests, check each answer against the description, and return the statuses.

    A schema cannot say that a phone number is complete. A refusal of a value that fits the schema
    is therefore not a failure.
    """
    statuses: set[int] = set()

    @BOUNDED
    @given(case=cases)
    def check(case: Any) -> None:
        answer = case.call_and_validate(
            headers=caller.headers, excluded_checks=[positive_data_acceptance]
        )
        statuses.add(answer.status_code)

    check()
    return statuses
