"""Template filters for consent texts."""

from django import template
from django.utils.safestring import SafeString

from webchat.consent_html import sanitise

register = template.Library()


@register.filter
def consent_body(html: str) -> SafeString:
    """Return the body of a consent text for a page. It is sanitized again, so it is always safe."""
    return SafeString(sanitise(html))
