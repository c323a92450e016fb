"""Somebody else, planted before each test of erasures: none of their rows and files may be touched by it.

A module of tests imports ``bystander``; ``besides`` and ``media_besides`` are what is there besides that person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db.models import Model, QuerySet

from anonymization.policy import registry
from sessions_app import services
from sessions_app.models import Party
from tests.database import digest, media
from tests.factories import make_session

NAME = "Bystander"
WORDS = b"of a bystander"


@pytest.fixture(autouse=True)
def bystander(db: None, settings: Any, _own_media_folder: None) -> Iterator[None]:
    """Plant a guest with session, evidence, message and file; after the test every row and file is byte for byte there.

    Also the rows that were there before, of every table, whether a model declares it or not.
    """
    session = make_session(name=NAME, email="bystander@example.com", phone="608 765 432")
    services.post_message(session, sender=Party.VISITOR, text=WORDS.decode())
    services.attach_file(
        session, sender=Party.VISITOR, upload=ContentFile(WORDS), original_name="b.txt",
        content_type="text/plain", size=len(WORDS),
    )  # fmt: skip
    services.set_note(session, note=WORDS.decode(), result=WORDS.decode())
    root, rows, files = settings.MEDIA_ROOT, digest(), media()
    yield
    settings.MEDIA_ROOT = root
    after = digest()
    assert {
        table: len(found - after.get(table, set())) for table, found in rows.items() if found - after[table]
    } == {}
    assert files
    assert files.items() <= media().items()


def besides(model: type[Model]) -> QuerySet[Any]:
    """Return the rows of a model without the bystander's."""
    path = registry.get(model).subject
    return model._base_manager.exclude(**{f"{path}__name" if path else "name": NAME})


def media_besides() -> dict[str, str]:
    """Return the stored files as ``media`` does, without the bystander's."""
    theirs = hashlib.sha256(WORDS).hexdigest()
    return {name: found for name, found in media().items() if found != theirs}
