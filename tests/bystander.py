"""Store another person before each test of erasures, and assert that no test changes their data.

A test module requests the fixture ``bystander`` with ``usefixtures``. ``besides`` and
``media_besides`` return the other rows and files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db.models import Model, QuerySet

from anonymization.models import LastRun
from anonymization.policy import registry
from sessions_app.models import Attachment, Channel, Message, Party, Session, Signal
from tests.database import digest, media
from tests.factories import ConsentEventFactory, GuestFactory, WebChatFactory

NAME = "Bystander"
WORDS = b"of a bystander"


@pytest.fixture
def bystander(db: None, settings: Any, _own_media_folder: None) -> Iterator[None]:
    """Store a guest with session, evidence, message, signal and file. Compare them after the test.

    Earlier rows of every table are compared too, including tables that no model declares.
    """
    _plant()
    root, rows, files = settings.MEDIA_ROOT, digest(), media()
    yield
    settings.MEDIA_ROOT = root
    after = digest()
    assert {
        table: len(found - after.get(table, set()))
        for table, found in rows.items()
        # A job stores the time of its run in a row that exists from the beginning.
        if found - after[table] and table != LastRun._meta.db_table
    } == {}
    assert files
    assert files.items() <= media().items()


def _plant() -> None:
    """Store the rows directly. The gate and the writers would take three times as long per test."""
    webchat, text = WebChatFactory(), WORDS.decode()
    guest = GuestFactory(name=NAME, email="b@example.com")
    session = Session.objects.create(
        webchat=webchat, guest=guest, channel=Channel.CHAT, language="en", entered_name=NAME, params={"b": text},
        ip_address="203.0.113.9", note=text, feedback_text=text, entry_key="b" * 64, room_key="b" * 64,
    )  # fmt: skip
    ConsentEventFactory(session=session)
    Message.objects.create(session=session, sender=Party.VISITOR, text=text)
    Signal.objects.create(session=session, sender=Party.VISITOR, kind=Signal.Kind.OFFER, body=text)
    attachment = Attachment(
        session=session, sender=Party.VISITOR, original_name="b.txt", size=len(WORDS)
    )
    attachment.file.save("b.txt", ContentFile(WORDS))


def besides(model: type[Model]) -> QuerySet[Any]:
    """Return the rows of a model without the bystander's."""
    path = registry.get(model).subject
    return model._base_manager.exclude(**{f"{path}__name" if path else "name": NAME})


def media_besides() -> dict[str, str]:
    """Return the stored files as ``media`` does, without the bystander's."""
    theirs = hashlib.sha256(WORDS).hexdigest()
    return {name: found for name, found in media().items() if found != theirs}
