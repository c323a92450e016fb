"""Store visitors in an installation that runs in its own environment.

    python -m tests.visitors NAME…

Each visitor passes the gate, writes, and sends a file. All values contain the name. Then the
process prints the content of the installation and dies like a killed server, with its database
connections open.
"""

from __future__ import annotations

import json
import os
import sys

import django
from django.core.files.base import ContentFile


def visit(name: str) -> None:
    from sessions_app import conversation, gate, ticket
    from sessions_app.models import Channel, Party
    from webchat.models import EntryForm, WebChat

    webchat, _made = WebChat.objects.get_or_create(
        name="By the book", languages=["en"], entry_form=EntryForm.STANDARD
    )
    shown = ticket.issue(webchat, channel=Channel.CHAT, language="en", text=None)
    session = gate.start_session(
        webchat,
        ticket=ticket.read(shown, webchat=webchat, channel=Channel.CHAT),
        entry=gate.Entry(name=name, email=f"{name}@example.com"),
        visit=gate.Visit(ip_address="203.0.113.7", user_agent="Mozilla/5.0"),
    )
    conversation.post_message(session, sender=Party.VISITOR, text=f"This is {name}")
    content = f"File of {name}".encode()
    conversation.attach_file(
        session, sender=Party.VISITOR, upload=ContentFile(content), original_name=f"{name}.txt",
        content_type="text/plain", size=len(content),
    )  # fmt: skip


def report() -> dict[str, object]:
    """Return the names of identified guests, and the number of rows whose file is missing."""
    from sessions_app.models import Attachment, Guest

    guests = Guest.objects.filter(anonymized_in=None)
    files = [attachment.file for attachment in Attachment.objects.all()]
    return {
        "guests": dict(guests.values_list("name", "pk")),
        "files": len(files),
        "missing": sum(not file.storage.exists(file.name) for file in files),
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mluvii_gdpr.settings")
    django.setup()
    for who in sys.argv[1:]:
        visit(who)
    sys.stdout.write(json.dumps(report()))
    sys.stdout.flush()
    os._exit(0)
