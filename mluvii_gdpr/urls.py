"""All routes. tests/test_permission_matrix.py lists each of them with the required permissions."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from mluvii_gdpr import views
from mluvii_gdpr.accounts import EmailAddresses, LogOut, PasswordReset, choose_language

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler404 = views.not_found
handler500 = views.failed

urlpatterns = [
    path("", views.home, name="home"),
    path("", include("sessions_app.staff.urls")),
    path("", include("sessions_app.visitor.urls")),
    path("", include("sessions_app.api.urls")),
    path("", include("webchat.urls")),
    path("", include("api.urls")),
    path("", include("anonymization.staff.urls")),
    # These routes must be before the package's own routes with the same names.
    path("accounts/password/reset/", PasswordReset.as_view(), name="account_reset_password"),
    path("accounts/logout/", LogOut.as_view(), name="account_logout"),
    path("accounts/email/", EmailAddresses.as_view(), name="account_email"),
    path("accounts/language/", choose_language, name="language"),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("admin/", admin.site.urls),
    path("favicon.ico", views.favicon, name="favicon"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
]
