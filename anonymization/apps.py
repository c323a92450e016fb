"""Policy registry, erasure engine and erasure ledger."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class AnonymizationConfig(AppConfig):
    name = "anonymization"
    verbose_name = _("Anonymization")

    def ready(self) -> None:
        from anonymization import (  # noqa: F401  checks register themselves
            backup_notice,
            checks,
            planner,
            policy,
            runs,
            triggers,
        )

        policy.autodiscover()
        # First: a refusal must leave the triggers as they are.
        pre_migrate.connect(
            backup_notice.before_migrate, sender=self, dispatch_uid="anonymization.backup_notice"
        )
        pre_migrate.connect(
            triggers.before_migrate, sender=self, dispatch_uid="anonymization.triggers"
        )
        post_migrate.connect(
            triggers.after_migrate, sender=self, dispatch_uid="anonymization.triggers"
        )
        post_migrate.connect(
            planner.after_migrate, sender=self, dispatch_uid="anonymization.planner"
        )
        post_migrate.connect(runs.expect_jobs, sender=self, dispatch_uid="anonymization.runs")
