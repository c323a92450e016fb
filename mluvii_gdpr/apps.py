"""The project itself as an application: home page, log-in, health, checks of the settings."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "mluvii_gdpr"
    verbose_name = "mluvii GDPR"

    def ready(self) -> None:
        from mluvii_gdpr import checks  # noqa: F401  registers the checks
