"""Routes of Settings, and of the public resources of a WebChat."""

from django.urls import path

from webchat import converters  # noqa: F401  registers the converters
from webchat.models import TextKind
from webchat.views import consent, gdpr, history, install, public, settings

urlpatterns = [
    path("settings/webchat/", settings.list_webchats, name="webchats"),
    path("settings/webchat/add/", settings.add_webchat, name="webchat_add"),
    path("settings/webchat/<int:pk>/", settings.general, name="webchat"),
    path("settings/webchat/<int:pk>/archive/", settings.archive_webchat, name="webchat_archive"),
    path("settings/webchat/<int:pk>/restore/", settings.restore_webchat, name="webchat_restore"),
    path("settings/webchat/<int:pk>/install/", install.install, name="webchat_install"),
    path("settings/webchat/<int:pk>/forms/", consent.FormsView.as_view(), name="webchat_forms"),
    path(
        "settings/webchat/<int:pk>/forms/publish/",
        consent.PublishView.as_view(),
        name="consent_publish",
    ),
    path(
        "settings/webchat/<int:pk>/forms/versions/<int:number>/",
        consent.VersionView.as_view(),
        name="consent_version",
    ),
    path(
        "settings/webchat/<int:pk>/history/",
        history.webchat_history,
        name="webchat_history",
    ),
    path(
        "settings/webchat/<int:pk>/forms/versions/<int:number>/retire/",
        consent.RetireView.as_view(),
        name="consent_retire",
    ),
    path("settings/webchat/<int:pk>/notice/", consent.NoticeView.as_view(), name="webchat_notice"),
    path(
        "settings/webchat/<int:pk>/notice/publish/",
        consent.PublishView.as_view(kind=TextKind.NOTICE),
        name="notice_publish",
    ),
    path(
        "settings/webchat/<int:pk>/notice/versions/<int:number>/",
        consent.VersionView.as_view(kind=TextKind.NOTICE),
        name="notice_version",
    ),
    path(
        "settings/webchat/<int:pk>/notice/versions/<int:number>/retire/",
        consent.RetireView.as_view(kind=TextKind.NOTICE),
        name="notice_retire",
    ),
    path("settings/gdpr/", gdpr.gdpr, name="gdpr"),
    path("settings/gdpr/edit/", gdpr.edit_gdpr, name="gdpr_edit"),
    path("settings/gdpr/history/", history.gdpr_history, name="gdpr_history"),
    path(
        "w/<public_id:public_id>/consent/<int:number>/<language:lang>/",
        public.consent_document,
        {"kind": TextKind.CONSENT},
        name="consent_document",
    ),
    path(
        "w/<public_id:public_id>/notice/<int:number>/<language:lang>/",
        public.consent_document,
        {"kind": TextKind.NOTICE},
        name="notice_document",
    ),
    path("w/<public_id:public_id>/theme.css", public.theme_css, name="theme_css"),
    path("w/<public_id:public_id>/widget.js", public.widget_js, name="widget_js"),
    path("w/<public_id:public_id>/logo/", public.logo, name="logo"),
]
