"""The project itself as an app: home page, login, health checks, checks of the settings."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "mluvii_gdpr"
    verbose_name = "mluvii GDPR"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from mluvii_gdpr import checks, file_checks  # noqa: F401  registers the checks
        from mluvii_gdpr.accounts import remember_language

        user_logged_in.connect(remember_language)
