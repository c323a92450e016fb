"""The guard that every staff page shares: who may open it, and that no copy of it is kept.

``staff_page`` guards a function. ``StaffPage`` is for pages that share a refusal or a form.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRefresh

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


def staff_page(*required: str, any_of: Collection[str] = ()) -> Callable[[_View], _View]:
    """Guard a view function as ``StaffPage`` guards a class: all of ``required``, and one of ``any_of``."""
    if not required and not any_of:
        raise ImproperlyConfigured("A staff page names a permission.")

    def guard(view: _View) -> _View:
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not is_allowed(request, required, any_of):
                return turn_away(request)
            return view(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]  # the signature is that of the view

    return guard


def is_allowed(request: HttpRequest, required: Collection[str], any_of: Collection[str] = ()) -> bool:
    user = request.user
    return user.has_perms(required) and (not any_of or any(map(user.has_perm, any_of)))


def turn_away(request: HttpRequest) -> HttpResponseBase:
    """Return the way to the login, or raise PermissionDenied for a user who is logged in.

    A page that fetches a part of itself loads whole when the login has ended in the meantime.
    """
    if request.user.is_authenticated:
        raise PermissionDenied
    if getattr(request, "htmx", False):
        return HttpResponseClientRefresh()
    return redirect_to_login(request.get_full_path())


def staff_of(request: HttpRequest) -> User:
    """Return the user of a guarded page."""
    assert isinstance(request.user, User)  # noqa: S101  for the type checker
    return request.user


@method_decorator(never_cache, name="dispatch")
class StaffPage(View):
    """A page for staff with a right: 403 without it, to the login for nobody. Never cached.

    ``permission_required`` names one permission or several, all of which are needed; of ``any_permission`` one is
    enough. A page that names neither is a mistake and opens for nobody.
    """

    permission_required: str | tuple[str, ...] = ()
    any_permission: tuple[str, ...] = ()

    @property
    def staff(self) -> User:
        """Return who is logged in; only known after the permissions were checked."""
        return staff_of(self.request)

    def has_permission(self) -> bool:
        required = self.permission_required
        every = (required,) if isinstance(required, str) else required
        if not every and not self.any_permission:
            raise ImproperlyConfigured(f"{type(self).__name__} names no permission.")
        return is_allowed(self.request, every, self.any_permission)

    def handle_no_permission(self) -> HttpResponseBase:
        return turn_away(self.request)

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not self.has_permission():
            return self.handle_no_permission()
        return super().dispatch(request, *args, **kwargs)
