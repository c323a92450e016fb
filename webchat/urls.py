"""Routes of Settings, and of the public resources of a WebChat."""

from django.urls import path

from webchat import converters  # noqa: F401  registers the converters
from webchat.views import consent, gdpr, history, install, public, settings

urlpatterns = [
    path("settings/webchat/", settings.WebChatsView.as_view(), name="webchats"),
    path("settings/webchat/add/", settings.add_webchat, name="webchat_add"),
    path("settings/webchat/<int:pk>/", settings.GeneralView.as_view(), name="webchat"),
    path("settings/webchat/<int:pk>/archive/", settings.archive_webchat, name="webchat_archive"),
    path("settings/webchat/<int:pk>/restore/", settings.restore_webchat, name="webchat_restore"),
    path(
        "settings/webchat/<int:pk>/install/", install.InstallView.as_view(), name="webchat_install"
    ),
    path("settings/webchat/<int:pk>/forms/", consent.FormsView.as_view(), name="webchat_forms"),
    path(
        "settings/webchat/<int:pk>/forms/publish/",
        consent.PublishView.as_view(),
        name="webchat_publish",
    ),
    path(
        "settings/webchat/<int:pk>/forms/versions/<int:number>/",
        consent.VersionView.as_view(),
        name="consent_version",
    ),
    path(
        "settings/webchat/<int:pk>/history/",
        history.WebChatHistoryView.as_view(),
        name="webchat_history",
    ),
    path("settings/gdpr/", gdpr.GdprView.as_view(), name="gdpr"),
    path("settings/gdpr/history/", history.GdprHistoryView.as_view(), name="gdpr_history"),
    path(
        "w/<public_id:public_id>/consent/<int:number>/<language:lang>/",
        public.consent_document,
        name="consent_document",
    ),
    path("w/<public_id:public_id>/theme.css", public.theme_css, name="theme_css"),
    path("w/<public_id:public_id>/widget.js", public.widget_js, name="widget_js"),
    path("w/<public_id:public_id>/logo/", public.logo, name="logo"),
]
