"""Guests, sessions and their conversations; the entry form and the room; the Sessions table."""

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class SessionsConfig(AppConfig):
    name = "sessions_app"
    verbose_name = _("Sessions")

    def ready(self) -> None:
        from anonymization.ledger.recording import register_words
        from anonymization.ledger.verification import register_check
        from anonymization.models import Job, Note
        from sessions_app import conversation, retention
        from sessions_app.evidence.verification import verify_evidence
        from sessions_app.figures import SessionFigures
        from sessions_app.rounding import register_sqlite_function
        from webchat import figures

        connection_created.connect(register_sqlite_function, dispatch_uid="sessions_app.rounding")
        post_save.connect(
            conversation.return_conversations_of_inactive,
            sender=settings.AUTH_USER_MODEL,
            dispatch_uid="sessions_app.conversation",
        )
        figures.register(SessionFigures())
        register_check(Job.EVIDENCE, verify_evidence)
        register_words(Note.RETENTION_RUN, retention.summary_in_words)
