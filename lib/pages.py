"""What every page for staff shares: who may open it, and that nobody keeps a copy."""

from __future__ import annotations

from django.contrib.auth.mixins import AccessMixin
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache


@method_decorator(never_cache, name="dispatch")
class StaffPage(AccessMixin, View):
    """A page for staff with a right: 403 without it, to the log-in for nobody. Never cached.

    ``permission_required`` names one permission or several, all of which are needed; of ``any_permission`` one is
    enough. A page that names neither is a mistake and opens for nobody.
    """

    permission_required: str | tuple[str, ...] = ()
    any_permission: tuple[str, ...] = ()

    @property
    def staff(self) -> User:
        """Return who is logged in; only known after the permissions were checked."""
        assert isinstance(self.request.user, User)  # noqa: S101  for the type checker
        return self.request.user

    def has_permission(self) -> bool:
        required = self.permission_required
        every = (required,) if isinstance(required, str) else required
        if not every and not self.any_permission:
            raise ImproperlyConfigured(f"{type(self).__name__} names no permission.")
        user = self.request.user
        return user.has_perms(every) and (
            not self.any_permission or any(map(user.has_perm, self.any_permission))
        )

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not self.has_permission():
            return self.handle_no_permission()
        return super().dispatch(request, *args, **kwargs)
