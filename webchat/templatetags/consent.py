"""Printing consent texts."""

from django import template
from django.utils.safestring import SafeString

from webchat.consent_html import sanitise

register = template.Library()


@register.filter
def consent_body(html: str) -> SafeString:
    """Return the body of a consent text for a page, sanitised once more: nothing else reaches the page."""
    return SafeString(sanitise(html))
