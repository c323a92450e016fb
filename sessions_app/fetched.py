"""Forms that a script sends in the background: its answer needs no page when all went well."""

from django.http import HttpRequest


def is_fetched(request: HttpRequest) -> bool:
    """Say whether static/look/composer.js sent the form. It reads errors from the page, and gets 204 instead of 302."""
    return request.headers.get("X-Fetched") == "1"
