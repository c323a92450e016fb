"""Fill the words of names, and renew the match keys of guests. It can be interrupted and repeated.

Guests whose renewed keys are the same stay separate. The gate uses the oldest of them.
"""

from django.db import migrations, transaction
from django.db.models import OuterRef, Subquery

from sessions_app.matching import match_keys
from sessions_app.readings import index_words

_CHUNK = 2_000
_KEYS = ("name_key", "email_key", "phone_key")


def renew(apps, schema_editor):
    guest_model, word_model, session_model = (
        apps.get_model("sessions_app", name) for name in ("Guest", "GuestWord", "Session")
    )
    database = schema_editor.connection.alias
    region = (
        session_model.objects.filter(guest=OuterRef("pk"))
        .order_by("pk")
        .values("webchat__phone_region")
    )
    guests = guest_model.objects.using(database).filter(anonymized_in=None).order_by("pk")
    last = 0
    while True:
        with transaction.atomic(using=database):
            # A guest who is anonymized in the meantime must not get words.
            chunk = list(
                guests.filter(pk__gt=last)
                .select_for_update()
                .annotate(region=Subquery(region[:1]))[:_CHUNK]
            )
            if not chunk:
                return
            last = chunk[-1].pk
            guest_model.objects.using(database).bulk_update(
                [guest for guest in chunk if _renew_keys(guest)], _KEYS, batch_size=200
            )
            known = set(
                word_model.objects.using(database)
                .filter(guest__in=[guest.pk for guest in chunk])
                .values_list("guest", "word")
            )
            word_model.objects.using(database).bulk_create(
                word_model(guest_id=guest.pk, word=word)
                for guest in chunk
                for word in index_words(guest.name)
                if (guest.pk, word) not in known
            )


def _renew_keys(guest):
    """Set the guest's keys and return whether one changed."""
    keys = match_keys(
        name=guest.name, email=guest.email, phone=guest.phone, region=guest.region or ""
    )
    before = [getattr(guest, name) for name in _KEYS]
    guest.name_key, guest.email_key = keys.name, keys.email
    # A number that the form no longer accepts keeps its key and is still found.
    guest.phone_key = keys.phone or guest.phone_key
    return before != [getattr(guest, name) for name in _KEYS]


class Migration(migrations.Migration):
    #: Each chunk is a transaction, so that no guest is locked for long.
    atomic = False
    dependencies = [("sessions_app", "0026_guest_words")]

    operations = [migrations.RunPython(renew, migrations.RunPython.noop)]
