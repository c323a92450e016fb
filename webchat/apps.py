"""WebChats with their entry forms, consent texts and published versions."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebchatConfig(AppConfig):
    name = "webchat"
    verbose_name = _("WebChat")

    def ready(self) -> None:
        from anonymization.ledger.verification import register_facts
        from anonymization.models import Note
        from anonymization.staff.certificate import register_controller
        from webchat import checks  # noqa: F401  registers the check
        from webchat.models import DataController
        from webchat.setting_changes import digests

        register_facts(Note.SETTINGS_CHANGED, digests)
        register_controller(DataController.current)
