"""Check the permissions for every staff page, and prevent caching.

``staff_page`` is a decorator for functions. ``StaffPage`` is a base class for views that share
code, for example an error page or a form. ``limit_body`` sets the largest request of a function.
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
    """Restrict a view function like ``StaffPage`` restricts a class.

    The user needs all permissions of ``required`` and one of ``any_of``.

    Raises:
        ImproperlyConfigured: no permission is given.
    """
    if not required and not any_of:
        raise ImproperlyConfigured("A staff page names a permission.")

    def guard(view: _View) -> _View:
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not is_allowed(request, required, any_of):
                return turn_away(request)
            return view(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]  # The signature is that of the view.

    return guard


def limit_body(limit: int) -> Callable[[_View], _View]:
    """Set the maximum size of a view function's requests in bytes, like ``max_body`` of a class."""

    def mark(view: _View) -> _View:
        view.max_body = limit  # type: ignore[attr-defined]  # mluvii_gdpr.middleware.BodyLimits
        return view

    return mark


def is_allowed(
    request: HttpRequest, required: Collection[str], any_of: Collection[str] = ()
) -> bool:
    user = request.user
    return user.has_perms(required) and (not any_of or any(map(user.has_perm, any_of)))


def turn_away(request: HttpRequest) -> HttpResponseBase:
    """Return a redirect to the login page.

    An htmx request of an expired login reloads the whole page instead.

    Raises:
        PermissionDenied: the user is logged in.
    """
    if request.user.is_authenticated:
        raise PermissionDenied
    if getattr(request, "htmx", False):
        return HttpResponseClientRefresh()
    return redirect_to_login(request.get_full_path())


def staff_of(request: HttpRequest) -> User:
    """Return the user of a restricted page."""
    assert isinstance(request.user, User)  # noqa: S101  for the type checker
    return request.user


@method_decorator(never_cache, name="dispatch")
class StaffPage(View):
    """A page for staff members with a permission; it is never cached.

    A logged-in user without the permission receives status 403, other users are redirected to the
    login page. ``permission_required`` is one or several permissions, all of which are needed. One
    permission of ``any_permission`` is sufficient. A page that sets neither is a bug and cannot be
    opened.
    """

    permission_required: str | tuple[str, ...] = ()
    any_permission: tuple[str, ...] = ()
    #: A permission that is sufficient to read the page (GET and HEAD), but not to send its form.
    read_permission = ""

    @property
    def staff(self) -> User:
        """Return the logged-in user. Call it only after the permissions were checked."""
        return staff_of(self.request)

    def has_permission(self) -> bool:
        required = self.permission_required
        every = (required,) if isinstance(required, str) else required
        if not every and not self.any_permission:
            raise ImproperlyConfigured(f"{type(self).__name__} names no permission.")
        reads = bool(self.read_permission) and self.request.method in {"GET", "HEAD"}
        if reads and self.request.user.has_perm(self.read_permission):
            return True
        return is_allowed(self.request, every, self.any_permission)

    def handle_no_permission(self) -> HttpResponseBase:
        return turn_away(self.request)

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not self.has_permission():
            return self.handle_no_permission()
        return super().dispatch(request, *args, **kwargs)
