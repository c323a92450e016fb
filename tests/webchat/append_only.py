"""Ways to change or delete published rows. Each of them must be refused."""

import json
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.core.serializers import serialize
from django.db import IntegrityError, connection, transaction

from webchat.models import ConsentText, ConsentVersion

TABLES = ("webchat_consentversion", "webchat_consenttext")


def rows():
    """Return all published rows as stored in the database."""
    with connection.cursor() as cursor:
        return {table: _all(cursor, table) for table in TABLES}


def _all(cursor, table):
    cursor.execute(f"SELECT * FROM {table} ORDER BY id")
    return cursor.fetchall()


@contextmanager
def refused():
    """Expect a refusal with a reason by the database or Django, and unchanged published rows."""
    before = rows()
    assert all(before.values()), "nothing was published"
    said = (
        r"webchat\.Consent(Version|Text) is append-only|referenced through protected foreign keys"
    )
    with pytest.raises(IntegrityError, match=said), transaction.atomic():
        yield
    assert rows() == before


def execute(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def save(text):
    text.label = "Forged"
    text.save()


def save_one_field(text):
    text.label = "Forged"
    text.save(update_fields=["label"])


def bulk_update(text):
    text.body = "Forged"
    ConsentText.objects.bulk_update([text], ["body"])


def upsert(text):
    text.body = "Forged"
    ConsentText.objects.bulk_create(
        [text], update_conflicts=True, update_fields=["body"], unique_fields=["version", "language"]
    )


def fixture(text, folder):
    """Load a fixture that contains the same row with another label."""
    objects = json.loads(serialize("json", [text]))
    objects[0]["fields"]["label"] = "Forged"
    path = folder / "forged.json"
    path.write_text(json.dumps(objects), encoding="utf-8")
    call_command("loaddata", str(path), verbosity=0)


ORM = {
    "save": save,
    "save with update_fields": save_one_field,
    "delete": lambda text: text.delete(),
    "update": lambda text: ConsentText.objects.filter(pk=text.pk).update(label="Forged"),
    "update to the same value": lambda text: ConsentText.objects.update(label=text.label),
    "bulk_update": bulk_update,
    "bulk_create with update_conflicts": upsert,
    "queryset delete": lambda text: ConsentText.objects.all().delete(),
    "raw delete": lambda text: ConsentText.objects.all()._raw_delete("default"),
    "update_or_create": lambda text: ConsentText.objects.update_or_create(
        pk=text.pk, defaults={"sha256": "0" * 64}
    ),
    "update of the version": lambda text: ConsentVersion.objects.update(published_by=None),
    "save of the version": lambda text: ConsentVersion(
        pk=text.version_id,
        webchat=text.version.webchat,
        number=7,
        published_at=text.version.published_at,
    ).save(),
    "delete of the version": lambda text: text.version.delete(),
    "raw delete of the version": lambda text: ConsentVersion.objects.all()._raw_delete("default"),
    "delete of the WebChat": lambda text: text.version.webchat.delete(),
}

SQL = {
    "UPDATE": lambda text: execute("UPDATE webchat_consenttext SET document = 'x'"),
    "UPDATE of one row": lambda text: execute(
        "UPDATE webchat_consenttext SET label = 'x' WHERE id = %s", text.pk
    ),
    "UPDATE of the key": lambda text: execute("UPDATE webchat_consenttext SET id = id + 1000"),
    "DELETE": lambda text: execute("DELETE FROM webchat_consenttext"),
    "UPDATE of the version": lambda text: execute("UPDATE webchat_consentversion SET number = 9"),
    "DELETE of the version": lambda text: execute("DELETE FROM webchat_consentversion"),
    "INSERT … ON CONFLICT DO UPDATE": lambda text: execute(
        "INSERT INTO webchat_consenttext (id, version_id, language, label, body, document, sha256)"
        " VALUES (%s, %s, %s, 'x', 'x', 'x', 'x') ON CONFLICT (id) DO UPDATE SET label = 'x'",
        text.pk,
        text.version_id,
        text.language,
    ),
}
