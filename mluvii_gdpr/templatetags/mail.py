"""Whether mail is configured, for templates that get no context, such as that of a field's help."""

from django import template

from mluvii_gdpr.accounts import sends_mail

register = template.Library()
register.simple_tag(sends_mail)
