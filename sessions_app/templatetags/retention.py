"""What the retention period of a WebChat takes, for the page of its settings, which knows no sessions."""

from typing import Any

from django import template

from sessions_app import retention
from webchat.models import WebChat

register = template.Library()


@register.inclusion_tag("sessions_app/staff/retention_numbers.html")
def retention_numbers(webchat: WebChat, days: int) -> dict[str, Any]:
    """Render how many sessions keeping them for so many days takes."""
    return {"preview": retention.preview(webchat, days=days)}
